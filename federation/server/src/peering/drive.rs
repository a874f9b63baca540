//! Drives one session machine over one stream.
//!
//! Messages to the peer queue here, never more than one snapshot's worth: while
//! the queue is not empty, changes of the snapshot wait and are told together.

use std::collections::VecDeque;
use std::time::Duration;

use pelago_federation_core::session::{Broken, Message, Session};
use pelago_model::Peer;
use pelago_model::service::Audience;
use pelago_wire::peering::PeerMessage;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tonic::{Status, Streaming};

use super::codec::{self, CodecError};
use super::common::{Common, Report};
use super::pace::Pace;

/// Messages between the session and gRPC.
pub(super) const QUEUE: usize = 64;

/// Both directions of a stream.
pub(super) struct Io {
    pub(super) inbound: Streaming<PeerMessage>,
    pub(super) outbound: mpsc::Sender<PeerMessage>,
}

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    /// The peer closed it, or the connection did.
    #[error("the peer closed the session")]
    Closed,
    /// gRPC failed.
    #[error("the session failed")]
    Failed(#[source] Box<Status>),
    /// A message that cannot be read.
    #[error("the peer sent what cannot be read")]
    Unreadable(#[source] CodecError),
    /// The machine gave up.
    #[error("the session is broken")]
    Broken(#[source] Broken),
    /// The peer speaks and does not read.
    #[error("the peer does not read what it is sent")]
    Stalled,
    /// We are being shut down.
    #[error("this controller is shutting down")]
    Stopping,
}

/// Runs the session to its end.
pub(super) async fn run(common: Common, peer: std::sync::Arc<Peer>, io: Io) -> Ended {
    let audience = Audience {
        cluster: peer.cluster.clone(),
        trust_domain: peer.trust_domain.clone(),
    };
    let start = Instant::now();
    let (session, hello) = Session::open(
        common.cluster.clone(),
        audience,
        common.settings,
        Duration::ZERO,
    );
    let mut drive = Drive {
        common,
        peer,
        session,
        start,
        queue: VecDeque::from([hello]),
        moved: start,
        pace: Pace::new(start),
    };
    match drive.run(io).await {
        Ok(never) => match never {},
        Err(ended) => ended,
    }
}

struct Drive {
    common: Common,
    peer: std::sync::Arc<Peer>,
    session: Session,
    start: Instant,
    queue: VecDeque<Message>,
    /// When the queue was last empty or shrank.
    moved: Instant,
    pace: Pace,
}

impl Drive {
    async fn run(&mut self, io: Io) -> Result<std::convert::Infallible, Ended> {
        let Io {
            mut inbound,
            outbound,
        } = io;
        let mut stale = false;
        loop {
            if self.queue.is_empty() {
                self.moved = Instant::now();
                if std::mem::take(&mut stale) {
                    self.publish();
                }
            }
            if self.moved.elapsed() >= self.common.settings.lease {
                return Err(Ended::Stalled);
            }
            let due = self.start + self.session.due();
            let tell = self.pace.due();
            tokio::select! {
                message = inbound.message() => {
                    let message = message.map_err(|status| Ended::Failed(Box::new(status)))?;
                    self.receive(message.ok_or(Ended::Closed)?)?;
                }
                () = sleep_until(tell.unwrap_or(due)), if tell.is_some() => self.tell().await?,
                permit = outbound.reserve(), if !self.queue.is_empty() => {
                    let permit = permit.map_err(|_| Ended::Closed)?;
                    if let Some(message) = self.queue.pop_front() {
                        permit.send(codec::encode(message));
                        self.moved = Instant::now();
                    }
                }
                changed = self.common.snapshot.changed() => {
                    changed.map_err(|_| Ended::Stopping)?;
                    stale = true;
                }
                () = sleep_until(due) => {
                    let beat = self.session.tick(self.start.elapsed()).map_err(Ended::Broken)?;
                    self.queue.extend(beat);
                }
            }
        }
    }

    fn publish(&mut self) {
        let snapshot = self.common.snapshot.borrow_and_update().clone();
        self.queue.extend(self.session.publish(&snapshot));
    }

    fn receive(&mut self, message: PeerMessage) -> Result<(), Ended> {
        let Some(message) = codec::decode(message).map_err(Ended::Unreadable)? else {
            return Ok(());
        };
        let snapshot = self.common.snapshot.borrow().clone();
        let now = self.start.elapsed();
        let (events, out) = self
            .session
            .receive(message, &snapshot, now)
            .map_err(Ended::Broken)?;
        self.queue.extend(out);
        let (ours, theirs) = (self.session.our_hash(), self.session.their_hash());
        for event in events {
            self.pace.hear(event, ours, theirs);
        }
        Ok(())
    }

    async fn tell(&mut self) -> Result<(), Ended> {
        for heard in self.pace.tell(Instant::now()) {
            let report = Report {
                cluster: self.peer.cluster.clone(),
                controller: self.peer.controller.clone(),
                heard,
            };
            // A full channel holds the peer back; it never loses a word.
            self.common
                .reports
                .send(report)
                .await
                .map_err(|_| Ended::Stopping)?;
        }
        Ok(())
    }
}
