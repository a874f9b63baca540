//! One trust session: bundles and entries down, requests and acknowledgements
//! up, certificates down.
//!
//! It has no task of its own: the connection drives it, so that a caller who
//! does not read is not served. Whoever stops being entitled (a peer removed)
//! is cut off at once.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use pelago_ca_core::Caller;
use pelago_ca_core::observer::{Ack, acknowledge};
use pelago_model::{BundleSet, PartKind, RegistrationEntry, TrustDomain, Version};
use pelago_store::{Expected, TableError};
use pelago_svid::VerifiedPeer;
use pelago_wire::trust::{
    self as wire, TrustRequest, TrustResponse, trust_request, trust_response,
};
use pelago_wire::{Malformed, bundle, hello};
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::{Status, Streaming};

use super::issue::answer;
use crate::ca::{Ca, Seat};
use crate::view::{Entries, Peers};

/// What a session sends.
pub(crate) type SessionStream = Pin<Box<dyn Stream<Item = Result<TrustResponse, Status>> + Send>>;

/// One caller's session.
pub(super) struct Session {
    ca: Arc<Ca>,
    caller: Caller,
    /// What the handshake proved; the session ends with it.
    peer: VerifiedPeer,
    inbound: Streaming<TrustRequest>,
    out: VecDeque<TrustResponse>,
    greeted: bool,
    bundles: watch::Receiver<Arc<BundleSet>>,
    entries: watch::Receiver<Entries>,
    peers: watch::Receiver<Peers>,
    closing: watch::Receiver<bool>,
    /// The bundles and entries it was told last.
    told_bundles: Option<BundleSet>,
    told_entries: Option<Vec<Arc<RegistrationEntry>>>,
    _seat: Seat,
}

/// What woke the session.
enum Wake {
    Said(Option<TrustRequest>),
    Bundles,
    Entries,
    Peers,
    Closing,
    Time,
}

impl Session {
    pub(super) fn new(
        ca: Arc<Ca>,
        caller: Caller,
        peer: &VerifiedPeer,
        inbound: Streaming<TrustRequest>,
        seat: Seat,
    ) -> Self {
        Self {
            bundles: ca.view.watch_bundles(),
            entries: ca.view.watch_entries(),
            peers: ca.view.watch_peers(),
            closing: ca.closing.subscribe(),
            ca,
            caller,
            peer: peer.clone(),
            inbound,
            out: VecDeque::new(),
            greeted: false,
            told_bundles: None,
            told_entries: None,
            _seat: seat,
        }
    }

    pub(super) fn stream(self) -> SessionStream {
        Box::pin(futures_util::stream::unfold(Some(self), |session| async {
            let mut session = session?;
            match session.next().await {
                Ok(Some(message)) => Some((Ok(message), Some(session))),
                Ok(None) => None,
                Err(status) => Some((Err(status), None)),
            }
        }))
    }

    /// The next message to send; `None` at the end.
    async fn next(&mut self) -> Result<Option<TrustResponse>, Status> {
        loop {
            if let Some(message) = self.out.pop_front() {
                return Ok(Some(message));
            }
            if *self.closing.borrow() {
                return Err(Status::unavailable("the controller is shutting down"));
            }
            if !self.greeted {
                self.greet().await?;
                continue;
            }
            in_time(&self.peer, self.ca.now())?;
            match self.wake().await? {
                Wake::Said(None) => return Ok(None),
                Wake::Said(Some(message)) => self.take(message).await?,
                Wake::Bundles => {
                    self.still_vouched_for()?;
                    self.tell_bundles();
                }
                Wake::Entries => self.tell_entries(),
                Wake::Peers => self.still_known()?,
                Wake::Closing | Wake::Time => {}
            }
        }
    }

    async fn wake(&mut self) -> Result<Wake, Status> {
        let gone = |_| Status::unavailable("the controller is shutting down");
        let left = self.peer.not_after().saturating_sub(self.ca.now());
        let look = Duration::from_secs(left.saturating_add(1)).min(LOOK);
        tokio::select! {
            said = self.inbound.message() => said.map(Wake::Said),
            changed = self.bundles.changed() => changed.map(|()| Wake::Bundles).map_err(gone),
            changed = self.entries.changed() => changed.map(|()| Wake::Entries).map_err(gone),
            changed = self.peers.changed() => changed.map(|()| Wake::Peers).map_err(gone),
            changed = self.closing.changed() => changed.map(|()| Wake::Closing).map_err(gone),
            () = tokio::time::sleep(look) => Ok(Wake::Time),
        }
    }

    /// Hello both ways, then everything the caller should hold.
    async fn greet(&mut self) -> Result<(), Status> {
        let first = tokio::time::timeout(HELLO, self.inbound.message()).await;
        let first = first.map_err(|_| Status::deadline_exceeded("no Hello within 10 s"))??;
        let said = match first.and_then(|request| request.message) {
            Some(trust_request::Message::Hello(said)) => Some(said),
            _ => None,
        };
        hello::negotiate(said)?;
        self.greeted = true;
        self.say(trust_response::Message::Hello(hello::ours(&[])));
        self.tell_bundles();
        self.tell_entries();
        Ok(())
    }

    async fn take(&mut self, request: TrustRequest) -> Result<(), Status> {
        let in_bounds = self
            .ca
            .requests
            .allow(&self.caller.observer(), Instant::now());
        match request.message {
            Some(trust_request::Message::Issue(asked)) => {
                let issued = answer(&self.ca, &self.caller, asked, in_bounds).await;
                self.say(trust_response::Message::Issued(issued));
                Ok(())
            }
            Some(trust_request::Message::Ack(ack)) if in_bounds => self.acknowledged(ack).await,
            // An acknowledgement too many changes nothing: the next one counts.
            Some(trust_request::Message::Ack(_)) => Ok(()),
            Some(trust_request::Message::Hello(_)) => {
                Err(Status::invalid_argument("a second Hello"))
            }
            // A message of a later version.
            None => Ok(()),
        }
    }

    async fn acknowledged(&self, ack: wire::BundleAck) -> Result<(), Status> {
        let ack = decode_ack(&ack)?;
        let name = self.caller.observer();
        let offered = self.offered();
        let recorded: Result<(), TableError> = async {
            let known = self.ca.tables.observers.get(&name).await?;
            let known = known.map(|known| known.value);
            match acknowledge(known, self.peer.id(), &offered, &ack, self.ca.now()) {
                Ok(None) => {}
                Ok(Some(observer)) => {
                    let observers = &self.ca.tables.observers;
                    observers.put(&name, Expected::Any, &observer).await?;
                }
                Err(error) => {
                    tracing::debug!(observer = name, %error, "an acknowledgement does not count")
                }
            }
            Ok(())
        }
        .await;
        if let Err(error) = recorded {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "an acknowledgement could not be recorded"
            );
        }
        Ok(())
    }

    fn tell_bundles(&mut self) {
        self.bundles.mark_unchanged();
        let offered = self.offered();
        if self.told_bundles.as_ref() == Some(&offered) {
            return;
        }
        let bundles = offered.iter().map(|held| bundle::encode(held)).collect();
        self.told_bundles = Some(offered);
        self.say(trust_response::Message::Bundles(wire::Bundles { bundles }));
    }

    fn tell_entries(&mut self) {
        let Caller::Part {
            kind: PartKind::Node,
            name,
        } = &self.caller
        else {
            return;
        };
        let entries = Arc::clone(&self.entries.borrow_and_update());
        let own = entries.of_node(name);
        if self.told_entries.as_deref() == Some(own) {
            return;
        }
        self.told_entries = Some(own.to_vec());
        let entries = wire::encode_entries(own.iter().map(AsRef::as_ref));
        self.say(trust_response::Message::Entries(entries));
    }

    /// What the caller should hold: parts all we trust, peers our own roots.
    fn offered(&self) -> BundleSet {
        let held = self.ca.view.bundles();
        match self.caller {
            Caller::Part { .. } => held.as_ref().clone(),
            Caller::Peer { .. } => {
                let mut own = BundleSet::default();
                if let Some(ours) = held.get(&self.ca.realm.trust_domain) {
                    // What we hold keeps the limits.
                    let _ = own.accept(Arc::clone(ours));
                }
                own
            }
        }
    }

    fn still_known(&self) -> Result<(), Status> {
        let peers = self.ca.view.peers();
        let issuer = self.peer.issuer_cluster();
        Caller::classify(&self.ca.realm, peers.values(), self.peer.id(), issuer)
            .map(drop)
            .map_err(|stranger| Status::permission_denied(stranger.to_string()))
    }

    /// A root that is no longer trusted vouches for nobody, sessions included.
    fn still_vouched_for(&self) -> Result<(), Status> {
        let held = self.ca.view.bundles();
        let root = Some(self.peer.authority());
        let vouches = held
            .get(self.peer.id().trust_domain())
            .is_some_and(|bundle| {
                let mut roots = bundle.x509_authorities.iter();
                roots.any(|der| pelago_svid::pin(der) == root)
            });
        if vouches {
            return Ok(());
        }
        Err(Status::unauthenticated(
            "the root that vouched for this connection is trusted no more: connect again",
        ))
    }

    fn say(&mut self, message: trust_response::Message) {
        self.out.push_back(TrustResponse {
            message: Some(message),
        });
    }
}

/// A connection proves who somebody is until the certificate shown on it ends.
pub(super) fn in_time(peer: &VerifiedPeer, now: u64) -> Result<(), Status> {
    if now <= peer.not_after() {
        return Ok(());
    }
    Err(Status::unauthenticated(
        "the certificate shown on this connection has ended: connect again with a renewed one",
    ))
}

fn decode_ack(ack: &wire::BundleAck) -> Result<Ack, Malformed> {
    let id = |field, error| Malformed::id("BundleAck", field, error);
    Ok(Ack {
        trust_domain: TrustDomain::parse(&ack.trust_domain)
            .map_err(|error| id("trust_domain", error))?,
        sequence: ack.sequence,
        version: Version::try_from(ack.version.clone()).map_err(|error| id("version", error))?,
    })
}

/// The wall clock is looked at this often: a machine may be suspended.
const LOOK: Duration = Duration::from_secs(30);
const HELLO: Duration = Duration::from_secs(10);
