//! Hello: which protocol versions the speaker reads, and what it can do.
//!
//! First on every stream and in every first request (in discovery inside
//! `node.metadata`). Both sides compute the same answer from the two Hellos:
//! the newest version both read. Capabilities are words; an unknown one is
//! ignored.

pub use crate::protos::pelago::v1::Hello;

use crate::field::Reader;
use crate::limits::MAX_CAPABILITIES;
use crate::malformed::Malformed;

/// The oldest and the newest protocol version this build speaks.
pub const PROTOCOL: std::ops::RangeInclusive<u32> = 1..=1;

/// What both sides agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreed {
    /// The newest version both speak.
    pub protocol: u32,
    /// What the other side can do beyond it.
    pub capabilities: Vec<String>,
    /// The other side's software, for logs.
    pub software: String,
}

/// Why no common protocol was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HelloError {
    /// It did not begin with a Hello.
    #[error(
        "the stream did not begin with a Hello: the other side is not Pelago, or not one we know"
    )]
    Absent,
    /// A Hello that cannot be read.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// No version in common.
    #[error(
        "no protocol version in common: {software} reads {oldest} to {newest}, we read {ours_oldest} to {ours_newest}; upgrade the older side"
    )]
    NoCommonVersion {
        /// The other side's software.
        software: String,
        /// The oldest it reads.
        oldest: u32,
        /// The newest it reads.
        newest: u32,
        /// The oldest we read.
        ours_oldest: u32,
        /// The newest we read.
        ours_newest: u32,
    },
}

impl From<HelloError> for tonic::Status {
    fn from(error: HelloError) -> Self {
        Self::failed_precondition(error.to_string())
    }
}

/// Our own Hello.
#[must_use]
pub fn ours(capabilities: &[&str]) -> Hello {
    Hello {
        oldest_protocol: *PROTOCOL.start(),
        newest_protocol: *PROTOCOL.end(),
        capabilities: capabilities.iter().map(|&word| word.to_owned()).collect(),
        software: concat!("pelago ", env!("CARGO_PKG_VERSION")).to_owned(),
    }
}

/// What their Hello and ours have in common.
///
/// # Errors
/// [`HelloError`] when it is absent, malformed, or no version is common.
pub fn negotiate(theirs: Option<Hello>) -> Result<Agreed, HelloError> {
    let read = Reader("Hello");
    let theirs = theirs.ok_or(HelloError::Absent)?;
    let software = read.text("software", theirs.software)?;
    let capabilities = read.list(
        "capabilities",
        theirs.capabilities,
        MAX_CAPABILITIES,
        |word| read.text("capabilities", word),
    )?;
    let protocol = theirs.newest_protocol.min(*PROTOCOL.end());
    if protocol < theirs.oldest_protocol.max(*PROTOCOL.start()) {
        return Err(HelloError::NoCommonVersion {
            software,
            oldest: theirs.oldest_protocol,
            newest: theirs.newest_protocol,
            ours_oldest: *PROTOCOL.start(),
            ours_newest: *PROTOCOL.end(),
        });
    }
    Ok(Agreed {
        protocol,
        capabilities,
        software,
    })
}

#[cfg(test)]
mod tests;
