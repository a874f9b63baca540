//! One peer: both sides dial, one session stays, a lost one is dialled again at
//! once and then at growing intervals of at most a second.

use std::fmt::Write as _;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use pelago_federation_core::session::{Dialler, Keep, keep};
use pelago_identity::{Expect, SNI_PEERING, Target};
use pelago_model::Peer;
use pelago_runtime::backoff::Backoff;
use pelago_wire::MAX_MESSAGE;
use pelago_wire::peering::peering_client::PeeringClient;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::allowance::Allowance;
use super::common::{Common, Heard, Report};
use super::drive::{self, Ended, Io, QUEUE};
use super::service::Accepted;

/// Keeps a session with the peer until dropped.
pub(super) async fn run(common: Common, peer: Arc<Peer>, mut inbox: mpsc::Receiver<Accepted>) {
    let mut link = Link {
        backoff: Backoff::new(FIRST, LONGEST, fastrand::u64(..)),
        next: Instant::now(),
        dialling: None,
        active: None,
        allowance: Allowance::new(Instant::now()),
        common,
        peer,
    };
    loop {
        tokio::select! {
            accepted = inbox.recv() => match accepted {
                // Each session begins with a full list; one that opens them all
                // the time must not be heard each time.
                Some(_) if !link.allowance.take(Instant::now()) => {}
                Some(Accepted { inbound, outbound, .. }) => {
                    link.offer(Dialler::Peer, Io { inbound, outbound }).await;
                }
                None => return,
            },
            dialled = maybe(link.dialling.as_mut()) => {
                link.dialling = None;
                match dialled {
                    Ok(io) => link.offer(Dialler::Us, io).await,
                    Err(status) => link.failed(&status).await,
                }
            }
            ended = maybe(link.active.as_mut().map(|(_, session)| session)) => {
                link.ended(&ended).await;
            }
            () = sleep_until(link.next), if link.active.is_none() && link.dialling.is_none() => {
                link.dialling = Some(dial(link.common.clone(), Arc::clone(&link.peer)));
            }
        }
    }
}

struct Link {
    common: Common,
    peer: Arc<Peer>,
    backoff: Backoff,
    /// Not dialled before.
    next: Instant,
    dialling: Option<BoxFuture<'static, Result<Io, Status>>>,
    active: Option<(Dialler, BoxFuture<'static, (Ended, Duration)>)>,
    /// For sessions that the peer opens.
    allowance: Allowance,
}

impl Link {
    /// A session is open; it runs, unless the one that runs already stays.
    async fn offer(&mut self, by: Dialler, io: Io) {
        let ours = &self.common.ours;
        let theirs = &self.peer.controller;
        if let Some((old, _)) = &self.active
            && keep(ours, theirs, *old, by) == Keep::Old
        {
            return;
        }
        // What we are dialling would lose against it.
        if keep(ours, theirs, by, Dialler::Us) == Keep::Old {
            self.dialling = None;
        }
        let began = Instant::now();
        let session = drive::run(self.common.clone(), Arc::clone(&self.peer), io);
        let session = session.map(move |ended| (ended, began.elapsed())).boxed();
        self.active = Some((by, session));
        tracing::info!(peer = %self.peer.cluster, dialler = ?by, "a peering session is open");
        self.report(Heard::Opened).await;
    }

    async fn ended(&mut self, (ended, lasted): &(Ended, Duration)) {
        self.active = None;
        if *lasted >= STABLE {
            self.backoff.succeeded();
        }
        self.next = Instant::now() + self.backoff.failed();
        let why = chain(ended);
        tracing::warn!(peer = %self.peer.cluster, %why, "a peering session ended");
        self.report(Heard::Closed(why)).await;
    }

    async fn failed(&mut self, status: &Status) {
        self.next = Instant::now() + self.backoff.failed();
        if self.active.is_none() {
            let why = chain(status);
            tracing::debug!(peer = %self.peer.cluster, %why, "the peer cannot be reached");
            self.report(Heard::Closed(why)).await;
        }
    }

    async fn report(&mut self, heard: Heard) {
        let report = Report {
            cluster: self.peer.cluster.clone(),
            controller: self.peer.controller.clone(),
            heard,
        };
        // Nobody listens only while the process ends.
        let _ = self.common.reports.send(report).await;
    }
}

/// The future's answer, or never when there is none.
async fn maybe<F: Future + Unpin>(future: Option<F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => pending().await,
    }
}

fn dial(common: Common, peer: Arc<Peer>) -> BoxFuture<'static, Result<Io, Status>> {
    async move {
        let target = Target {
            addresses: peer.addresses.clone(),
            sni: SNI_PEERING.to_owned(),
            as_id: common.ours.clone(),
            expect: Expect::exactly(peer.controller.clone()).issued_by(peer.cluster.clone()),
        };
        let mut client = PeeringClient::new(common.channels.channel(&target))
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_MESSAGE);
        let (outbound, sent) = mpsc::channel(QUEUE);
        let opening = client.session(ReceiverStream::new(sent));
        let opened = timeout(OPENING, opening)
            .await
            .map_err(|_| Status::deadline_exceeded("the peer did not answer in time"))
            .and_then(|opened| opened);
        if opened.is_err() {
            // The peer may not have known our trust domain yet when this
            // connection was made; it will not judge it again.
            common.channels.forget(&target);
        }
        let opened = opened?;
        Ok(Io {
            inbound: opened.into_inner(),
            outbound,
        })
    }
    .boxed()
}

/// An error with its causes, in one line of at most 300 characters. The peer
/// wrote parts of it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let _ = write!(text, ": {inner}");
        cause = inner.source();
    }
    pelago_resources::one_line(&text, 300)
}

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(1);
/// A session that lasted so long was useful.
const STABLE: Duration = Duration::from_secs(2);
/// A dial and the first answer together.
const OPENING: Duration = Duration::from_secs(8);
