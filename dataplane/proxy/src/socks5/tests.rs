use proptest::prelude::*;

use super::*;

/// What the server makes of `bytes` and what it wrote.
async fn served(bytes: &[u8]) -> (Result<Destination, SocksError>, Vec<u8>) {
    let (mut client, mut server) = tokio::io::duplex(4096);
    client.write_all(bytes).await.unwrap();
    let asked = accept(&mut server).await;
    drop(server);
    let mut written = Vec::new();
    client.read_to_end(&mut written).await.unwrap();
    (asked, written)
}

fn request(command: u8, kind: u8, address: &[u8], port: u16) -> Vec<u8> {
    [
        &[5, 1, 0, 5, command, 0, kind],
        address,
        &port.to_be_bytes(),
    ]
    .concat()
}

fn by_name(name: &str, port: u16) -> Vec<u8> {
    let address = [&[u8::try_from(name.len()).unwrap()], name.as_bytes()].concat();
    request(CONNECT, NAME, &address, port)
}

fn service(host: &str, port: u16) -> Destination {
    let host = Hostname::parse(host).unwrap();
    Destination::Service { host, port }
}

#[tokio::test]
async fn a_name_an_ipv4_and_an_ipv6_address_are_understood() {
    let v6 = "2001:db8::1"
        .parse::<std::net::Ipv6Addr>()
        .unwrap()
        .octets();
    let mapped = "::ffff:10.0.0.1"
        .parse::<std::net::Ipv6Addr>()
        .unwrap()
        .octets();
    let address = |text: &str| Destination::Address(text.parse().unwrap());
    let table = [
        (
            by_name("api.shop.svc.cluster.local", 80),
            service("api.shop.svc.cluster.local", 80),
        ),
        (by_name("API.Shop.", 80), service("api.shop", 80)),
        (by_name("10.0.0.1", 80), address("10.0.0.1:80")),
        (
            request(CONNECT, IPV4, &[10, 0, 0, 1], 443),
            address("10.0.0.1:443"),
        ),
        (
            request(CONNECT, IPV6, &v6, 443),
            address("[2001:db8::1]:443"),
        ),
        (
            request(CONNECT, IPV6, &mapped, 443),
            address("10.0.0.1:443"),
        ),
    ];
    for (bytes, expected) in table {
        let (asked, written) = served(&bytes).await;
        assert_eq!(asked.unwrap(), expected);
        assert_eq!(
            written,
            [5, 0],
            "only the method is answered before the way is open"
        );
    }
}

#[tokio::test]
async fn what_is_not_served_is_answered_by_its_code() {
    let last = |written: &[u8]| written.get(3).copied();
    let (asked, written) = served(&request(2, IPV4, &[10, 0, 0, 1], 1)).await;
    assert!(matches!(asked, Err(SocksError::Command(2))));
    assert_eq!(last(&written), Some(7));
    for bytes in [
        request(CONNECT, 9, &[], 80),
        by_name("api", 0),
        by_name("a b", 80),
        by_name("", 80),
        by_name("a\0b", 80),
    ] {
        let (asked, written) = served(&bytes).await;
        assert!(matches!(asked, Err(SocksError::Address)), "{bytes:?}");
        assert_eq!(last(&written), Some(8));
    }
    let (asked, written) = served(&[5, 1, 2]).await;
    assert!(matches!(asked, Err(SocksError::NoMethod)));
    assert_eq!(written, [5, 0xff]);
    let (asked, _) = served(b"GET / HTTP/1.1\r\n\r\n").await;
    assert!(matches!(asked, Err(SocksError::NotSocks5)));
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_let_go_after_five_seconds() {
    let (_client, mut server) = tokio::io::duplex(64);
    let begun = tokio::time::Instant::now();
    assert!(matches!(
        accept(&mut server).await,
        Err(SocksError::TooSlow)
    ));
    assert_eq!(begun.elapsed(), TIME);
}

#[tokio::test]
async fn bytes_after_the_request_are_left_for_the_relay() {
    let (mut client, mut server) = tokio::io::duplex(4096);
    client
        .write_all(&[by_name("api", 80), b"early".to_vec()].concat())
        .await
        .unwrap();
    accept(&mut server).await.unwrap();
    assert_eq!(take::<5, _>(&mut server).await.unwrap(), *b"early");
}

#[test]
fn replies_tell_policy_from_absence_from_refusal() {
    assert_eq!(Reply::from(Reason::TunnelRefused), Reply::NotAllowed);
    assert_eq!(Reply::from(Reason::UnknownCaller) as u8, 2);
    assert_eq!(Reply::from(Reason::UnknownDestination) as u8, 4);
    assert_eq!(Reply::from(Reason::ConnectRefused) as u8, 5);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (mut client, mut server) = tokio::io::duplex(4096);
            client.write_all(&bytes).await.unwrap();
            client.shutdown().await.unwrap();
            let _ = accept(&mut server).await;
        });
    }
}
