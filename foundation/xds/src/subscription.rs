//! What a client believes: responses in, deltas and answers out.
//!
//! Pure. It outlives streams: [`Subscription::connect`] begins each with what
//! is held, so that only differences are told. A resource that cannot be read
//! is rejected by name and keeps its last good version; the others of its
//! response are taken. Nothing is forgotten because a stream ended.

use std::collections::{BTreeMap, BTreeSet};

use pelago_model::{Delta, Interner, Kind, ResourceName, Snapshot};
use pelago_wire::ads::{
    Any, DeltaDiscoveryRequest, DeltaDiscoveryResponse, Node, Resource, Status,
};
use pelago_wire::{Malformed, discovery};

use crate::partial::{MORE, WILDCARD};

/// The client's side, over any number of streams.
#[derive(Debug, Default)]
pub struct Subscription {
    /// What is held, and under which version the server told it.
    held: BTreeMap<ResourceName, String>,
    answered: BTreeSet<Kind>,
    /// Held, but not said to be held on this stream; what the full answer does
    /// not tell is gone.
    unconfirmed: BTreeSet<ResourceName>,
    /// What was rejected and not told anew, with the reason.
    rejected: BTreeMap<String, String>,
    interner: Interner,
    /// Changes since the interner was swept.
    changes: usize,
}

/// What a response comes to.
#[derive(Debug)]
pub struct Received {
    /// What it changes.
    pub delta: Delta,
    /// The answer to send.
    pub answer: DeltaDiscoveryRequest,
    /// What could not be taken.
    pub rejected: Vec<Rejected>,
}

/// A resource that could not be taken; its last good version stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The name it was sent under, cut to 1024 characters.
    pub name: String,
    /// Why.
    pub error: Malformed,
}

/// A response of a type that was not asked for: the stream should end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the server sent type {url:?}, which was not asked for")]
pub struct UnknownType {
    /// The type URL, cut to 256 characters.
    pub url: String,
}

impl Subscription {
    /// Goes on from a snapshot that is already held.
    #[must_use]
    pub fn resume(snapshot: &Snapshot) -> Self {
        let held = snapshot
            .versions()
            .map(|(name, version)| (name.clone(), version.to_string()))
            .collect();
        Self {
            held,
            ..Self::default()
        }
    }

    /// The first requests of a new stream, in the order to send.
    pub fn connect(&mut self, node: &Node) -> [DeltaDiscoveryRequest; 4] {
        self.sweep();
        self.unconfirmed.clear();
        Kind::ALL.map(|kind| DeltaDiscoveryRequest {
            node: (kind == Kind::ALL[0]).then(|| node.clone()),
            type_url: discovery::type_url(kind).to_owned(),
            resource_names_subscribe: vec![WILDCARD.to_owned()],
            initial_resource_versions: self.claims(kind),
            ..DeltaDiscoveryRequest::default()
        })
    }

    /// Takes a response in.
    ///
    /// # Errors
    /// [`UnknownType`]; nothing is changed then.
    pub fn response(&mut self, response: DeltaDiscoveryResponse) -> Result<Received, UnknownType> {
        let kind = discovery::kind(&response.type_url).ok_or_else(|| UnknownType {
            url: response.type_url.chars().take(256).collect(),
        })?;
        let mut delta = Delta::default();
        for text in &response.removed_resources {
            self.rejected.remove(text);
            if let Ok(name) = ResourceName::parse(kind, text) {
                delta.removals.extend(self.forget(name));
            }
        }
        let mut rejected = Vec::new();
        for resource in response.resources {
            match self.take(kind, &resource) {
                Ok(taken) => delta.upserts.push(taken),
                Err(error) => rejected.push(self.reject(kind, &resource.name, error)),
            }
        }
        if response.system_version_info != MORE {
            self.answered.insert(kind);
            let (gone, others) = std::mem::take(&mut self.unconfirmed)
                .into_iter()
                .partition(|name| name.kind() == kind);
            self.unconfirmed = others;
            let gone: BTreeSet<ResourceName> = gone;
            for name in gone {
                delta.removals.extend(self.forget(name));
            }
        }
        self.changes += delta.removals.len() + delta.upserts.len();
        if self.changes > SWEEP {
            self.sweep();
        }
        let answer = DeltaDiscoveryRequest {
            type_url: response.type_url,
            response_nonce: response.nonce,
            error_detail: error_detail(&rejected),
            ..DeltaDiscoveryRequest::default()
        };
        Ok(Received {
            delta,
            answer,
            rejected,
        })
    }

    /// The first of what was rejected and not told anew.
    #[must_use]
    pub fn last_error(&self) -> Option<String> {
        let (name, error) = self.rejected.first_key_value()?;
        Some(format!("{name:?}: {error}"))
    }

    /// Whether every kind was told in full at least once.
    #[must_use]
    pub fn synced(&self) -> bool {
        self.answered.len() == Kind::ALL.len()
    }

    /// What is held of a kind. Too much for one message is not said, and found
    /// out from the full answer instead.
    fn claims(&mut self, kind: Kind) -> BTreeMap<String, String> {
        let mut claims = BTreeMap::new();
        let mut bytes = 0;
        for (name, version) in &self.held {
            if name.kind() == kind {
                let name = name.to_string();
                bytes += name.len() + version.len() + CLAIM;
                claims.insert(name, version.clone());
            }
        }
        if bytes > MAX_CLAIMS {
            let held = self.held.keys().filter(|name| name.kind() == kind);
            self.unconfirmed.extend(held.cloned());
            claims.clear();
        }
        claims
    }

    fn take(&mut self, kind: Kind, sent: &Resource) -> Result<pelago_model::Resource, Malformed> {
        if sent.version.len() > MAX_VERSION {
            let allowed = "at most 128 bytes";
            return Err(Malformed::new(
                "Resource",
                "version",
                &sent.version,
                allowed,
            ));
        }
        let absent = Any::default();
        let any = sent.resource.as_ref().unwrap_or(&absent);
        let resource = discovery::decode(kind, &sent.name, any, &mut self.interner)?;
        let name = resource.name();
        if self.held.len() >= MAX_RESOURCES && !self.held.contains_key(&name) {
            let allowed = format!("at most {MAX_RESOURCES} resources in all");
            return Err(Malformed::new("Resource", "name", &sent.name, allowed));
        }
        self.rejected.remove(&sent.name);
        self.unconfirmed.remove(&name);
        self.held.insert(name, sent.version.clone());
        Ok(resource)
    }

    fn reject(&mut self, kind: Kind, name: &str, error: Malformed) -> Rejected {
        if let Ok(name) = ResourceName::parse(kind, name) {
            // It is still there, only unreadable: the last good version stays.
            self.unconfirmed.remove(&name);
        }
        let name: String = name.chars().take(MAX_NAME).collect();
        if self.rejected.len() < MAX_REJECTED {
            self.rejected.insert(name.clone(), error.to_string());
        }
        Rejected { name, error }
    }

    fn forget(&mut self, name: ResourceName) -> Option<ResourceName> {
        self.unconfirmed.remove(&name);
        self.held.remove(&name).map(|_| name)
    }

    fn sweep(&mut self) {
        self.interner.sweep();
        self.changes = 0;
    }
}

/// Quotes each rejected name, then says why, within bounds.
fn error_detail(rejected: &[Rejected]) -> Option<Status> {
    if rejected.is_empty() {
        return None;
    }
    let mut message = String::new();
    for Rejected { name, error } in rejected {
        let line = format!("{name:?}: {error}; ");
        if message.len() + line.len() > MAX_MESSAGE {
            message.push_str("and more");
            break;
        }
        message.push_str(&line);
    }
    Some(Status {
        code: tonic::Code::InvalidArgument.into(),
        message: message.trim_end_matches("; ").to_owned(),
    })
}

/// Resources of all kinds that are held.
const MAX_RESOURCES: usize = 1_000_000;
const MAX_VERSION: usize = 128;
/// Rejected resources that are remembered.
const MAX_REJECTED: usize = 1000;
/// Bytes of what one request says is held: well below a message.
const MAX_CLAIMS: usize = 2 * 1024 * 1024;
/// Bytes of a claim besides its texts.
const CLAIM: usize = 12;
const MAX_NAME: usize = 1024;
const MAX_MESSAGE: usize = 16 * 1024;
/// Changes after which names that nothing holds are forgotten.
const SWEEP: usize = 10_000;

#[cfg(test)]
mod tests;
