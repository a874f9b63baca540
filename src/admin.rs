//! The admin API's Unix socket, both ends.
//!
//! The controller authenticates a caller by the uid the kernel gives: its own
//! user and root are let in, everyone else is refused before a request is
//! read. This room decides nothing else; the services behind it audit.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use pelago_net::{BoxNet, Net as _, SystemNet, UnixListenOptions, UnixListener, UnixStream};
use pelago_runtime::scope::Drain;
use pelago_store::Actor;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::{Channel, Endpoint, Uri};

use crate::failure::Failure;

/// How long the CLI waits for a controller's socket.
const DIAL: Duration = Duration::from_secs(3);

/// A channel to the controller behind `socket`.
///
/// # Errors
/// Exit code 4: nobody listens there, or we may not connect.
pub async fn dial(socket: &Path, timeout: Duration) -> Result<Channel, Failure> {
    let path: Arc<Path> = socket.into();
    let shown = path.display().to_string();
    Endpoint::from_static("http://admin.pelago")
        .connect_timeout(DIAL)
        .timeout(timeout)
        .connect_with_connector(tower::service_fn(move |_: Uri| {
            let path = Arc::clone(&path);
            async move { SystemNet::new().dial_unix(&path).await.map(TokioIo::new) }
        }))
        .await
        .map_err(|error| {
            // The causes repeat each other; the innermost says what to do.
            let cause = anyhow::Error::new(error);
            let cause = cause.root_cause();
            Failure::Unreachable(anyhow::anyhow!("no controller answers at {shown}: {cause}"))
        })
}

/// Serves `routes` on the Unix socket until the drain begins.
///
/// # Errors
/// When the socket cannot be taken (named), or the server breaks.
pub async fn serve(
    net: &BoxNet,
    socket: &Path,
    owner: u32,
    routes: tonic::service::Routes,
    drain: Drain,
) -> anyhow::Result<impl Future<Output = anyhow::Result<()>> + Send + use<>> {
    let listener = net.listen_unix(socket, UnixListenOptions::OWNER).await?;
    let incoming = admitted(listener, owner);
    let server = tonic::transport::Server::builder()
        .max_concurrent_streams(64)
        .add_routes(routes);
    Ok(async move {
        server
            .serve_with_incoming_shutdown(incoming, async move { drain.begun().await })
            .await?;
        Ok(())
    })
}

/// Connections of those who may administrate.
fn admitted(
    listener: UnixListener,
    owner: u32,
) -> impl tokio_stream::Stream<Item = std::io::Result<AdminIo>> {
    futures_util::stream::unfold(listener, move |mut listener| async move {
        loop {
            let stream = match listener.accept().await {
                Ok(stream) => stream,
                Err(error) => return Some((Err(error), listener)),
            };
            let uid = stream.peer().credentials().uid;
            if uid == owner || uid == 0 {
                return Some((Ok(AdminIo { stream, uid }), listener));
            }
            tracing::warn!(
                uid,
                "admin connection refused: only uid {owner} and root may administrate"
            );
        }
    })
}

/// An admitted connection that knows who it is.
#[derive(Debug)]
pub struct AdminIo {
    stream: UnixStream,
    uid: u32,
}

/// Who is at the other end of an admin connection.
#[derive(Debug, Clone)]
pub struct AdminPeer {
    /// The kernel's word for it.
    pub uid: u32,
}

impl tonic::transport::server::Connected for AdminIo {
    type ConnectInfo = AdminPeer;

    fn connect_info(&self) -> AdminPeer {
        AdminPeer { uid: self.uid }
    }
}

/// Puts the [`Actor`] of an admin connection where the services look for it.
///
/// # Errors
/// `Unauthenticated` for a request that came by no admin connection.
pub fn identify(mut request: tonic::Request<()>) -> Result<tonic::Request<()>, tonic::Status> {
    let Some(AdminPeer { uid }) = request.extensions().get::<AdminPeer>().cloned() else {
        return Err(tonic::Status::unauthenticated(
            "the admin API is served on its Unix socket only",
        ));
    };
    request.extensions_mut().insert(Actor::LocalUid(uid, None));
    Ok(request)
}

impl AsyncRead for AdminIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for AdminIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
