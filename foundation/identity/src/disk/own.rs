//! Own key, chain and bundles as one JSON object, so that they never disagree. Pure.

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pelago_model::{Bundle, BundleSet};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::error::DiskError;
use super::file::Text;
use crate::svid::Svid;

/// What a part is, kept between two starts.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Own SVID and key.
    pub svid: Arc<Svid>,
    /// When to renew it, Unix seconds.
    pub renew_at: u64,
    /// The bundles held.
    pub bundles: BundleSet,
}

#[derive(Serialize)]
struct Written<'a> {
    format: u32,
    chain: Vec<String>,
    key: &'a str,
    renew_at: u64,
    bundles: Vec<&'a Bundle>,
}

/// The key is read in place, so that no copy of its text stays behind.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw<'a> {
    format: u32,
    chain: Vec<String>,
    #[serde(borrow)]
    key: &'a str,
    renew_at: u64,
    bundles: Vec<Bundle>,
}

#[derive(Deserialize)]
struct Header {
    format: u32,
}

/// The text of the file at `path`.
///
/// # Errors
/// [`DiskError::Damaged`] for what JSON cannot say.
pub(crate) fn encode(stored: &Stored, path: &Path) -> Result<Zeroizing<Vec<u8>>, DiskError> {
    let key = Zeroizing::new(STANDARD.encode(stored.svid.key_der()));
    let chain = stored.svid.chain_der().iter();
    let bundles = stored.bundles.iter();
    let mut text = Text::default();
    let raw = Written {
        format: FORMAT,
        chain: chain.map(|der| STANDARD.encode(der)).collect(),
        key: key.as_str(),
        renew_at: stored.renew_at,
        bundles: bundles.map(AsRef::as_ref).collect(),
    };
    serde_json::to_writer(&mut text, &raw).map_err(|_| DiskError::damaged(path))?;
    Ok(text.into_bytes())
}

/// Reads what [`encode`] wrote.
///
/// # Errors
/// [`DiskError`] for anything else.
pub(crate) fn decode(text: &[u8], path: &Path) -> Result<Stored, DiskError> {
    let damaged = || DiskError::damaged(path);
    let header: Header = serde_json::from_slice(text).map_err(|_| damaged())?;
    if header.format > FORMAT {
        return Err(DiskError::Newer {
            path: path.to_path_buf(),
            format: header.format,
        });
    }
    let raw: Raw<'_> = serde_json::from_slice(text).map_err(|_| damaged())?;
    if raw.format != FORMAT {
        return Err(damaged());
    }
    let chain: Result<Vec<_>, _> = raw.chain.iter().map(|der| STANDARD.decode(der)).collect();
    let key = STANDARD.decode(raw.key).map_err(|_| damaged())?;
    let svid = Svid::new(chain.map_err(|_| damaged())?, Zeroizing::new(key));
    let mut bundles = BundleSet::default();
    for bundle in raw.bundles {
        let taken = bundles.accept(Arc::new(bundle));
        taken.map_err(|source| DiskError::Bundle {
            path: path.to_path_buf(),
            source,
        })?;
    }
    Ok(Stored {
        svid: Arc::new(svid.map_err(|source| DiskError::Svid {
            path: path.to_path_buf(),
            source,
        })?),
        renew_at: raw.renew_at,
        bundles,
    })
}

const FORMAT: u32 = 1;
