//! Attesting callers that fail leaves no descriptor behind. Alone in its process: it counts them.

use std::fs;

use pelago_net::{
    Connection, ListenOptions, Listener, Net, PidProof, SystemNet, UnixListenOptions,
};

#[tokio::test]
async fn thousands_of_failing_attestations_leak_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("agent.sock");
    let at = "127.0.0.1:0".parse().unwrap();
    let mut before = None;
    for proof in [PidProof::PidFd, PidProof::StartTime] {
        let net = SystemNet::with_pid_proof(proof);
        let mut unix = net
            .listen_unix(&path, UnixListenOptions::EVERYONE)
            .await
            .unwrap();
        let mut tcp = net.listen(at, ListenOptions::default()).await.unwrap();
        for _caller in 0..2500 {
            drop(net.dial_unix(&path).await.unwrap());
            let peer = unix.accept().await.unwrap().peer().clone();
            peer.facts().unwrap();
            drop(std::net::TcpStream::connect(tcp.local_addr()).unwrap());
            let (accepted, _peer) = tcp.accept().await.unwrap();
            net.owner(accepted.pair()).await.unwrap_err();
            drop(peer);
            let now = fs::read_dir("/proc/self/fd").unwrap().count();
            let first = *before.get_or_insert(now);
            assert!(now <= first + 1, "{first} descriptors became {now}");
        }
    }
}
