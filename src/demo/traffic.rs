//! Requests as a workload makes them: HTTP through the node's SOCKS5, once by
//! `curl` where there is one, and as load.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// One answer.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    /// When the connection was begun.
    pub(super) begun: Instant,
    /// How long it took until the whole answer was there.
    pub(super) took: Duration,
    /// The body, or why there is none.
    pub(super) body: Result<String, String>,
}

/// Calls `http://host/` once, by `curl` where it exists.
pub(super) async fn call(socks: SocketAddr, host: &str) -> Answer {
    let begun = Instant::now();
    let curl = Command::new("curl")
        .args([
            "--silent",
            "--show-error",
            "--fail",
            "--max-time",
            "5",
            "--socks5-hostname",
        ])
        .arg(socks.to_string())
        .arg(format!("http://{host}/"))
        .output()
        .await;
    match curl {
        Ok(output) if output.status.success() => Answer {
            begun,
            took: begun.elapsed(),
            body: Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        },
        Ok(output) => Answer {
            begun,
            took: begun.elapsed(),
            body: Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        },
        // No curl on this machine.
        Err(_) => request(socks, host).await,
    }
}

/// Calls `http://host/` once over a connection of its own.
pub(super) async fn request(socks: SocketAddr, host: &str) -> Answer {
    let begun = Instant::now();
    let body = match tokio::time::timeout(PATIENCE, exchange(socks, host)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    };
    Answer {
        begun,
        took: begun.elapsed(),
        body,
    }
}

async fn exchange(socks: SocketAddr, host: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(socks).await?;
    stream.set_nodelay(true)?;
    // RFC 1928: no authentication; CONNECT to a name, port 80.
    stream.write_all(&[5, 1, 0]).await?;
    let mut chosen = [0; 2];
    stream.read_exact(&mut chosen).await?;
    anyhow::ensure!(
        chosen == [5, 0],
        "the proxy speaks no SOCKS5 without authentication"
    );
    let mut connect = vec![5, 1, 0, 3, u8::try_from(host.len())?];
    connect.extend_from_slice(host.as_bytes());
    connect.extend_from_slice(&80_u16.to_be_bytes());
    stream.write_all(&connect).await?;
    let mut reply = [0; 4];
    stream.read_exact(&mut reply).await?;
    anyhow::ensure!(
        reply[1] == 0,
        "refused by the node (SOCKS reply {})",
        reply[1]
    );
    let mut bound = vec![0; if reply[3] == 4 { 18 } else { 6 }];
    stream.read_exact(&mut bound).await?;
    stream
        .write_all(
            format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes(),
        )
        .await?;
    let mut answer = String::new();
    stream.take(LARGEST).read_to_string(&mut answer).await?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or_else(|| anyhow::anyhow!("the connection broke"))?;
    anyhow::ensure!(
        head.split(' ').nth(1) == Some("200"),
        "answered {:?}",
        head.lines().next().unwrap_or_default()
    );
    Ok(body.trim().to_owned())
}

/// Load in the background: closed loops of requests, each with a connection
/// of its own.
#[derive(Debug)]
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    loops: JoinSet<Vec<Answer>>,
}

impl Load {
    /// Begins `width` loops.
    #[must_use]
    pub(super) fn begin(socks: SocketAddr, host: &'static str, width: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut loops = JoinSet::new();
        for _ in 0..width {
            let stop = Arc::clone(&stop);
            loops.spawn(async move {
                let mut answers = Vec::new();
                while !stop.load(Ordering::Relaxed) && answers.len() < MOST {
                    answers.push(request(socks, host).await);
                    // An even load, well below what would saturate two cores.
                    tokio::time::sleep(PAUSE).await;
                }
                answers
            });
        }
        Self { stop, loops }
    }

    /// Ends the loops and gives every answer.
    pub(super) async fn end(self) -> Vec<Answer> {
        self.stop.store(true, Ordering::Relaxed);
        self.loops.join_all().await.into_iter().flatten().collect()
    }
}

const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(5);
const LARGEST: u64 = 64 * 1024;
const MOST: usize = 100_000;
