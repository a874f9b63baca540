//! [`Agent`]: the Workload API on one Unix socket.

use std::time::Duration;

use pelago_identity::Identity;
use pelago_net::UnixListener;
use pelago_runtime::scope::Drain;
use pelago_wire::workload_api::spiffe_workload_api_server::SpiffeWorkloadApiServer;
use tonic::transport::Server;

use crate::budget::Budget;
use crate::incoming::incoming;
use crate::service::WorkloadApi;
use crate::told::Told;

/// Serves the Workload API.
#[derive(Debug)]
pub struct Agent {
    identity: Identity,
}

/// The server ended although it should not.
#[derive(Debug, thiserror::Error)]
#[error("the Workload API cannot be served any longer")]
pub struct ServeError(#[source] tonic::transport::Error);

impl Agent {
    /// Most streams of one user at once, and of all users.
    pub const STREAMS: (usize, usize) = (256, 4096);
    /// Most connections of one user at once, and of all users.
    pub const CONNECTIONS: (usize, usize) = (256, 4096);

    /// An agent that serves what `identity` holds.
    #[must_use]
    pub const fn new(identity: Identity) -> Self {
        Self { identity }
    }

    /// Serves callers on `listener` (open to everyone: [`pelago_net::UnixListenOptions::EVERYONE`])
    /// until the drain begins; streams then end with `Unavailable`. Spawn it as a critical task.
    ///
    /// # Errors
    /// [`ServeError`] when the listener is finished for good.
    pub async fn serve(self, listener: UnixListener, drain: Drain) -> Result<(), ServeError> {
        let (streams, connections) = (Self::STREAMS, Self::CONNECTIONS);
        let service = SpiffeWorkloadApiServer::new(WorkloadApi {
            identity: self.identity,
            drain: drain.clone(),
            streams: Budget::new(streams.0, streams.1),
            told: Told::default(),
        });
        let incoming = incoming(listener, Budget::new(connections.0, connections.1));
        Server::builder()
            .max_concurrent_streams(MAX_CONCURRENT)
            .http2_max_header_list_size(MAX_HEADERS)
            .http2_keepalive_interval(Some(KEEPALIVE))
            .http2_keepalive_timeout(Some(KEEPALIVE))
            .add_service(service.max_decoding_message_size(MAX_REQUEST))
            .serve_with_incoming_shutdown(incoming, async move { drain.begun().await })
            .await
            .map_err(ServeError)
    }
}

/// Streams of one connection.
const MAX_CONCURRENT: u32 = 32;
const MAX_HEADERS: u32 = 16 * 1024;
/// Requests of the X.509 profile are empty.
const MAX_REQUEST: usize = 16 * 1024;
const KEEPALIVE: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests;
