//! The server's driver: a response stream that reads the requests itself.
//!
//! It runs only while the transport asks for the next response, so a client
//! that does not read stops being read, and the next state replaces the one
//! that waits. The first request must say who speaks; `admit` compares that
//! with the certificate before anything is told.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _, stream};
use pelago_model::Snapshot;
use pelago_wire::ads::{self, DeltaDiscoveryRequest, DeltaDiscoveryResponse, Node};
use pelago_wire::{Malformed, hello};
use tokio::sync::watch;
use tokio::time::timeout;
use tonic::Status;

use crate::publication::{Chunk, Progress, Publication};

/// Serves one stream.
///
/// `admit` is told what the client says of itself and refuses it or gives the
/// sender on which its progress is published; that sender is dropped when the
/// stream ends. The stream ends when the client ends it, breaks the protocol,
/// or `snapshots` is closed.
pub fn serve<R, A>(
    requests: R,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    admit: A,
) -> impl Stream<Item = Result<DeltaDiscoveryResponse, Status>> + Send + 'static
where
    R: Stream<Item = Result<DeltaDiscoveryRequest, Status>> + Send + 'static,
    A: FnOnce(&ads::Client) -> Result<watch::Sender<Progress>, Status> + Send + 'static,
{
    let requests: Requests = Box::pin(requests);
    stream::unfold(State::New(requests, snapshots, admit), async |state| {
        let mut session = match state {
            State::New(requests, snapshots, admit) => {
                match Session::begin(requests, snapshots, admit).await {
                    Ok(session) => Box::new(session?),
                    Err(status) => return Some((Err(status), State::Over)),
                }
            }
            State::Open(session) => session,
            State::Over => return None,
        };
        match session.next().await? {
            Ok(response) => Some((Ok(response), State::Open(session))),
            Err(status) => Some((Err(status), State::Over)),
        }
    })
}

type Requests = Pin<Box<dyn Stream<Item = Result<DeltaDiscoveryRequest, Status>> + Send>>;

enum State<A> {
    New(Requests, watch::Receiver<Arc<Snapshot>>, A),
    Open(Box<Session>),
    Over,
}

struct Session {
    requests: Requests,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    publication: Publication,
    progress: watch::Sender<Progress>,
    node: Node,
}

impl Session {
    /// Waits for the first request; `None` when the client leaves without one.
    async fn begin<A>(
        mut requests: Requests,
        mut snapshots: watch::Receiver<Arc<Snapshot>>,
        admit: A,
    ) -> Result<Option<Self>, Status>
    where
        A: FnOnce(&ads::Client) -> Result<watch::Sender<Progress>, Status>,
    {
        let first = timeout(FIRST_REQUEST, requests.next())
            .await
            .map_err(|_| Status::deadline_exceeded("no request came within 10 seconds"))?;
        let Some(Ok(first)) = first else {
            return Ok(None);
        };
        let node = first
            .node
            .clone()
            .ok_or_else(|| Malformed::absent("DeltaDiscoveryRequest", "node"))?;
        let client = ads::decode_client(&node)?;
        hello::negotiate(Some(client.hello.clone()))?;
        let progress = admit(&client)?;
        let current = Arc::clone(&snapshots.borrow_and_update());
        let mut session = Self {
            requests,
            snapshots,
            publication: Publication::new(current, Chunk::default()),
            progress,
            node,
        };
        session.request(&first)?;
        Ok(Some(session))
    }

    /// The next response; `None` when the client has ended the stream.
    async fn next(&mut self) -> Option<Result<DeltaDiscoveryResponse, Status>> {
        loop {
            if self.snapshots.has_changed().unwrap_or(false) {
                self.publish();
            }
            let response = self.publication.respond();
            self.report();
            if let Some(response) = response {
                return Some(Ok(response));
            }
            tokio::select! {
                request = self.requests.next() => {
                    // A failing request stream is a client that is gone.
                    if let Err(status) = self.request(&request?.ok()?) {
                        return Some(Err(status));
                    }
                }
                changed = self.snapshots.changed() => match changed {
                    Ok(()) => self.publish(),
                    Err(_) => {
                        let status = Status::unavailable("this server is going away: ask again");
                        return Some(Err(status));
                    }
                },
            }
        }
    }

    fn request(&mut self, request: &DeltaDiscoveryRequest) -> Result<(), Status> {
        if request.node.as_ref().is_some_and(|node| *node != self.node) {
            return Err(Status::invalid_argument(
                "the node of a stream cannot change: open another stream",
            ));
        }
        self.publication.request(request)?;
        Ok(())
    }

    fn publish(&mut self) {
        let next = Arc::clone(&self.snapshots.borrow_and_update());
        self.publication.publish(next);
    }

    fn report(&self) {
        let now = self.publication.progress();
        self.progress.send_if_modified(|told| {
            let changed = *told != now;
            *told = now;
            changed
        });
    }
}

/// How long a client may take to say who it is.
const FIRST_REQUEST: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
