//! The state directory: what lets a node restart without its token.
//!
//! One file, `identity.json`, holds own key, chain and bundles together, so that they never
//! disagree. It is 0600 from its first byte, replaced by write, fsync, rename, fsync; a symlink
//! or a file that others can read is refused. A damaged file is an error, never an empty start.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nix::fcntl::OFlag;
use pelago_model::bundle::BundleError;
use pelago_model::{Bundle, BundleSet};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::svid::{Svid, SvidError};

/// What is kept between two starts.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Own SVID and key.
    pub svid: Arc<Svid>,
    /// When to renew it, Unix seconds.
    pub renew_at: u64,
    /// The bundles held.
    pub bundles: BundleSet,
}

/// A directory of our own, or a place in memory, that keeps one [`Stored`].
#[derive(Debug, Clone)]
pub struct StateDir(Place);

#[derive(Debug, Clone)]
enum Place {
    Directory(PathBuf),
    Memory(Arc<Mutex<Option<Stored>>>),
}

/// Why the state directory could not be used.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The file or directory cannot be read or written.
    #[error("cannot {action} {}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// Others may read the key.
    #[error(
        "{} is readable by others (mode {mode:o}) or no regular file: the key in it may be known; remove it and enrol again",
        .path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Not what this version writes.
    #[error("{} is damaged or of another format: remove it and enrol again", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// Chain and key in it are no SVID.
    #[error("{} holds no usable SVID: remove it and enrol again", .path.display())]
    Svid {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: SvidError,
    },
    /// A bundle in it cannot be held.
    #[error("{} holds a bundle that cannot be held: remove it and enrol again", .path.display())]
    Bundle {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: BundleError,
    },
}

impl StateDir {
    /// The directory at `path`; made 0700 if it is missing.
    ///
    /// # Errors
    /// [`DiskError::Io`] when it cannot be made.
    pub fn open(path: &Path) -> Result<Self, DiskError> {
        let made = fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path);
        made.map_err(at("make", path))?;
        Ok(Self(Place::Directory(path.to_path_buf())))
    }

    /// A place in memory: clones share it, and it ends with the last of them.
    #[must_use]
    pub fn memory() -> Self {
        Self(Place::Memory(Arc::default()))
    }

    /// What was stored last; `None` before the first time.
    ///
    /// # Errors
    /// [`DiskError`] for a file that others can read, or that is not what [`Self::save`] wrote.
    pub fn load(&self) -> Result<Option<Stored>, DiskError> {
        let path = match &self.0 {
            Place::Directory(directory) => directory.join(FILE),
            Place::Memory(kept) => {
                return Ok(kept.lock().unwrap_or_else(PoisonError::into_inner).clone());
            }
        };
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(&path);
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(at("open", &path)(source)),
        };
        let metadata = file.metadata().map_err(at("read", &path))?;
        if metadata.mode() & 0o077 != 0 || !metadata.is_file() {
            return Err(DiskError::Exposed {
                mode: metadata.mode() & 0o7777,
                path,
            });
        }
        let mut text = Zeroizing::new(Vec::new());
        file.take(MAX_FILE)
            .read_to_end(&mut text)
            .map_err(at("read", &path))?;
        decode(&text, &path).map(Some)
    }

    /// Replaces what is stored, durably. Blocks on the disk.
    ///
    /// # Errors
    /// [`DiskError::Io`]; what was stored before is still there then.
    pub fn save(&self, stored: &Stored) -> Result<(), DiskError> {
        let directory = match &self.0 {
            Place::Directory(directory) => directory,
            Place::Memory(kept) => {
                *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(stored.clone());
                return Ok(());
            }
        };
        let path = directory.join(FILE);
        let next = directory.join(NEXT);
        let text = encode(stored).ok_or_else(|| DiskError::Damaged { path: path.clone() })?;
        // One left by a crash may have any content, never any reader but us.
        match fs::remove_file(&next) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(at("remove", &next)(error));
            }
            _ => {}
        }
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&next);
        let mut file = file.map_err(at("make", &next))?;
        file.write_all(&text).map_err(at("write", &next))?;
        file.sync_all().map_err(at("sync", &next))?;
        fs::rename(&next, &path).map_err(at("replace", &path))?;
        let synced = File::open(directory).and_then(|directory| directory.sync_all());
        synced.map_err(at("sync", directory))
    }
}

#[derive(Serialize)]
struct Written<'a> {
    format: u32,
    chain: Vec<String>,
    key: &'a str,
    renew_at: u64,
    bundles: Vec<&'a Bundle>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    format: u32,
    chain: Vec<String>,
    key: String,
    renew_at: u64,
    bundles: Vec<Bundle>,
}

fn encode(stored: &Stored) -> Option<Zeroizing<Vec<u8>>> {
    let key = Zeroizing::new(STANDARD.encode(stored.svid.key_der()));
    let chain = stored.svid.chain_der().iter();
    let bundles = stored.bundles.iter();
    let mut text = Zeroizing::new(Vec::with_capacity(TYPICAL_FILE));
    let raw = Written {
        format: FORMAT,
        chain: chain.map(|der| STANDARD.encode(der)).collect(),
        key: key.as_str(),
        renew_at: stored.renew_at,
        bundles: bundles.map(AsRef::as_ref).collect(),
    };
    serde_json::to_writer(&mut *text, &raw).ok()?;
    Some(text)
}

fn decode(text: &[u8], path: &Path) -> Result<Stored, DiskError> {
    let damaged = || DiskError::Damaged {
        path: path.to_path_buf(),
    };
    let raw: Raw = serde_json::from_slice(text).map_err(|_| damaged())?;
    let key = Zeroizing::new(raw.key);
    if raw.format != FORMAT {
        return Err(damaged());
    }
    let chain: Result<Vec<_>, _> = raw.chain.iter().map(|der| STANDARD.decode(der)).collect();
    let key = STANDARD.decode(key.as_str()).map_err(|_| damaged())?;
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

fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DiskError {
    let path = path.to_path_buf();
    move |source| DiskError::Io {
        action,
        path,
        source,
    }
}

const FILE: &str = "identity.json";
const NEXT: &str = "identity.json.next";
const FORMAT: u32 = 1;
const TYPICAL_FILE: usize = 64 * 1024;
/// Far above 1,024 bundles of a few roots each.
const MAX_FILE: u64 = 64 * 1024 * 1024;

#[cfg(test)]
mod tests;
