//! The session's messages, decoded and encoded.

use std::time::Duration;

use pelago_federation_core::export::{Shown, ShownKey};
use pelago_federation_core::session::Message;
use pelago_resources::ObjectKey;
use pelago_wire::Malformed;
use pelago_wire::hello::{self, HelloError};
use pelago_wire::peering::{
    Heartbeat, PeerMessage, Removed, Synced, decode_gateway, decode_hash, decode_removed,
    decode_service, encode_gateway, encode_removed, encode_service, peer_message,
};

/// Why a message cannot be taken in.
#[derive(Debug, thiserror::Error)]
pub(super) enum CodecError {
    /// No common protocol.
    #[error(transparent)]
    Hello(#[from] HelloError),
    /// A field without its grammar.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// Reads a message; `None` for one of a kind that only newer versions know.
pub(super) fn decode(message: PeerMessage) -> Result<Option<Message>, CodecError> {
    use peer_message::Message as Wire;
    let shown = |shown| Message::Shown(Box::new(shown));
    Ok(match message.message {
        None => None,
        Some(Wire::Hello(theirs)) => {
            hello::negotiate(Some(theirs))?;
            Some(Message::Hello)
        }
        Some(Wire::Service(service)) => Some(shown(Shown::Service(decode_service(service)?))),
        Some(Wire::Gateway(gateway)) => Some(shown(Shown::Gateway(decode_gateway(&gateway)?))),
        Some(Wire::Tombstone(tombstone)) => {
            Some(shown(Shown::Gone(match decode_removed(&tombstone)? {
                Removed::Service { namespace, name } => {
                    ShownKey::Service(ObjectKey { namespace, name })
                }
                Removed::Gateway(name) => ShownKey::Gateway(name),
            })))
        }
        Some(Wire::Synced(synced)) => {
            Some(Message::Synced(decode_hash("Synced", &synced.state_hash)?))
        }
        Some(Wire::Heartbeat(beat)) => Some(Message::Heartbeat {
            hash: decode_hash("Heartbeat", &beat.state_hash)?,
            lease: Duration::from_millis(u64::from(beat.lease_milliseconds)),
        }),
    })
}

/// Writes a message.
pub(super) fn encode(message: Message) -> PeerMessage {
    use peer_message::Message as Wire;
    let message = match message {
        Message::Hello => Wire::Hello(hello::ours(&[])),
        Message::Shown(shown) => match *shown {
            Shown::Service(service) => Wire::Service(encode_service(&service)),
            Shown::Gateway(gateway) => Wire::Gateway(encode_gateway(&gateway)),
            Shown::Gone(key) => Wire::Tombstone(encode_removed(&match key {
                ShownKey::Service(ObjectKey { namespace, name }) => {
                    Removed::Service { namespace, name }
                }
                ShownKey::Gateway(name) => Removed::Gateway(name),
            })),
        },
        Message::Synced(hash) => Wire::Synced(Synced {
            state_hash: hash.to_string(),
        }),
        Message::Heartbeat { hash, lease } => Wire::Heartbeat(Heartbeat {
            state_hash: hash.to_string(),
            lease_milliseconds: u32::try_from(lease.as_millis()).unwrap_or(u32::MAX),
        }),
    };
    PeerMessage {
        message: Some(message),
    }
}

#[cfg(test)]
mod tests;
