//! A node's registration entries and its workloads' SVIDs as JSON lines. Pure.
//!
//! A header (who wrote it, how, a hash of all that follows), one line with the entries, one per
//! SVID. Whether an SVID is still of use is not decided here.

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pelago_model::{RegistrationEntry, SpiffeId, Version};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::error::DiskError;
use super::file::Text;
use crate::svid::Svid;

/// What a node knows of its workloads, kept between two starts. Empty is what a first start has.
#[derive(Debug, Clone, Default)]
pub struct Workloads {
    /// What the controller listed last.
    pub entries: Vec<Kept>,
    /// The SVIDs issued for them, one per ID.
    pub svids: Vec<Arc<Svid>>,
}

/// One registration entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The entry.
    pub entry: RegistrationEntry,
    /// When its SVID is to be renewed, Unix seconds.
    pub renew_at: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    kind: String,
    format: u32,
    oldest_reader: u32,
    id: String,
    hash: Version,
}

#[derive(Serialize)]
struct Written<'a> {
    chain: Vec<String>,
    key: &'a str,
}

/// The key is read in place, so that no copy of its text stays behind.
#[derive(Deserialize)]
struct Raw<'a> {
    chain: Vec<String>,
    #[serde(borrow)]
    key: &'a str,
}

/// The text that `own` keeps at `path`.
///
/// # Errors
/// [`DiskError::Damaged`] for what JSON cannot say.
pub(crate) fn encode(
    kept: &Workloads,
    own: &SpiffeId,
    path: &Path,
) -> Result<Zeroizing<Vec<u8>>, DiskError> {
    let written = || -> serde_json::Result<_> {
        let mut body = Text::default();
        serde_json::to_writer(&mut body, &kept.entries)?;
        for svid in &kept.svids {
            let key = Zeroizing::new(STANDARD.encode(svid.key_der()));
            let chain = svid.chain_der().iter();
            let raw = Written {
                chain: chain.map(|der| STANDARD.encode(der)).collect(),
                key: key.as_str(),
            };
            body.line();
            serde_json::to_writer(&mut body, &raw)?;
        }
        let body = body.into_bytes();
        let header = Header {
            kind: KIND.to_owned(),
            format: FORMAT,
            oldest_reader: FORMAT,
            id: own.to_string(),
            hash: Version::of_bytes(&body),
        };
        let mut text = Text::default();
        serde_json::to_writer(&mut text, &header)?;
        text.line();
        text.push(&body);
        Ok(text.into_bytes())
    };
    written().map_err(|_| DiskError::damaged(path))
}

/// Reads what [`encode`] wrote for `own`; the hash proves that all of it is there.
///
/// # Errors
/// [`DiskError::Newer`] for a format that we would misread, [`DiskError::Damaged`] or
/// [`DiskError::Svid`] for anything else.
pub(crate) fn decode(text: &[u8], own: &SpiffeId, path: &Path) -> Result<Workloads, DiskError> {
    let damaged = || DiskError::damaged(path);
    let end = text.iter().position(|byte| *byte == b'\n');
    let (header, body) = text
        .split_at_checked(end.ok_or_else(damaged)?)
        .ok_or_else(damaged)?;
    let body = body.get(1..).unwrap_or_default();
    let header: Header = serde_json::from_slice(header).map_err(|_| damaged())?;
    if header.kind == KIND && header.oldest_reader > FORMAT {
        return Err(DiskError::Newer {
            path: path.to_path_buf(),
            format: header.format,
        });
    }
    let ours = header.kind == KIND && header.id == own.as_str();
    if !ours || header.hash != Version::of_bytes(body) {
        return Err(damaged());
    }
    let mut lines = body.split(|byte| *byte == b'\n');
    let entries = lines.next().ok_or_else(damaged)?;
    Ok(Workloads {
        entries: serde_json::from_slice(entries).map_err(|_| damaged())?,
        svids: lines
            .map(|line| svid(line, path).map(Arc::new))
            .collect::<Result<_, _>>()?,
    })
}

fn svid(line: &[u8], path: &Path) -> Result<Svid, DiskError> {
    let damaged = |_| DiskError::damaged(path);
    let raw: Raw<'_> = serde_json::from_slice(line).map_err(|_| DiskError::damaged(path))?;
    let chain: Result<Vec<_>, _> = raw.chain.iter().map(|der| STANDARD.decode(der)).collect();
    let key = Zeroizing::new(STANDARD.decode(raw.key).map_err(damaged)?);
    Svid::new(chain.map_err(damaged)?, key).map_err(|source| DiskError::Svid {
        path: path.to_path_buf(),
        source,
    })
}

const KIND: &str = "pelago-workloads";
/// The format this release writes, and the newest it reads.
const FORMAT: u32 = 1;
