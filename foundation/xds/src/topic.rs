//! One type on one stream, seen from the server: what is asked for, what is
//! still to be told, what waits for an acknowledgement.
//!
//! It holds names only; content is looked up when a response is made, so a
//! client that does not read costs no more than the names that changed.

use std::collections::{BTreeMap, BTreeSet};

use pelago_model::{Kind, ResourceName, Snapshot};

use crate::partial::WILDCARD;

#[derive(Debug)]
pub(crate) struct Topic {
    kind: Kind,
    begun: bool,
    wildcard: bool,
    names: BTreeSet<ResourceName>,
    /// To be told as present.
    pub(crate) upserts: BTreeSet<ResourceName>,
    /// To be told as absent; texts, since they may be no names at all.
    pub(crate) removals: BTreeSet<String>,
    /// A response is owed even if there is nothing to tell.
    pub(crate) owed: bool,
    /// Names in each response that was not answered, by nonce.
    in_flight: BTreeMap<String, Vec<String>>,
    rejected: BTreeSet<String>,
    error: String,
}

/// Named subscriptions of one type exceed the limit.
pub(crate) struct TooMany;

impl Topic {
    pub(crate) const fn new(kind: Kind) -> Self {
        Self {
            kind,
            begun: false,
            wildcard: false,
            names: BTreeSet::new(),
            upserts: BTreeSet::new(),
            removals: BTreeSet::new(),
            owed: false,
            in_flight: BTreeMap::new(),
            rejected: BTreeSet::new(),
            error: String::new(),
        }
    }

    pub(crate) const fn kind(&self) -> Kind {
        self.kind
    }

    /// Begins the subscription with what the client says it holds. `false`
    /// when it had begun before.
    pub(crate) fn begin(
        &mut self,
        snapshot: &Snapshot,
        subscribe: &[String],
        held: &BTreeMap<String, String>,
    ) -> Result<bool, TooMany> {
        if std::mem::replace(&mut self.begun, true) {
            return Ok(false);
        }
        self.owed = true;
        // No names in the first request is the wildcard (xDS protocol,
        // "How the client specifies what resources to return").
        self.wildcard = subscribe.is_empty();
        if self.wildcard {
            self.queue_all(snapshot);
        }
        self.subscribe(snapshot, subscribe)?;
        for (name, version) in held {
            match self.known(snapshot, name) {
                Some((name, current)) if self.wants(&name) => {
                    if current == *version {
                        self.upserts.remove(&name);
                    }
                }
                _ => {
                    self.removals.insert(name.clone());
                }
            }
        }
        Ok(true)
    }

    /// Takes names in. What is asked for is told again even if unchanged.
    pub(crate) fn subscribe(
        &mut self,
        snapshot: &Snapshot,
        names: &[String],
    ) -> Result<(), TooMany> {
        self.owed |= !names.is_empty();
        for text in names {
            if text == WILDCARD {
                self.wildcard = true;
                self.queue_all(snapshot);
                continue;
            }
            if let Ok(name) = ResourceName::parse(self.kind, text) {
                self.names.insert(name);
                if self.names.len() > MAX_NAMES {
                    return Err(TooMany);
                }
            }
            self.queue(snapshot, text);
        }
        Ok(())
    }

    /// Lets names go. One that the wildcard still covers is told again, since
    /// the client has forgotten it.
    pub(crate) fn unsubscribe(&mut self, snapshot: &Snapshot, names: &[String]) {
        for text in names {
            if text == WILDCARD {
                self.wildcard = false;
                let named = &self.names;
                self.upserts.retain(|name| named.contains(name));
                continue;
            }
            let Ok(name) = ResourceName::parse(self.kind, text) else {
                continue;
            };
            let was_named = self.names.remove(&name);
            if self.wildcard && was_named {
                self.queue(snapshot, text);
            } else if !self.wildcard {
                self.upserts.remove(&name);
                self.removals.remove(text);
            }
        }
    }

    /// A resource changed or came.
    pub(crate) fn changed(&mut self, name: ResourceName) {
        if self.wants(&name) {
            self.removals.remove(&name.to_string());
            self.upserts.insert(name);
        }
    }

    /// A resource went.
    pub(crate) fn gone(&mut self, name: &ResourceName) {
        if self.wants(name) {
            self.upserts.remove(name);
            self.removals.insert(name.to_string());
        }
    }

    /// Whether a response should be made now.
    pub(crate) fn is_due(&self) -> bool {
        self.in_flight.len() < WINDOW && self.is_pending()
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.owed || !self.upserts.is_empty() || !self.removals.is_empty()
    }

    /// Remembers a response until it is answered.
    pub(crate) fn sent(&mut self, nonce: String, names: Vec<String>) {
        self.in_flight.insert(nonce, names);
    }

    /// The answer to a response; an answer to anything else says nothing.
    pub(crate) fn answered(&mut self, nonce: &str, error: Option<&str>) {
        let Some(names) = self.in_flight.remove(nonce) else {
            return;
        };
        let Some(error) = error else {
            for name in names {
                self.rejected.remove(&name);
            }
            return;
        };
        self.error = error.chars().take(MAX_ERROR).collect();
        // Our clients quote what they reject and keep the rest; of others,
        // everything in the response is in doubt.
        let quoted = |name: &&String| error.contains(&format!("{name:?}"));
        let any = names.iter().any(|name| quoted(&name));
        let (doubtful, good): (Vec<_>, Vec<_>) =
            names.iter().partition(|name| !any || quoted(name));
        self.rejected.extend(doubtful.into_iter().cloned());
        for name in good {
            self.rejected.remove(name);
        }
    }

    /// A resource that could not be told at all.
    pub(crate) fn withheld(&mut self, name: String, error: String) {
        self.rejected.insert(name);
        self.error = error;
    }

    /// Whether the client holds all it asked for.
    pub(crate) fn is_settled(&self) -> bool {
        self.begun && !self.is_pending() && self.in_flight.is_empty() && self.rejected.is_empty()
    }

    /// Why it does not, if it rejected something that it was not told anew.
    pub(crate) fn error(&self) -> Option<&str> {
        (!self.rejected.is_empty()).then_some(self.error.as_str())
    }

    fn wants(&self, name: &ResourceName) -> bool {
        self.begun && (self.wildcard || self.names.contains(name))
    }

    fn known(&self, snapshot: &Snapshot, text: &str) -> Option<(ResourceName, String)> {
        let name = ResourceName::parse(self.kind, text).ok()?;
        let version = snapshot.version(&name)?;
        Some((name, version.to_string()))
    }

    fn queue(&mut self, snapshot: &Snapshot, text: &str) {
        self.owed = true;
        match self.known(snapshot, text) {
            Some((name, _)) => {
                self.removals.remove(text);
                self.upserts.insert(name);
            }
            None => {
                self.removals.insert(text.to_owned());
            }
        }
    }

    fn queue_all(&mut self, snapshot: &Snapshot) {
        self.owed = true;
        let all = snapshot.versions().map(|(name, _)| name);
        self.upserts
            .extend(all.filter(|name| name.kind() == self.kind).cloned());
    }
}

/// Responses of one type that may wait for an answer; the next one waits too.
const WINDOW: usize = 16;
/// Named subscriptions of one type.
const MAX_NAMES: usize = 10_000;
const MAX_ERROR: usize = 1024;
