use std::pin::Pin;

use futures_util::Stream;
use hyper_util::rt::TokioIo;
use pelago_wire::ads::aggregated_discovery_service_server::{
    AggregatedDiscoveryService, AggregatedDiscoveryServiceServer,
};
use tokio::io::DuplexStream;
use tokio::task::JoinSet;
use tonic::transport::{Endpoint, Server};
use tonic::{Request, Response};

use super::*;
use crate::publication::Progress;
use crate::samples::{client, small};
use crate::server::serve;

struct Discovery {
    snapshots: watch::Receiver<Arc<Snapshot>>,
}

#[tonic::async_trait]
impl AggregatedDiscoveryService for Discovery {
    type DeltaAggregatedResourcesStream =
        Pin<Box<dyn Stream<Item = Result<DeltaDiscoveryResponse, tonic::Status>> + Send>>;

    async fn delta_aggregated_resources(
        &self,
        request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, tonic::Status> {
        let (progress, _) = watch::channel(Progress::default());
        let responses = serve(request.into_inner(), self.snapshots.clone(), |_| {
            Ok(progress)
        });
        Ok(Response::new(Box::pin(responses)))
    }
}

/// Where the client dials: whoever listens now.
#[derive(Clone)]
struct Listener(Arc<watch::Sender<Option<mpsc::Sender<DuplexStream>>>>);

impl Listener {
    fn new() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }

    fn channel(&self) -> Channel {
        let listener = self.clone();
        let dial = tower::service_fn(move |_| {
            let server = listener.0.borrow().clone();
            async move {
                let (near, far) = tokio::io::duplex(64 << 10);
                let refused = || std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
                let server = server.ok_or_else(refused)?;
                server.send(far).await.map_err(|_| refused())?;
                Ok::<_, std::io::Error>(TokioIo::new(near))
            }
        });
        Endpoint::from_static("http://control.pelago").connect_with_connector_lazy(dial)
    }

    /// Serves until the tasks are dropped.
    fn serve(&self, tasks: &mut JoinSet<()>, state: Arc<Snapshot>) -> watch::Sender<Arc<Snapshot>> {
        let (accept, accepted) = mpsc::channel::<DuplexStream>(8);
        let (sender, snapshots) = watch::channel(state);
        let service = AggregatedDiscoveryServiceServer::new(Discovery { snapshots });
        tasks.spawn(async move {
            use futures_util::StreamExt as _;
            let incoming = ReceiverStream::new(accepted).map(Ok::<_, std::io::Error>);
            let served = Server::builder()
                .add_service(service)
                .serve_with_incoming(incoming);
            let _ = served.await;
        });
        self.0.send_replace(Some(accept));
        sender
    }
}

fn start(
    tasks: &mut JoinSet<()>,
    listener: &Listener,
) -> (watch::Receiver<Arc<Snapshot>>, watch::Receiver<Status>) {
    let (snapshot, newest) = watch::channel(Arc::default());
    let (status, standing) = watch::channel(Status::default());
    let listener = listener.clone();
    let backoff = Backoff::new(Duration::from_millis(5), Duration::from_millis(20), 1);
    tasks.spawn(run(
        move || listener.channel(),
        client(),
        Outlet { snapshot, status },
        backoff,
    ));
    (newest, standing)
}

async fn is(newest: &mut watch::Receiver<Arc<Snapshot>>, state: &Snapshot) {
    let arrived = newest.wait_for(|held| held.state_hash() == state.state_hash());
    timeout(Duration::from_secs(10), arrived)
        .await
        .expect("in time")
        .unwrap();
}

async fn stands(standing: &mut watch::Receiver<Status>, so: impl Fn(&Status) -> bool) -> Status {
    let stands = standing.wait_for(|status| so(status));
    let stands = timeout(Duration::from_secs(100), stands).await;
    stands.expect("in time").unwrap().clone()
}

#[tokio::test]
async fn a_lost_server_empties_nothing_and_its_successor_is_followed() {
    let mut tasks = JoinSet::new();
    let listener = Listener::new();
    let (mut newest, mut standing) = start(&mut tasks, &listener);
    let status = stands(&mut standing, |status| !status.last_error.is_empty()).await;
    assert!(!status.connected && !status.synced);

    let mut first = JoinSet::new();
    let states = listener.serve(&mut first, small(1));
    is(&mut newest, &small(1)).await;
    stands(&mut standing, |status| status.synced).await;
    states.send_replace(small(2));
    is(&mut newest, &small(2)).await;

    first.shutdown().await;
    drop(states);
    let status = stands(&mut standing, |status| !status.connected).await;
    assert!(status.synced);
    assert_eq!(newest.borrow().state_hash(), small(2).state_hash());

    let mut second = JoinSet::new();
    let states = listener.serve(&mut second, small(3));
    is(&mut newest, &small(3)).await;
    let status = stands(&mut standing, |status| status.connected).await;
    assert_eq!(status.last_error, "");
    states.send_replace(Arc::default());
    is(&mut newest, &Snapshot::default()).await;
}

#[tokio::test]
async fn it_ends_when_nobody_listens() {
    let mut tasks = JoinSet::new();
    let listener = Listener::new();
    let (newest, _standing) = start(&mut tasks, &listener);
    drop(newest);
    timeout(Duration::from_secs(10), tasks.join_all())
        .await
        .expect("in time");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_accepts_and_says_nothing_is_left() {
    let mut tasks = JoinSet::new();
    let listener = Listener::new();
    let (accept, mut accepted) = mpsc::channel(8);
    listener.0.send_replace(Some(accept));
    let (_newest, mut standing) = start(&mut tasks, &listener);
    let _held = accepted.recv().await.unwrap();
    let status = stands(&mut standing, |status| !status.last_error.is_empty()).await;
    assert!(status.last_error.contains("did not answer"), "{status:?}");
    // And asked again.
    accepted.recv().await.unwrap();
}
