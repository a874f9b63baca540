//! Metrics and health on a listener of the process's own network.
//!
//! The routes are those of `runtime::admin`; only accepting is here, so that the same endpoint
//! serves in memory. At most [`MAX_CONNECTIONS`] are served at once; more wait.

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use pelago_net::{Listener, Net};
use pelago_runtime::admin::{Readiness, router, serve_stream};
use pelago_runtime::scope::Drain;
use pelago_runtime::telemetry::Metrics;

/// Serves until the drain begins, then finishes the requests under way.
pub(crate) async fn serve<N: Net>(
    mut listener: N::Listener,
    metrics: Metrics,
    readiness: Readiness,
    drain: Drain,
) -> std::io::Result<()> {
    let routes = router(metrics, readiness);
    let mut connections = FuturesUnordered::new();
    loop {
        tokio::select! {
            () = drain.begun() => break,
            Some(()) = connections.next(), if !connections.is_empty() => {}
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => {
                let (stream, _) = accepted?;
                connections.push(serve_stream(stream, routes.clone(), drain.clone()));
            }
        }
    }
    drop(listener);
    while connections.next().await.is_some() {}
    Ok(())
}

const MAX_CONNECTIONS: usize = 64;
