//! The agent on a real Unix socket, asked by a foreign client and by our own stubs.

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::StreamExt as _;
use hyper_util::rt::TokioIo;
use pelago_identity::{IdentityWriter, channel};
use pelago_net::{Fabric, Net as _, ProcessFacts, SystemNet, UnixListenOptions};
use pelago_runtime::clock::SystemClock;
use pelago_runtime::scope::Scope;
use pelago_wire::workload_api::spiffe_workload_api_client::SpiffeWorkloadApiClient;
use pelago_wire::workload_api::{
    HEADER, JwtBundlesRequest, JwtsvidRequest, ValidateJwtsvidRequest, X509BundlesRequest,
    X509svidRequest,
};
use spiffe::{WorkloadApiClient, WorkloadApiError, X509Source};
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Request};
use tower::service_fn;

use super::*;
use crate::mint::{Authority, entry};

const A: &str = "spiffe://east.example/ns/shop/sa/a";
const B: &str = "spiffe://east.example/ns/shop/sa/b";

struct Room {
    writer: IdentityWriter,
    ca: Authority,
    other: Authority,
    scope: Scope,
    socket: PathBuf,
    _directory: TempDir,
}

impl Room {
    /// An agent that serves on a real socket, and holds nothing yet.
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("agent.sock");
        let (writer, identity) = channel(Arc::new(SystemClock));
        let listener = SystemNet::new()
            .listen_unix(&socket, UnixListenOptions::EVERYONE)
            .await
            .unwrap();
        let scope = Scope::new("test");
        let agent = Agent::new(identity).serve(listener, scope.shutdown());
        scope.spawn_critical("agent", agent);
        Self {
            writer,
            ca: Authority::new("east.example"),
            other: Authority::new("west.example"),
            scope,
            socket,
            _directory: directory,
        }
    }

    /// Registers us as `A` and `B`, with SVIDs and two domains' bundles.
    fn register(&self) {
        let us = format!("unix:uid:{}", nix::unistd::geteuid());
        let bundles = [self.ca.bundle(1), self.other.bundle(1)];
        self.writer.update(|state| {
            state.entries = vec![entry("shop.a", A, &us, "main"), entry("shop.b", B, &us, "")];
            state.entries_received = true;
            for bundle in bundles {
                state.bundles.accept(bundle).unwrap();
            }
        });
        self.issue(A);
        self.issue(B);
    }

    fn issue(&self, id: &str) {
        let svid = self.ca.svid(id, 2090);
        self.writer.update(|state| {
            state.workloads.insert(svid.id().clone(), svid);
        });
    }

    fn endpoint(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    async fn foreign(&self) -> WorkloadApiClient {
        WorkloadApiClient::connect_to(self.endpoint())
            .await
            .unwrap()
    }

    async fn raw(&self) -> SpiffeWorkloadApiClient<Channel> {
        let socket = self.socket.clone();
        let connector = service_fn(move |_: Uri| {
            let socket = socket.clone();
            async move {
                tokio::net::UnixStream::connect(socket)
                    .await
                    .map(TokioIo::new)
            }
        });
        let endpoint = Endpoint::from_static("http://agent");
        SpiffeWorkloadApiClient::new(endpoint.connect_with_connector(connector).await.unwrap())
    }
}

fn headed<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request
        .metadata_mut()
        .insert(HEADER, "true".parse().unwrap());
    request
}

#[tokio::test]
async fn a_foreign_client_reads_identities_and_bundles() {
    let room = Room::new().await;
    room.register();
    let context = room.foreign().await.fetch_x509_context().await.unwrap();
    let ids: Vec<_> = context
        .svids()
        .iter()
        .map(|svid| svid.spiffe_id().to_string())
        .collect();
    assert_eq!(ids, [A, B]);
    let first = context.default_svid().unwrap();
    assert_eq!(first.hint(), Some("main"));
    let held = room.writer.identity().current();
    let ours = held.svid(&A.parse().unwrap()).unwrap();
    assert_eq!(first.leaf().as_bytes(), ours.chain_der()[0].as_ref());
    let domains: Vec<_> = context
        .bundle_set()
        .iter()
        .map(|(td, _)| td.to_string())
        .collect();
    assert_eq!(domains.len(), 2, "{domains:?}");
    let bundles = room.foreign().await.fetch_x509_bundles().await.unwrap();
    assert_eq!(bundles.len(), 2);
}

#[tokio::test]
async fn a_foreign_client_follows_a_rotation_and_the_end_of_its_entry() {
    let room = Room::new().await;
    room.register();
    let mut contexts = room.foreign().await.stream_x509_contexts().await.unwrap();
    let before = contexts.next().await.unwrap().unwrap();
    room.issue(A);
    let after = contexts.next().await.unwrap().unwrap();
    assert_ne!(before.svids()[0].leaf(), after.svids()[0].leaf());
    assert_eq!(
        before.svids()[1],
        after.svids()[1],
        "every message is the whole state"
    );
    room.writer
        .update(|state| drop(state.bundles.remove(&"west.example".parse().unwrap())));
    let without = contexts.next().await.unwrap().unwrap();
    assert_eq!(without.bundle_set().len(), 1, "absence is redaction");
    room.writer.update(|state| state.entries.clear());
    let ended = contexts.next().await.unwrap().unwrap_err();
    assert!(
        matches!(
            ended,
            WorkloadApiError::PermissionDenied(_) | WorkloadApiError::NoIdentityIssued
        ),
        "{ended:?}"
    );
    assert!(contexts.next().await.is_none());
}

#[tokio::test]
async fn a_foreign_source_rotates_by_itself() {
    let room = Room::new().await;
    room.register();
    let source = X509Source::builder()
        .endpoint(room.endpoint())
        .build()
        .await
        .unwrap();
    let before = source.svid().unwrap();
    let mut updates = source.updated();
    room.issue(A);
    updates.changed().await.unwrap();
    assert_ne!(before.leaf(), source.svid().unwrap().leaf());
    source.shutdown().await;
}

#[tokio::test]
async fn the_state_decides_the_code() {
    let room = Room::new().await;
    let mut client = room.raw().await;
    let early = client
        .fetch_x509svid(headed(X509svidRequest {}))
        .await
        .unwrap_err();
    assert_eq!(early.code(), Code::Unavailable, "{early:?}");
    room.writer.update(|state| state.entries_received = true);
    for status in [
        client
            .fetch_x509svid(headed(X509svidRequest {}))
            .await
            .unwrap_err(),
        client
            .fetch_x509_bundles(headed(X509BundlesRequest {}))
            .await
            .unwrap_err(),
    ] {
        assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
    }
}

#[tokio::test]
async fn calls_without_the_header_are_refused_and_jwt_is_refused_by_name() {
    let room = Room::new().await;
    room.register();
    let mut client = room.raw().await;
    for value in [None, Some("True"), Some("1")] {
        let mut request = Request::new(X509svidRequest {});
        if let Some(value) = value {
            request
                .metadata_mut()
                .insert(HEADER, value.parse().unwrap());
        }
        let status = client.fetch_x509svid(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{value:?}");
    }
    let status = client
        .fetch_jwtsvid(JwtsvidRequest::default())
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let refused = [
        (
            "FetchJWTSVID",
            client
                .fetch_jwtsvid(headed(JwtsvidRequest::default()))
                .await
                .unwrap_err(),
        ),
        (
            "FetchJWTBundles",
            client
                .fetch_jwt_bundles(headed(JwtBundlesRequest {}))
                .await
                .unwrap_err(),
        ),
        (
            "ValidateJWTSVID",
            client
                .validate_jwtsvid(headed(ValidateJwtsvidRequest::default()))
                .await
                .unwrap_err(),
        ),
    ];
    for (call, status) in refused {
        assert_eq!(status.code(), Code::Unimplemented);
        assert!(status.message().starts_with(call), "{status:?}");
    }
}

#[tokio::test]
async fn one_user_cannot_hold_more_streams_than_its_share() {
    let room = Room::new().await;
    room.register();
    let mut clients = Vec::new();
    let mut streams = Vec::new();
    let share = Agent::STREAMS.0;
    while streams.len() < share {
        let mut client = room.raw().await;
        for _ in 0..usize::try_from(MAX_CONCURRENT)
            .unwrap()
            .min(share - streams.len())
        {
            streams.push(
                client
                    .fetch_x509svid(headed(X509svidRequest {}))
                    .await
                    .unwrap(),
            );
        }
        clients.push(client);
    }
    let mut client = room.raw().await;
    let status = client
        .fetch_x509svid(headed(X509svidRequest {}))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
}

#[tokio::test]
async fn a_drain_ends_streams_and_removes_the_socket() {
    let room = Room::new().await;
    room.register();
    let mut client = room.raw().await;
    let mut stream = client
        .fetch_x509svid(headed(X509svidRequest {}))
        .await
        .unwrap()
        .into_inner();
    stream.message().await.unwrap().unwrap();
    room.scope.begin_drain();
    let status = stream.message().await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    drop((stream, client));
    let drained = room.scope.drain(Duration::from_secs(10)).await;
    assert!(drained.cut.is_empty(), "{drained:?}");
    assert!(!room.socket.exists());
}

#[tokio::test(start_paused = true)]
async fn identities_follow_the_process_not_the_request() {
    let (writer, identity) = channel(Arc::new(SystemClock));
    let ca = Authority::new("east.example");
    writer.update(|state| {
        state.entries = vec![
            entry("shop.a", A, "unix:uid:7", ""),
            entry("shop.b", B, "unix:path:/usr/bin/b", ""),
        ];
        state.entries_received = true;
        state.bundles.accept(ca.bundle(1)).unwrap();
        for svid in [ca.svid(A, 2090), ca.svid(B, 2090)] {
            state.workloads.insert(svid.id().clone(), svid);
        }
    });
    let net = Fabric::new().host([], ProcessFacts::of_user(0, 0));
    let path = PathBuf::from("/run/pelago/agent.sock");
    let listener = net
        .listen_unix(&path, UnixListenOptions::EVERYONE)
        .await
        .unwrap();
    let scope = Scope::new("test");
    scope.spawn_critical(
        "agent",
        Agent::new(identity).serve(listener, scope.shutdown()),
    );

    let b = ProcessFacts {
        path: Some("/usr/bin/b".into()),
        ..ProcessFacts::of_user(8, 8)
    };
    let callers = [
        (ProcessFacts::of_user(7, 7), Ok(A)),
        (b, Ok(B)),
        (ProcessFacts::of_user(9, 9), Err(Code::PermissionDenied)),
    ];
    for (process, expected) in callers {
        let net = net.as_process(process);
        let path = path.clone();
        let connector = service_fn(move |_: Uri| {
            let (net, path) = (net.clone(), path.clone());
            async move { net.dial_unix(&path).await.map(TokioIo::new) }
        });
        let endpoint = Endpoint::from_static("http://agent");
        let channel = endpoint.connect_with_connector(connector).await.unwrap();
        let mut client = SpiffeWorkloadApiClient::new(channel);
        let answer = match client.fetch_x509svid(headed(X509svidRequest {})).await {
            Ok(stream) => {
                let message = stream.into_inner().message().await.unwrap().unwrap();
                assert_eq!(message.svids.len(), 1);
                Ok(message.svids[0].spiffe_id.clone())
            }
            Err(status) => Err(status.code()),
        };
        assert_eq!(answer, expected.map(str::to_owned));
    }
}
