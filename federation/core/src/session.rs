//! The peering session: what both controllers say on one stream, as a machine.
//!
//! Hello; then the full list, Synced, changes and heartbeats, in both directions
//! alike. The machine holds no socket and reads no clock: messages and `now` go
//! in, messages and [`Event`]s come out. A heartbeat carries the hash over all
//! that was shown; a hash that differs ends the session, and the next begins
//! with a full list again. Its driver acts on every [`Broken`] by hanging up.

mod duplicate;

use std::collections::BTreeMap;
use std::time::Duration;

use pelago_model::service::Audience;
use pelago_model::{ClusterId, Snapshot, Version};

use crate::export::{Exports, Ledger, Shown, ShownKey};

pub use duplicate::{Dialler, Keep, keep};

/// How a session behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Between two heartbeats.
    pub heartbeat: Duration,
    /// How long we ask the peer to believe us without another; also how long it
    /// may be silent before the session is broken.
    pub lease: Duration,
    /// The most services and gateways the peer may name, believed or not.
    pub names: usize,
    /// The most bytes of them, as [`Shown::weight`] counts.
    pub bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(1),
            lease: Duration::from_secs(5),
            names: 4_000,
            bytes: 64 * 1024 * 1024,
        }
    }
}

/// What is said on the stream; the wire's message, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// First, once. Its content was negotiated where it was decoded.
    Hello,
    /// Something is shown, or no longer.
    Shown(Box<Shown>),
    /// The full list is complete; the hash over it.
    Synced(Version),
    /// Alive, and this is the hash over all that is shown.
    Heartbeat {
        /// The hash.
        hash: Version,
        /// How long to believe without another.
        lease: Duration,
    },
}

/// What follows from a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The peer's first full list: what is not in it is gone.
    Full(Vec<Shown>),
    /// One change after it.
    Change(Box<Shown>),
    /// The peer spoke and asks to be believed for so long.
    Alive(Duration),
}

/// Why a session cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// Something came before Hello.
    #[error("the peer spoke before its Hello")]
    BeforeHello,
    /// Hello or Synced came twice.
    #[error("the peer said {0} twice")]
    Twice(&'static str),
    /// The hashes differ.
    #[error("what the peer says it showed ({theirs}) is not what arrived ({ours}): starting over")]
    Hash {
        /// Over what arrived.
        ours: Version,
        /// As the peer says.
        theirs: Version,
    },
    /// Nothing came for the length of a lease.
    #[error("the peer was silent for {0:?}")]
    Silent(Duration),
    /// Too much was named.
    #[error("the peer names more than {0} services and gateways")]
    TooMuch(usize),
    /// What was named takes too much.
    #[error("what the peer shows takes more than {0} bytes")]
    TooLarge(usize),
}

/// One session.
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    exports: Exports,
    phase: Phase,
    heard: Duration,
    beat: Duration,
    shown: Ledger,
    weights: BTreeMap<ShownKey, usize>,
    weight: usize,
}

#[derive(Debug)]
enum Phase {
    /// Their Hello has not come yet.
    Greeting,
    /// Their full list is coming in.
    Listing(BTreeMap<ShownKey, Shown>),
    /// Changes as they happen.
    Following,
}

impl Session {
    /// Opens a session from `ours` to `audience`; say the returned message.
    #[must_use]
    pub fn open(
        ours: ClusterId,
        audience: Audience,
        settings: Settings,
        now: Duration,
    ) -> (Self, Message) {
        let session = Self {
            settings,
            exports: Exports::new(ours, audience),
            phase: Phase::Greeting,
            heard: now,
            beat: now.saturating_add(settings.heartbeat),
            shown: Ledger::default(),
            weights: BTreeMap::new(),
            weight: 0,
        };
        (session, Message::Hello)
    }

    /// A message came: what follows, and what to say (the full list of
    /// `snapshot` after their Hello).
    ///
    /// # Errors
    /// [`Broken`]: hang up and begin anew.
    pub fn receive(
        &mut self,
        message: Message,
        snapshot: &Snapshot,
        now: Duration,
    ) -> Result<(Vec<Event>, Vec<Message>), Broken> {
        self.heard = now;
        match (&mut self.phase, message) {
            (Phase::Greeting, Message::Hello) => {
                self.phase = Phase::Listing(BTreeMap::new());
                let mut out = self.news(snapshot);
                out.push(Message::Synced(self.exports.hash()));
                out.push(self.heartbeat(now));
                Ok((Vec::new(), out))
            }
            (Phase::Greeting, _) => Err(Broken::BeforeHello),
            (_, Message::Hello) => Err(Broken::Twice("Hello")),
            (Phase::Following, Message::Synced(_)) => Err(Broken::Twice("Synced")),
            (Phase::Listing(_), Message::Shown(shown)) => {
                self.note(&shown)?;
                if let Phase::Listing(list) = &mut self.phase {
                    list.insert(shown.key(), *shown);
                }
                Ok(Default::default())
            }
            (Phase::Listing(list), Message::Synced(theirs)) => {
                let list = std::mem::take(list).into_values();
                let full = list
                    .filter(|shown| !matches!(shown, Shown::Gone(_)))
                    .collect();
                self.agree(theirs)?;
                self.phase = Phase::Following;
                let alive = Event::Alive(self.settings.lease);
                Ok((vec![Event::Full(full), alive], Vec::new()))
            }
            (Phase::Listing(_), Message::Heartbeat { .. }) => Ok(Default::default()),
            (Phase::Following, Message::Shown(shown)) => {
                let news = self.note(&shown)?;
                let event = news.then_some(Event::Change(shown));
                Ok((event.into_iter().collect(), Vec::new()))
            }
            (Phase::Following, Message::Heartbeat { hash, lease }) => {
                self.agree(hash)?;
                Ok((vec![Event::Alive(lease)], Vec::new()))
            }
        }
    }

    /// What to say after our snapshot changed.
    pub fn publish(&mut self, snapshot: &Snapshot) -> Vec<Message> {
        match self.phase {
            // The full list follows their Hello.
            Phase::Greeting => Vec::new(),
            Phase::Listing(_) | Phase::Following => self.news(snapshot),
        }
    }

    /// What to say now that time has passed.
    ///
    /// # Errors
    /// [`Broken::Silent`] when the peer has not spoken for a lease.
    pub fn tick(&mut self, now: Duration) -> Result<Option<Message>, Broken> {
        if now.saturating_sub(self.heard) >= self.settings.lease {
            return Err(Broken::Silent(self.settings.lease));
        }
        let greeted = !matches!(self.phase, Phase::Greeting);
        Ok((greeted && now >= self.beat).then(|| self.heartbeat(now)))
    }

    /// When [`Self::tick`] should be asked next.
    #[must_use]
    pub fn due(&self) -> Duration {
        let silent = self.heard.saturating_add(self.settings.lease);
        match self.phase {
            Phase::Greeting => silent,
            Phase::Listing(_) | Phase::Following => silent.min(self.beat),
        }
    }

    /// The hash over all we show the peer.
    #[must_use]
    pub const fn our_hash(&self) -> Version {
        self.exports.hash()
    }

    /// The hash over all the peer has shown us.
    #[must_use]
    pub const fn their_hash(&self) -> Version {
        self.shown.hash()
    }

    fn news(&mut self, snapshot: &Snapshot) -> Vec<Message> {
        let news = self.exports.update(snapshot).into_iter();
        news.map(|shown| Message::Shown(Box::new(shown))).collect()
    }

    fn heartbeat(&mut self, now: Duration) -> Message {
        self.beat = now.saturating_add(self.settings.heartbeat);
        Message::Heartbeat {
            hash: self.exports.hash(),
            lease: self.settings.lease,
        }
    }

    fn agree(&self, theirs: Version) -> Result<(), Broken> {
        let ours = self.shown.hash();
        if ours == theirs {
            Ok(())
        } else {
            Err(Broken::Hash { ours, theirs })
        }
    }

    /// Writes down what is shown, within bounds; whether it was news.
    fn note(&mut self, shown: &Shown) -> Result<bool, Broken> {
        let news = self.shown.note(shown);
        let (names, bytes) = (self.settings.names, self.settings.bytes);
        if self.shown.len() > names {
            return Err(Broken::TooMuch(names));
        }
        let old = match shown {
            Shown::Gone(key) => self.weights.remove(key),
            _ => self.weights.insert(shown.key(), shown.weight()),
        };
        self.weight = self.weight.saturating_sub(old.unwrap_or(0));
        self.weight = self.weight.saturating_add(shown.weight());
        if self.weight > bytes {
            return Err(Broken::TooLarge(bytes));
        }
        Ok(news)
    }
}

#[cfg(test)]
mod tests;
