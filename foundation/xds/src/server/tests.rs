use futures_util::FutureExt as _;
use pelago_model::Kind;
use pelago_wire::discovery;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use super::*;
use crate::samples::{client, resource, small, snapshot, told};

type Told = Pin<Box<dyn Stream<Item = Result<DeltaDiscoveryResponse, Status>> + Send>>;

struct Client {
    requests: mpsc::Sender<Result<DeltaDiscoveryRequest, Status>>,
    responses: Told,
    snapshots: watch::Sender<Arc<Snapshot>>,
    progress: watch::Receiver<Progress>,
}

fn client_of(state: Arc<Snapshot>) -> Client {
    let (requests, asked) = mpsc::channel(16);
    let (snapshots, newest) = watch::channel(state);
    let (told, progress) = watch::channel(Progress::default());
    let responses = serve(ReceiverStream::new(asked), newest, |_| Ok(told));
    Client {
        requests,
        responses: Box::pin(responses),
        snapshots,
        progress,
    }
}

fn request(kind: Kind, node: bool) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        node: node.then(|| ads::encode_client(&client())),
        type_url: discovery::type_url(kind).to_owned(),
        ..DeltaDiscoveryRequest::default()
    }
}

impl Client {
    async fn ask(&self, request: DeltaDiscoveryRequest) {
        self.requests.send(Ok(request)).await.unwrap();
    }

    async fn told(&mut self) -> DeltaDiscoveryResponse {
        self.responses.next().await.unwrap().unwrap()
    }

    async fn acknowledge(&self, response: &DeltaDiscoveryResponse) {
        self.ask(DeltaDiscoveryRequest {
            type_url: response.type_url.clone(),
            response_nonce: response.nonce.clone(),
            ..DeltaDiscoveryRequest::default()
        })
        .await;
    }

    async fn refusal(&mut self) -> Code {
        let code = self.responses.next().await.unwrap().unwrap_err().code();
        assert!(self.responses.next().await.is_none());
        code
    }
}

#[tokio::test]
async fn states_are_told_and_progress_is_known() {
    let mut client = client_of(small(1));
    for (n, kind) in Kind::ALL.into_iter().enumerate() {
        client.ask(request(kind, n == 0)).await;
        let response = client.told().await;
        assert_eq!(response.resources.len(), 1);
        client.acknowledge(&response).await;
    }
    assert!(client.responses.next().now_or_never().is_none());
    assert!(client.progress.borrow_and_update().synced);
    client.snapshots.send_replace(small(2));
    let response = client.told().await;
    assert_eq!(told(&response), ["shop/p1"]);
    assert!(!client.progress.borrow().synced);
    assert_eq!(client.progress.borrow().state_hash, small(2).state_hash());
}

#[tokio::test]
async fn a_client_that_does_not_read_is_told_the_newest_state_only() {
    let mut client = client_of(small(1));
    client.ask(request(Kind::Policy, true)).await;
    client.told().await;
    for version in 2..50 {
        client.snapshots.send_replace(small(version));
    }
    let only = client.told().await;
    let newest = resource(Kind::Policy, 1, 49).version().to_string();
    assert_eq!(only.resources[0].version, newest);
    assert!(client.responses.next().now_or_never().is_none());
}

#[tokio::test]
async fn a_newer_state_goes_before_what_is_left_of_an_older_one() {
    let mut client = client_of(Arc::default());
    for (n, kind) in Kind::ALL.into_iter().enumerate() {
        client.ask(request(kind, n == 0)).await;
        client.told().await;
    }
    client.snapshots.send_replace(small(1));
    assert_eq!(told(&client.told().await), ["shop/p1"]);
    client.snapshots.send_replace(small(2));
    for kind in Kind::ALL {
        let response = client.told().await;
        let newest = resource(kind, 1, 2).version().to_string();
        assert_eq!(response.resources[0].version, newest);
    }
}

#[tokio::test]
async fn whoever_does_not_say_who_it_is_is_told_nothing() {
    let mut client = client_of(small(1));
    client.ask(request(Kind::Policy, false)).await;
    assert_eq!(client.refusal().await, Code::InvalidArgument);
}

#[tokio::test]
async fn whoever_is_not_admitted_is_told_nothing() {
    let (requests, asked) = mpsc::channel(1);
    let (_snapshots, newest) = watch::channel(small(1));
    let mut responses = Box::pin(serve(ReceiverStream::new(asked), newest, |client| {
        assert_eq!(client.id.as_str(), "spiffe://td/pelago/node/east/n1");
        Err(Status::permission_denied("the certificate is another's"))
    }));
    requests
        .send(Ok(request(Kind::Policy, true)))
        .await
        .unwrap();
    let status = responses.next().await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    assert!(responses.next().await.is_none());
}

#[tokio::test]
async fn a_stream_cannot_become_another_nodes() {
    let mut client = client_of(small(1));
    client.ask(request(Kind::Policy, true)).await;
    client.told().await;
    let mut other = request(Kind::Gateway, true);
    other.node.as_mut().unwrap().id = "spiffe://td/pelago/node/east/n2".to_owned();
    client.ask(other).await;
    assert_eq!(client.refusal().await, Code::InvalidArgument);
}

#[tokio::test]
async fn a_type_that_is_not_served_is_refused_by_name() {
    let mut client = client_of(small(1));
    client.ask(request(Kind::Policy, true)).await;
    client.told().await;
    let mut other = request(Kind::Policy, false);
    other.type_url = "type.googleapis.com/pelago.discovery.v1.Key".to_owned();
    client.ask(other).await;
    let status = client.responses.next().await.unwrap().unwrap_err();
    assert!(status.message().contains("v1.Key"), "{status}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_is_given_up() {
    let mut client = client_of(small(1));
    assert_eq!(client.refusal().await, Code::DeadlineExceeded);
}

#[tokio::test]
async fn a_client_that_leaves_is_seen_to_leave() {
    let mut client = client_of(small(1));
    client.ask(request(Kind::Policy, true)).await;
    client.told().await;
    drop(client.requests);
    assert!(client.responses.next().await.is_none());
    while client.progress.changed().await.is_ok() {}
}

#[tokio::test]
async fn a_server_that_goes_away_says_so_and_empties_nothing() {
    let mut client = client_of(snapshot([]));
    client.ask(request(Kind::Policy, true)).await;
    client.told().await;
    drop(client.snapshots);
    let status = client.responses.next().await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
}
