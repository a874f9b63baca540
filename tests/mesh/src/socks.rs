//! A workload's call through its node's SOCKS5 (RFC 1928).

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::ensure;
use pelago_net::{DialOptions, MemoryNet, MemoryStream, Net as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Sends `ping` to `host` port 80 and gives the answer.
///
/// # Errors
/// What the node or the connection says; 10 s without an answer.
pub async fn call(net: &MemoryNet, socks: SocketAddr, host: &str) -> anyhow::Result<String> {
    tokio::time::timeout(Duration::from_secs(10), async {
        let mut stream = open(net, socks, host).await?;
        stream.write_all(b"ping").await?;
        stream.shutdown().await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        ensure!(
            !answer.is_empty(),
            "the connection closed without an answer"
        );
        Ok(answer)
    })
    .await?
}

/// Opens a connection to `host` port 80.
///
/// # Errors
/// The reply code of a node that refuses.
pub async fn open(net: &MemoryNet, socks: SocketAddr, host: &str) -> anyhow::Result<MemoryStream> {
    let mut stream = net.dial(socks, DialOptions::default()).await?;
    stream.write_all(&[5, 1, 0]).await?;
    let mut chosen = [0; 2];
    stream.read_exact(&mut chosen).await?;
    ensure!(chosen == [5, 0], "no SOCKS5 without authentication");
    let mut request = vec![5, 1, 0, 3, u8::try_from(host.len())?];
    request.extend_from_slice(host.as_bytes());
    request.extend_from_slice(&[0, 80]);
    stream.write_all(&request).await?;
    let mut reply = [0; 10];
    stream.read_exact(&mut reply).await?;
    ensure!(reply.get(1) == Some(&0), "SOCKS reply {:?}", reply.get(1));
    Ok(stream)
}
