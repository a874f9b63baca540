use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::net::TcpStream;

use super::*;
use crate::scope::Scope;

async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn in_memory(router: Router, path: &str) -> String {
    let scope = Scope::new("admin");
    let (ours, theirs) = duplex(64 * 1024);
    scope.spawn("one", serve_stream(theirs, router, scope.shutdown()));
    ask(ours, path).await
}

#[tokio::test(start_paused = true)]
async fn ready_lists_what_is_missing() {
    let readiness = Readiness::new();
    let router = router(Metrics::new(), readiness.clone());
    let answer = in_memory(router.clone(), "/healthz/ready").await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.ends_with("process: starting\n"));

    let identity = readiness.condition("identity", "waiting for the first SVID");
    let discovery = readiness.condition("discovery", "connecting");
    identity.met();
    let answer = in_memory(router.clone(), "/healthz/ready").await;
    assert!(
        answer.starts_with("HTTP/1.1 503") && answer.ends_with("\r\n\r\ndiscovery: connecting\n")
    );
    assert!(!readiness.is_ready());

    discovery.met();
    readiness.ready().await;
    let answer = in_memory(router.clone(), "/healthz/ready").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("ready\n"));

    drop(discovery);
    let missing = [("discovery".to_owned(), "its part has stopped".to_owned())];
    assert_eq!(readiness.missing(), missing);
    let live = in_memory(router, "/healthz/live").await;
    assert!(
        live.starts_with("HTTP/1.1 200"),
        "alive though not ready: {live}"
    );
}

#[tokio::test(start_paused = true)]
async fn serves_metrics_and_nothing_else() {
    let metrics = Metrics::new();
    metrics.counter("things", "things").inc();
    let router = router(metrics, Readiness::new());
    let answer = in_memory(router.clone(), "/metrics").await;
    assert!(
        answer.contains("content-type: application/openmetrics-text"),
        "{answer}"
    );
    assert!(answer.contains("pelago_things_total 1"), "{answer}");
    let answer = in_memory(router, "/debug").await;
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn silent_and_broken_peers_are_cut() {
    let router = router(Metrics::new(), Readiness::new());
    for sent in ["", "GET /metr", "\0\u{1}nonsense\r\n\r\n"] {
        let scope = Scope::new("admin");
        let (mut ours, theirs) = duplex(1024);
        let serving = serve_stream(theirs, router.clone(), scope.shutdown());
        ours.write_all(sent.as_bytes()).await.unwrap();
        let served = tokio::time::timeout(CONNECTION_TIMEOUT + HEADER_TIMEOUT, serving).await;
        assert!(served.is_ok(), "{sent:?}");
    }
}

#[tokio::test]
async fn serves_a_listener_until_the_drain() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let scope = Scope::new("admin");
    let router = router(Metrics::new(), Readiness::new());
    scope.spawn_critical("serve", serve(listener, router, scope.shutdown()));
    // More than are served at once, all silent but the last: it waits its turn.
    let mut idle = Vec::new();
    for _ in 0..MAX_CONNECTIONS {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    let late = TcpStream::connect(address).await.unwrap();
    let mut asking = std::pin::pin!(ask(late, "/healthz/live"));
    let waits = tokio::time::timeout(Duration::from_millis(50), asking.as_mut()).await;
    assert!(waits.is_err(), "65 were served at once");
    idle.truncate(1);
    assert!(asking.await.contains("live"));
    let drained = scope.drain(Duration::from_secs(5)).await;
    assert_eq!(drained.cut, Vec::<String>::new());
    assert!(TcpStream::connect(address).await.is_err());
}
