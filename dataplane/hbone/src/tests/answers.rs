use bytes::Bytes;
use h2::client::SendRequest;
use http::{Method, Request as Http, StatusCode};
use pelago_model::WorkloadUid;
use tokio::io::{AsyncReadExt, duplex};
use tokio::task::JoinSet;

use super::ends::{Served, ends, request, serve, target};
use crate::Settings;
use crate::client::OpenError;
use crate::server::{AnswerError, Server};

#[tokio::test]
async fn a_refusal_has_its_status_and_id_and_leaves_the_tunnel() {
    let mut ends = ends().await;
    for (status, seen) in [(401, 401), (400, 400), (503, 503), (200, 503), (9999, 503)] {
        let (refused, ()) = tokio::join!(ends.tunnel.connect(request()), async {
            let incoming = ends.incoming.recv().await.unwrap();
            incoming.refuse(status, "r-1f");
        });
        let OpenError::Refused { status, refusal } = refused.unwrap_err() else {
            panic!("refused by its status");
        };
        assert_eq!((status, refusal.as_deref()), (seen, Some("r-1f")));
    }
    ends.stream().await;
}

#[tokio::test]
async fn endpoint_and_baggage_arrive() {
    let mut ends = ends().await;
    let uid = |text| WorkloadUid::parse(text).unwrap();
    let asked = request()
        .endpoint(uid("west//pod/shop/a"))
        .baggage("k8s.cluster.name=east".to_owned());
    let (opened, _far) = tokio::join!(ends.tunnel.connect(asked), async {
        let incoming = ends.incoming.recv().await.unwrap();
        assert_eq!(incoming.target, Ok(target()));
        assert_eq!(incoming.endpoint, Some(uid("west//pod/shop/a")));
        assert_eq!(incoming.baggage.as_deref(), Some("k8s.cluster.name=east"));
        incoming.accept(Some(&uid("west//pod/shop/b"))).unwrap()
    });
    assert_eq!(opened.unwrap().endpoint, Some(uid("west//pod/shop/b")));
}

#[tokio::test]
async fn a_request_taken_back_is_noticed() {
    let mut ends = ends().await;
    let mut incoming = {
        let connect = ends.tunnel.connect(request());
        tokio::pin!(connect);
        tokio::select! {
            _ = &mut connect => panic!("nobody answered"),
            incoming = ends.incoming.recv() => incoming.unwrap(),
        }
    };
    assert_eq!(ends.tunnel.streams(), 0);
    incoming.gone().await;
    assert!(incoming.accept(None).is_err());
}

#[tokio::test]
async fn a_question_nobody_answers_is_reset() {
    let mut ends = ends().await;
    let (broken, ()) = tokio::join!(ends.tunnel.connect(request()), async {
        drop(ends.incoming.recv().await.unwrap());
    });
    assert!(matches!(broken, Err(OpenError::Broken { .. })));
    assert!(!ends.tunnel.is_closed());
}

#[tokio::test]
async fn what_is_no_target_is_for_the_proxy_to_refuse() {
    let (mut sender, (mut incoming, _, _server), _client) = raw().await;
    for authority in [
        "user@api.shop:80",
        "1.2.3.4:080",
        "API.shop:80",
        "[::ffff:1.2.3.4]:80",
    ] {
        let (_answer, _send) = sender.send_request(connect(authority), false).unwrap();
        let malformed = incoming.recv().await.unwrap().target.unwrap_err();
        assert_eq!(malformed.value, authority);
    }
    for endpoints in [&["a b"][..], &["a", "b"]] {
        let mut http = connect("api.shop:80");
        for value in endpoints {
            let value = value.parse().unwrap();
            http.headers_mut().append("x-pelago-endpoint", value);
        }
        let (answer, _send) = sender.send_request(http, false).unwrap();
        let wrong = incoming.recv().await.unwrap();
        let field = wrong.target.as_ref().unwrap_err().field;
        assert_eq!((field, &wrong.endpoint), ("x-pelago-endpoint", &None));
        wrong.refuse(400, "r");
        assert_eq!(answer.await.unwrap().status(), StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn what_is_no_connect_is_answered_by_400() {
    let (mut sender, (mut incoming, _, _server), _client) = raw().await;
    for method in [Method::GET, Method::POST] {
        let http = Http::builder().method(method).uri("https://api.shop:80/");
        let (answer, _) = sender.send_request(http.body(()).unwrap(), true).unwrap();
        assert_eq!(answer.await.unwrap().status(), StatusCode::BAD_REQUEST);
    }
    assert!(incoming.try_recv().is_err());
}

#[tokio::test]
async fn bytes_before_the_answer_reset_the_request() {
    let (mut sender, (mut incoming, _, _server), _client) = raw().await;
    let (answer, mut send) = sender.send_request(connect("api.shop:80"), false).unwrap();
    send.send_data(Bytes::from_static(b"early"), false).unwrap();
    let taken = incoming.recv().await.unwrap();
    // A second request is seen after the first one's bytes.
    let (_second, _send) = sender.send_request(connect("api.shop:80"), false).unwrap();
    let second = incoming.recv().await.unwrap();
    assert!(matches!(taken.accept(None), Err(AnswerError::Early)));
    let reset = answer.await.unwrap_err();
    assert_eq!(reset.reason(), Some(h2::Reason::PROTOCOL_ERROR));
    second.accept(None).unwrap();
}

#[tokio::test]
async fn an_end_before_the_answer_is_an_end() {
    let (mut sender, (mut incoming, _, _server), _client) = raw().await;
    let (answer, mut send) = sender.send_request(connect("api.shop:80"), false).unwrap();
    send.send_data(Bytes::new(), true).unwrap();
    let taken = incoming.recv().await.unwrap();
    let (_second, _send) = sender.send_request(connect("api.shop:80"), false).unwrap();
    let _second = incoming.recv().await.unwrap();
    let mut stream = taken.accept(None).unwrap();
    assert_eq!(answer.await.unwrap().status(), StatusCode::OK);
    let mut early = String::new();
    stream.read_to_string(&mut early).await.unwrap();
    assert_eq!(early, "");
}

#[tokio::test]
async fn headers_beyond_the_limit_are_answered_by_431() {
    let (mut sender, (mut incoming, _, _server), _client) = raw().await;
    let mut http = connect("api.shop:80");
    for n in 0..70 {
        let name = http::HeaderName::try_from(format!("x-{n}")).unwrap();
        http.headers_mut()
            .insert(name, "v".repeat(1000).parse().unwrap());
    }
    let (answer, _send) = sender.send_request(http, false).unwrap();
    let status = answer.await.unwrap().status();
    assert_eq!(status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    assert!(incoming.try_recv().is_err());
}

fn connect(authority: &str) -> Http<()> {
    let http = Http::builder().method(Method::CONNECT).uri(authority);
    http.body(()).unwrap()
}

/// A client of another make.
async fn raw() -> (SendRequest<Bytes>, Served, JoinSet<()>) {
    let (near, far) = duplex(64 * 1024);
    let (client, server) = tokio::join!(
        h2::client::handshake(near),
        Server::accept(far, Settings::default())
    );
    let (sender, connection) = client.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let _ = connection.await;
    });
    (sender, serve(server.unwrap()), tasks)
}
