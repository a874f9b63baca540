//! [`Proxy`]: listeners, workers, and their end.
//!
//! A worker is a future: `main` places each on a runtime of its own, a test
//! polls them all on one. Draining stops accepting, sends GOAWAY, lets what is
//! open finish until the scope's deadline, and then cuts.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use pelago_identity::Identity;
use pelago_model::Snapshot;
use pelago_net::{ListenError, Listener as _, Net};
use pelago_runtime::scope::Scope;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::settings::{Role, Settings};
use crate::telemetry::Telemetry;
use crate::worker::Worker;
use crate::{gateway, inbound, outbound};

/// The proxy of one node or gateway, its listeners bound.
pub struct Proxy<N: Net> {
    parts: Parts<N>,
    bound: Bound,
    workers: Vec<Listeners<N>>,
}

/// What every worker is made of.
#[derive(Clone)]
struct Parts<N> {
    net: N,
    identity: Identity,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    settings: Arc<Settings>,
    telemetry: Telemetry,
}

/// Where the proxy listens, with real ports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bound {
    /// HBONE of a node.
    pub hbone: Option<SocketAddr>,
    /// SOCKS5 of a node.
    pub socks: Option<SocketAddr>,
    /// The port of a gateway.
    pub gateway: Option<SocketAddr>,
}

struct Listeners<N: Net> {
    hbone: Option<N::Listener>,
    socks: Option<N::Listener>,
    gateway: Option<N::Listener>,
}

impl<N: Net> Proxy<N> {
    /// Binds every listener once per worker. Nothing is accepted before
    /// [`Self::workers`] run.
    ///
    /// # Errors
    /// [`ListenError`], for example a port in use.
    pub async fn bind(
        net: N,
        identity: Identity,
        snapshots: watch::Receiver<Arc<Snapshot>>,
        settings: Settings,
        telemetry: Telemetry,
        workers: NonZeroUsize,
    ) -> Result<Self, ListenError> {
        let (hbone, socks, gateway) = match settings.role {
            Role::Node { hbone, socks } => (hbone, socks, None),
            Role::Gateway { listen, .. } => (None, None, Some(listen)),
        };
        let (hbone, hbone_at) = listen(&net, hbone, workers).await?;
        let (socks, socks_at) = listen(&net, socks, workers).await?;
        let (gateway, gateway_at) = listen(&net, gateway, workers).await?;
        let listeners = hbone.into_iter().zip(socks).zip(gateway);
        let workers = listeners.map(|((hbone, socks), gateway)| Listeners {
            hbone,
            socks,
            gateway,
        });
        Ok(Self {
            workers: workers.collect(),
            bound: Bound {
                hbone: hbone_at,
                socks: socks_at,
                gateway: gateway_at,
            },
            parts: Parts {
                net,
                identity,
                snapshots,
                settings: Arc::new(settings),
                telemetry,
            },
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn bound(&self) -> Bound {
        self.bound
    }

    /// The workers. Each runs until the scope drains; its connections are tasks
    /// of a child of `scope` and on the runtime that polls the worker.
    pub fn workers(
        self,
        scope: &Scope,
    ) -> Vec<impl Future<Output = Result<(), WorkerError>> + Send + 'static> {
        let parts = self.parts;
        let workers = self.workers.into_iter();
        workers
            .map(|listeners| run(parts.clone(), listeners, scope.child("proxy")))
            .collect()
    }
}

/// Why a worker ended before the drain.
#[derive(Debug, thiserror::Error)]
#[error("a listener of the proxy failed")]
pub struct WorkerError(#[source] std::io::Error);

type Bindings<N> = Vec<Option<<N as Net>::Listener>>;

/// One listener per worker, or none for each.
async fn listen<N: Net>(
    net: &N,
    at: Option<SocketAddr>,
    workers: NonZeroUsize,
) -> Result<(Bindings<N>, Option<SocketAddr>), ListenError> {
    let Some(at) = at else {
        return Ok(((0..workers.get()).map(|_| None).collect(), None));
    };
    let listeners = net.listen_workers(at, workers).await?;
    let at = listeners.first().map(pelago_net::Listener::local_addr);
    Ok((listeners.into_iter().map(Some).collect(), at))
}

async fn run<N: Net>(
    parts: Parts<N>,
    listeners: Listeners<N>,
    scope: Scope,
) -> Result<(), WorkerError> {
    let worker = Arc::new(Worker::new(
        parts.net,
        parts.identity,
        parts.snapshots,
        parts.settings,
        parts.telemetry,
        scope,
    ));
    let accepting = async {
        tokio::try_join!(
            accept(&worker, listeners.hbone, "hbone", inbound::serve::<N>),
            accept(&worker, listeners.socks, "socks", outbound::serve::<N>),
            accept(&worker, listeners.gateway, "gateway", gateway::serve::<N>),
        )
    };
    let accepted = tokio::select! {
        accepted = accepting => accepted.map(|_| ()),
        () = tend(&worker) => Ok(()),
    };
    // What is open keeps its tunnel; nothing keeps one for later.
    worker.tunnels.close();
    accepted
}

/// Accepts until the drain begins; the listener closes with it.
async fn accept<N, F>(
    worker: &Arc<Worker<N>>,
    listener: Option<N::Listener>,
    name: &str,
    serve: impl Fn(Arc<Worker<N>>, N::Stream, SocketAddr) -> F,
) -> Result<(), WorkerError>
where
    N: Net,
    F: Future<Output = ()> + Send + 'static,
{
    let Some(mut listener) = listener else {
        worker.drain.begun().await;
        return Ok(());
    };
    loop {
        let accepted = tokio::select! {
            () = worker.drain.begun() => return Ok(()),
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = accepted.map_err(WorkerError)?;
        let Ok(room) = Arc::clone(&worker.room).try_acquire_owned() else {
            tracing::warn!(listener = name, %peer, "no room for another connection: it is closed");
            continue;
        };
        let serving = serve(Arc::clone(worker), stream, peer);
        worker.scope.spawn(name, async move {
            serving.await;
            drop(room);
        });
    }
}

/// Keeps the pool fresh until the drain begins: what is idle goes, and after
/// every change of identity new streams show the new SVID.
async fn tend<N: Net>(worker: &Worker<N>) {
    let mut identity = worker.identity.clone();
    loop {
        tokio::select! {
            () = worker.drain.begun() => return,
            () = identity.changed() => worker.tunnels.renew(),
            () = sleep(SWEEP) => worker.tunnels.sweep(),
        }
    }
}

const SWEEP: Duration = Duration::from_secs(30);
