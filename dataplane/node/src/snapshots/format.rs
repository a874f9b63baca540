//! A snapshot as JSON lines, with a header that says who wrote it and how. Pure.

use std::io;

use pelago_model::{Delta, Resource, Snapshot, SpiffeId};
use serde::{Deserialize, Serialize};

/// The format this release writes.
const FORMAT: u32 = 1;
/// The newest format this release reads.
pub(super) const READER: u32 = 1;
const KIND: &str = "pelago-snapshot";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    kind: String,
    format: u32,
    oldest_reader: u32,
    id: String,
    hash: String,
}

/// Why bytes are no snapshot of ours.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unread {
    /// A newer release wrote it.
    #[error("it is of format {format}")]
    Newer {
        /// Its format.
        format: u32,
        /// Who may read it.
        oldest_reader: u32,
    },
    /// Another process wrote it.
    #[error("it belongs to {0}")]
    OtherIdentity(String),
    /// Not what [`encode`] wrote.
    #[error("it is damaged")]
    Damaged,
}

/// The bytes of a snapshot kept by `own`.
///
/// # Errors
/// A resource that JSON cannot say.
pub(super) fn encode(snapshot: &Snapshot, own: &SpiffeId) -> io::Result<Vec<u8>> {
    let header = Header {
        kind: KIND.to_owned(),
        format: FORMAT,
        oldest_reader: FORMAT,
        id: own.to_string(),
        hash: snapshot.state_hash().to_string(),
    };
    let mut bytes = serde_json::to_vec(&header)?;
    bytes.push(b'\n');
    for resource in snapshot.resources() {
        serde_json::to_writer(&mut bytes, &resource)?;
        bytes.push(b'\n');
    }
    Ok(bytes)
}

/// Reads what [`encode`] wrote for `own`; the hash proves that all of it is there.
///
/// # Errors
/// [`Unread`]
pub(super) fn decode(bytes: &[u8], own: &SpiffeId) -> Result<Snapshot, Unread> {
    let mut lines = bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    let header = lines.next().ok_or(Unread::Damaged)?;
    let header: Header = serde_json::from_slice(header).map_err(|_| Unread::Damaged)?;
    if header.kind != KIND {
        return Err(Unread::Damaged);
    }
    if header.oldest_reader > READER {
        return Err(Unread::Newer {
            format: header.format,
            oldest_reader: header.oldest_reader,
        });
    }
    if header.id != own.as_str() {
        return Err(Unread::OtherIdentity(header.id.chars().take(256).collect()));
    }
    let upserts: Result<Vec<Resource>, _> = lines.map(serde_json::from_slice).collect();
    let mut snapshot = Snapshot::default();
    snapshot.apply(&Delta {
        upserts: upserts.map_err(|_| Unread::Damaged)?,
        removals: Vec::new(),
    });
    if snapshot.state_hash().to_string() == header.hash {
        Ok(snapshot)
    } else {
        Err(Unread::Damaged)
    }
}
