//! A tunnel with both its sides at hand.

use std::sync::Arc;

use pelago_wire::hbone::Target;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, duplex};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use crate::Settings;
use crate::client::{self, OpenError, Opened, Request, Tunnel};
use crate::server::{Incoming, Server};
use crate::stream::HboneStream;

pub(super) struct Ends {
    pub(super) tunnel: Tunnel,
    pub(super) incoming: mpsc::Receiver<Incoming>,
    pub(super) drain: Arc<Notify>,
    pub(super) client: JoinSet<()>,
    pub(super) server: JoinSet<Option<std::io::ErrorKind>>,
}

pub(super) async fn ends() -> Ends {
    let (near, far) = duplex(64 * 1024);
    over(near, far, Settings::default()).await
}

pub(super) async fn over<C, S>(near: C, far: S, settings: Settings) -> Ends
where
    C: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (opened, server) = tokio::join!(
        client::open(near, settings.clone()),
        Server::accept(far, settings)
    );
    let (tunnel, driver) = opened.unwrap();
    let mut client = JoinSet::new();
    client.spawn(driver);
    let (incoming, drain, server) = serve(server.unwrap());
    Ends {
        tunnel,
        incoming,
        drain,
        client,
        server,
    }
}

pub(super) type Served = (
    mpsc::Receiver<Incoming>,
    Arc<Notify>,
    JoinSet<Option<std::io::ErrorKind>>,
);

pub(super) fn serve<S>(mut server: Server<S>) -> Served
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, incoming) = mpsc::channel(1024);
    let drain = Arc::new(Notify::new());
    let drained = Arc::clone(&drain);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            tokio::select! {
                next = server.next() => match next {
                    Some(incoming) => { let _ = sender.try_send(incoming); }
                    None => return server.failure().map(std::io::Error::kind),
                },
                () = drained.notified() => server.drain(),
            }
        }
    });
    (incoming, drain, tasks)
}

impl Ends {
    /// One stream, as both sides have it.
    pub(super) async fn stream(&mut self) -> (HboneStream, HboneStream) {
        let (opened, accepted) = tokio::join!(self.tunnel.connect(request()), async {
            self.incoming.recv().await.unwrap().accept(None).unwrap()
        });
        (opened.unwrap().stream, accepted)
    }

    pub(super) async fn connect(&self) -> Result<Opened, OpenError> {
        self.tunnel.connect(request()).await
    }
}

pub(super) fn target() -> Target {
    Target::parse("api.shop.svc.cluster.local:80").unwrap()
}

pub(super) fn request() -> Request {
    Request::to(target())
}

pub(super) async fn echo(mut stream: HboneStream) {
    let (mut read, mut write) = tokio::io::split(&mut stream);
    tokio::io::copy(&mut read, &mut write).await.unwrap();
    write.shutdown().await.unwrap();
}

pub(super) fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n % 251) as u8).collect()
}

/// Sends and half-closes while reading to the end.
pub(super) async fn exchange(stream: HboneStream, data: &[u8]) -> Vec<u8> {
    let (mut read, mut write) = tokio::io::split(stream);
    let mut answer = Vec::new();
    let (sent, received) = tokio::join!(
        async {
            write.write_all(data).await?;
            write.shutdown().await
        },
        read.read_to_end(&mut answer)
    );
    sent.unwrap();
    received.unwrap();
    answer
}
