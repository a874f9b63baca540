use super::*;

#[tokio::test]
async fn both_ends_ask_a_silent_peer_for_a_sign_of_life() {
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut listener = SystemListener::bind(at, ListenOptions::default()).unwrap();
    let options = DialOptions::default();
    let dialled = SystemStream::connect(listener.local_addr(), options).await;
    let (accepted, _) = listener.accept().await.unwrap();
    for stream in [dialled.unwrap(), accepted] {
        let socket = SockRef::from(&stream.io);
        assert!(socket.keepalive().unwrap());
        let probes = socket.tcp_keepalive_retries().unwrap();
        let idle = socket.tcp_keepalive_time().unwrap();
        let every = socket.tcp_keepalive_interval().unwrap();
        assert!(idle + every * probes <= Duration::from_secs(30));
    }
}
