//! The client's driver: one stream after another, one snapshot throughout.
//!
//! A lost stream is opened again with back-off and jitter; what is held goes
//! along, so only differences come back. The published snapshot is the last
//! good one whatever happens to the server; nothing here ever empties it.

use std::sync::Arc;
use std::time::Duration;

use pelago_model::Snapshot;
use pelago_runtime::backoff::Backoff;
use pelago_wire::ads::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use pelago_wire::ads::{self, DeltaDiscoveryRequest, DeltaDiscoveryResponse, Node};
use pelago_wire::limits::MAX_MESSAGE;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

use crate::subscription::{Received, Subscription, UnknownType};

/// How a client stands with its server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// A stream is open and the server has answered on it.
    pub connected: bool,
    /// Every kind was told in full at least once. Stays true when the server
    /// goes away: what is held stays good.
    pub synced: bool,
    /// Why the last stream ended, or what was rejected and not told anew; empty
    /// when all is well.
    pub last_error: String,
}

/// Where a client publishes.
#[derive(Debug)]
pub struct Outlet {
    /// The newest snapshot. What it holds at the start is kept and gone on
    /// from. [`run`] returns once nobody listens any more.
    pub snapshot: watch::Sender<Arc<Snapshot>>,
    /// How the client stands.
    pub status: watch::Sender<Status>,
}

/// Keeps `outlet` up to date until nobody listens to its snapshot. `channel`
/// gives the connection to use for each new stream (the same one again is
/// fine: it connects lazily). `backoff` should be seeded by each process.
pub async fn run(
    mut channel: impl FnMut() -> Channel + Send,
    client: ads::Client,
    outlet: Outlet,
    mut backoff: Backoff,
) {
    let mut state = State {
        node: ads::encode_client(&client),
        snapshot: Snapshot::clone(&outlet.snapshot.borrow()),
        subscription: Subscription::resume(&outlet.snapshot.borrow()),
        outlet: &outlet,
    };
    let keep = async {
        loop {
            let error = match state.stream(channel(), &mut backoff).await {
                Ok(()) => "the server ended the stream".to_owned(),
                Err(error) => error.to_string(),
            };
            // A controller that is away for long is told of once, not at each try.
            if backoff.failures() == 0 {
                tracing::warn!(%error, "discovery ended; the last good snapshot stays, and it is tried again");
            } else {
                tracing::debug!(%error, failures = backoff.failures(), "discovery is not connected");
            }
            outlet.status.send_modify(|status| {
                status.connected = false;
                status.last_error = error;
            });
            tokio::time::sleep(backoff.failed()).await;
        }
    };
    tokio::select! {
        () = outlet.snapshot.closed() => {}
        () = keep => {}
    }
}

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
enum StreamError {
    #[error("discovery: {}: {}", .0.code(), .0.message())]
    Status(Box<tonic::Status>),
    #[error("discovery: the server did not answer within {0:?}")]
    Silent(Duration),
    #[error("discovery: {0}")]
    UnknownType(UnknownType),
}

impl From<tonic::Status> for StreamError {
    fn from(status: tonic::Status) -> Self {
        Self::Status(Box::new(status))
    }
}

struct State<'a> {
    node: Node,
    snapshot: Snapshot,
    subscription: Subscription,
    outlet: &'a Outlet,
}

impl State<'_> {
    /// One stream from its first request to its end.
    async fn stream(&mut self, channel: Channel, backoff: &mut Backoff) -> Result<(), StreamError> {
        let (answers, mut responses) = timeout(FIRST_ANSWER, self.open(channel))
            .await
            .map_err(|_| StreamError::Silent(FIRST_ANSWER))??;
        let mut next = timeout(FIRST_ANSWER, responses.message())
            .await
            .map_err(|_| StreamError::Silent(FIRST_ANSWER))??;
        while let Some(response) = next {
            let received = self
                .subscription
                .response(response)
                .map_err(StreamError::UnknownType)?;
            backoff.succeeded();
            let answer = self.apply(received);
            if answers.send(answer).await.is_err() {
                break;
            }
            next = responses.message().await?;
        }
        Ok(())
    }

    async fn open(
        &mut self,
        channel: Channel,
    ) -> Result<
        (
            mpsc::Sender<DeltaDiscoveryRequest>,
            Streaming<DeltaDiscoveryResponse>,
        ),
        StreamError,
    > {
        let first = self.subscription.connect(&self.node);
        // Room for the first requests and some answers; a server that does
        // not read its requests is not read either.
        let (answers, requests) = mpsc::channel(first.len() + 16);
        for request in first {
            // There is room: the channel is new.
            let _ = answers.try_send(request);
        }
        let responses = AggregatedDiscoveryServiceClient::new(channel)
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_MESSAGE)
            .delta_aggregated_resources(ReceiverStream::new(requests))
            .await?
            .into_inner();
        Ok((answers, responses))
    }

    /// Publishes what a response changes; gives the answer to send.
    fn apply(&mut self, received: Received) -> DeltaDiscoveryRequest {
        if !received.delta.is_empty() {
            self.snapshot.apply(&received.delta);
            self.outlet
                .snapshot
                .send_replace(Arc::new(self.snapshot.clone()));
        }
        for rejected in &received.rejected {
            tracing::warn!(
                name = rejected.name,
                error = %rejected.error,
                "a discovery resource was rejected; its last good version stays"
            );
        }
        let now = Status {
            connected: true,
            synced: self.subscription.synced(),
            last_error: self.subscription.last_error().unwrap_or_default(),
        };
        self.outlet.status.send_if_modified(|told| {
            let changed = *told != now;
            *told = now;
            changed
        });
        received.answer
    }
}

/// How long a server may take to accept the stream, and then to answer; an
/// answer comes even when there is nothing to tell.
const FIRST_ANSWER: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
