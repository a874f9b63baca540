//! A workload: answers what it is told to whoever sends `ping`, and echoes
//! everything else.

use std::net::SocketAddr;

use pelago_net::{ListenOptions, Listener as _, MemoryNet, Net as _};
use pelago_runtime::scope::Scope;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Serves on `at` as a task of `scope`.
///
/// # Errors
/// When the address is taken.
pub async fn serve(
    net: &MemoryNet,
    at: SocketAddr,
    says: String,
    scope: &Scope,
) -> anyhow::Result<()> {
    let mut listener = net.listen(at, ListenOptions::default()).await?;
    let connections = scope.supervised("connections");
    scope.spawn("workload", async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let says = says.clone();
            connections.spawn("connection", async move {
                let mut bytes = [0; 4096];
                while let Ok(n @ 1..) = stream.read(&mut bytes).await {
                    let heard = bytes.get(..n).unwrap_or_default();
                    let answer = if heard == b"ping" {
                        says.as_bytes()
                    } else {
                        heard
                    };
                    if stream.write_all(answer).await.is_err() {
                        return;
                    }
                }
                // The caller has finished; so have we, or it is gone already.
                let _ = stream.shutdown().await;
            });
        }
    });
    Ok(())
}
