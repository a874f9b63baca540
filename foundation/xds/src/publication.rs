//! What a server says on one stream: snapshots in, requests in, responses out.
//!
//! Pure and lazy: [`Publication::respond`] makes a response only when asked, from
//! the newest snapshot, so a slow reader skips states and costs the names that
//! changed. A rejected resource is not sent again until it changes or is asked
//! for: clients of ours keep the good ones of a response they reject.

use std::sync::Arc;

use pelago_model::{Kind, Snapshot, Version};
use pelago_wire::ads::{DeltaDiscoveryRequest, DeltaDiscoveryResponse, Resource};
use pelago_wire::discovery;
use pelago_wire::limits::MAX_RESOURCE;

use crate::partial::MORE;
use crate::topic::Topic;

/// The server's side of one stream.
#[derive(Debug)]
pub struct Publication {
    current: Arc<Snapshot>,
    /// In [`Kind::ALL`]'s order, which is that of delivery.
    topics: [Topic; 4],
    nonce: u64,
    chunk: Chunk,
}

/// How much one response may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// Resources, and as many removals.
    pub resources: usize,
    /// Encoded bytes of its resources; one larger than this goes alone.
    pub bytes: usize,
}

impl Default for Chunk {
    fn default() -> Self {
        Self {
            resources: 2000,
            bytes: 1 << 20,
        }
    }
}

/// How far a client is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// It has acknowledged everything of the newest state.
    pub synced: bool,
    /// The newest state's hash.
    pub state_hash: Version,
    /// What it rejected and was not told anew; empty when nothing.
    pub last_error: String,
}

/// A request that ends the stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// A type that is not served.
    #[error("type {url:?} is not served here: ask for pelago.discovery.v1 types")]
    UnknownType {
        /// The type URL, cut to 256 characters.
        url: String,
    },
    /// More names than the limit.
    #[error("too many names of one type are subscribed to: subscribe to \"*\" instead")]
    TooManyNames,
}

impl From<RequestError> for tonic::Status {
    fn from(error: RequestError) -> Self {
        match &error {
            RequestError::UnknownType { .. } => Self::invalid_argument(error.to_string()),
            RequestError::TooManyNames => Self::resource_exhausted(error.to_string()),
        }
    }
}

impl Publication {
    /// A stream on which nothing was asked for yet.
    #[must_use]
    pub fn new(current: Arc<Snapshot>, chunk: Chunk) -> Self {
        Self {
            current,
            topics: Kind::ALL.map(Topic::new),
            nonce: 0,
            chunk,
        }
    }

    /// Takes a request in: an answer to a response, a subscription, or both.
    /// Subscriptions are honoured whatever nonce they come with.
    ///
    /// # Errors
    /// [`RequestError`]; the stream should end with it.
    pub fn request(&mut self, request: &DeltaDiscoveryRequest) -> Result<(), RequestError> {
        let topic = discovery::kind(&request.type_url)
            .and_then(|kind| self.topics.iter_mut().find(|topic| topic.kind() == kind))
            .ok_or_else(|| RequestError::UnknownType {
                url: request.type_url.chars().take(256).collect(),
            })?;
        let error = request.error_detail.as_ref();
        topic.answered(
            &request.response_nonce,
            error.map(|status| status.message.as_str()),
        );
        let subscribe = &request.resource_names_subscribe;
        let begun = topic
            .begin(&self.current, subscribe, &request.initial_resource_versions)
            .map_err(|_| RequestError::TooManyNames)?;
        if !begun {
            topic
                .subscribe(&self.current, subscribe)
                .map_err(|_| RequestError::TooManyNames)?;
        }
        topic.unsubscribe(&self.current, &request.resource_names_unsubscribe);
        Ok(())
    }

    /// Takes a newer state in; costs the difference.
    pub fn publish(&mut self, next: Arc<Snapshot>) {
        let delta = self.current.diff(&next);
        self.current = next;
        for name in &delta.removals {
            if let Some(topic) = self.topic(name.kind()) {
                topic.gone(name);
            }
        }
        for resource in &delta.upserts {
            let name = resource.name();
            if let Some(topic) = self.topic(name.kind()) {
                topic.changed(name);
            }
        }
    }

    /// The next response, if one is due. Earlier kinds go first.
    pub fn respond(&mut self) -> Option<DeltaDiscoveryResponse> {
        let chunk = self.chunk;
        let topic = self.topics.iter_mut().find(|topic| topic.is_due())?;
        topic.owed = false;
        let resources = take_resources(topic, &self.current, chunk);
        let mut removed = Vec::new();
        while removed.len() < chunk.resources {
            let Some(name) = topic.removals.pop_first() else {
                break;
            };
            removed.push(name);
        }
        self.nonce += 1;
        let nonce = self.nonce.to_string();
        let names = resources.iter().map(|resource| resource.name.clone());
        topic.sent(
            nonce.clone(),
            names.chain(removed.iter().cloned()).collect(),
        );
        Some(DeltaDiscoveryResponse {
            system_version_info: if topic.is_pending() {
                MORE.to_owned()
            } else {
                self.current.state_hash().to_string()
            },
            resources,
            type_url: discovery::type_url(topic.kind()).to_owned(),
            nonce,
            removed_resources: removed,
        })
    }

    /// How far the client is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        Progress {
            synced: self.topics.iter().all(Topic::is_settled),
            state_hash: self.current.state_hash(),
            last_error: self
                .topics
                .iter()
                .find_map(Topic::error)
                .unwrap_or_default()
                .to_owned(),
        }
    }

    fn topic(&mut self, kind: Kind) -> Option<&mut Topic> {
        self.topics.iter_mut().find(|topic| topic.kind() == kind)
    }
}

fn take_resources(topic: &mut Topic, current: &Snapshot, chunk: Chunk) -> Vec<Resource> {
    let mut resources = Vec::new();
    let mut bytes = 0;
    while resources.len() < chunk.resources {
        let Some(name) = topic.upserts.pop_first() else {
            break;
        };
        let (Some(resource), Some(version)) = (current.resource(&name), current.version(&name))
        else {
            topic.removals.insert(name.to_string());
            continue;
        };
        let any = discovery::encode(&resource);
        let size = any.value.len();
        if size > MAX_RESOURCE {
            let error =
                format!("{name} is of {size} bytes and was not sent: at most {MAX_RESOURCE}");
            topic.withheld(name.to_string(), error);
            continue;
        }
        bytes += size;
        if bytes > chunk.bytes && !resources.is_empty() {
            topic.upserts.insert(name);
            break;
        }
        resources.push(Resource {
            version: version.to_string(),
            resource: Some(any),
            name: name.to_string(),
            aliases: Vec::new(),
        });
    }
    resources
}

#[cfg(test)]
mod tests;
