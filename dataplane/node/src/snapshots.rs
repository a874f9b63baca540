//! The last snapshot, kept so that a restart serves before the controller is reached.
//!
//! One file of JSON lines: a header, then one resource per line. It is 0600, replaced by write,
//! fsync, rename, fsync. One that is damaged or another identity's is left out with a warning;
//! one that a newer release wrote so that we would misread it is refused by name. It holds no key
//! and can add no root: those are the identity's.

mod format;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::fcntl::OFlag;
use pelago_model::{Snapshot, SpiffeId};
use pelago_runtime::scope::Drain;
use tokio::sync::watch;

use format::{Unread, decode, encode};

/// Where the last snapshot is kept. Clones keep it in the same place.
#[derive(Debug, Clone)]
pub struct Snapshots(Place);

#[derive(Debug, Clone)]
enum Place {
    Directory(PathBuf),
    Memory(Arc<Mutex<Option<Vec<u8>>>>),
}

/// Why a kept snapshot is refused.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotsError {
    /// Written by a newer release.
    #[error(
        "the kept snapshot in {place} is of format {format}, which takes a reader of {oldest_reader}, and this is {reader}: run the newer release again, or remove it",
        reader = format::READER
    )]
    Newer {
        /// The file.
        place: String,
        /// Its format.
        format: u32,
        /// The oldest reader that does not misread it.
        oldest_reader: u32,
    },
}

impl Snapshots {
    /// In a file of this directory, which must exist.
    #[must_use]
    pub const fn directory(path: PathBuf) -> Self {
        Self(Place::Directory(path))
    }

    /// In memory, until the last clone goes.
    #[must_use]
    pub fn memory() -> Self {
        Self(Place::Memory(Arc::default()))
    }

    /// The snapshot kept by `own`, if there is one that can be used. Blocks on the disk.
    ///
    /// # Errors
    /// [`SnapshotsError::Newer`]
    pub(crate) fn load(&self, own: &SpiffeId) -> Result<Option<Snapshot>, SnapshotsError> {
        let place = self.name();
        let unread = match self.read() {
            Ok(None) => return Ok(None),
            Ok(Some(bytes)) => match decode(&bytes, own) {
                Ok(snapshot) => return Ok(Some(snapshot)),
                Err(Unread::Newer {
                    format,
                    oldest_reader,
                }) => {
                    return Err(SnapshotsError::Newer {
                        place,
                        format,
                        oldest_reader,
                    });
                }
                Err(unread) => unread.to_string(),
            },
            Err(error) => error.to_string(),
        };
        tracing::warn!(place, why = unread, "the kept snapshot is not used");
        Ok(None)
    }

    /// Keeps this snapshot instead. Blocks on the disk.
    ///
    /// # Errors
    /// The disk's; the one kept before is still there then.
    pub(crate) fn save(&self, own: &SpiffeId, snapshot: &Snapshot) -> io::Result<()> {
        let bytes = encode(snapshot, own)?;
        match &self.0 {
            Place::Directory(directory) => replace(directory, &bytes),
            Place::Memory(kept) => {
                *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(bytes);
                Ok(())
            }
        }
    }

    /// Keeps what is published until the drain, at most every [`EVERY`].
    pub(crate) async fn keep(
        self,
        own: SpiffeId,
        mut published: watch::Receiver<Arc<Snapshot>>,
        drain: Drain,
    ) {
        loop {
            tokio::select! {
                () = drain.begun() => break,
                changed = published.changed() => if changed.is_err() { break },
            }
            let seen = Arc::clone(&published.borrow_and_update());
            self.save_aside(&own, &seen).await;
            tokio::select! {
                () = drain.begun() => break,
                () = tokio::time::sleep(EVERY) => {}
            }
        }
        if published.has_changed().unwrap_or(false) {
            let seen = Arc::clone(&published.borrow_and_update());
            self.save_aside(&own, &seen).await;
        }
    }

    async fn save_aside(&self, own: &SpiffeId, snapshot: &Arc<Snapshot>) {
        let (kept, own, snapshot) = (self.clone(), own.clone(), Arc::clone(snapshot));
        let saved = tokio::task::spawn_blocking(move || kept.save(&own, &snapshot)).await;
        if let Ok(Err(error)) = saved {
            let error: &dyn std::error::Error = &error;
            tracing::error!(
                error,
                "the snapshot was not kept; a restart would begin with an older one"
            );
        }
    }

    fn read(&self) -> io::Result<Option<Vec<u8>>> {
        let directory = match &self.0 {
            Place::Directory(directory) => directory,
            Place::Memory(kept) => {
                return Ok(kept.lock().unwrap_or_else(PoisonError::into_inner).clone());
            }
        };
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(directory.join(FILE));
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        file.take(MAX_FILE).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    fn name(&self) -> String {
        match &self.0 {
            Place::Directory(directory) => directory.join(FILE).display().to_string(),
            Place::Memory(_) => "memory".to_owned(),
        }
    }
}

fn replace(directory: &Path, bytes: &[u8]) -> io::Result<()> {
    let next = directory.join(NEXT);
    match fs::remove_file(&next) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&next)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&next, directory.join(FILE))?;
    File::open(directory)?.sync_all()
}

const FILE: &str = "snapshot.jsonl";
const NEXT: &str = "snapshot.jsonl.next";
const MAX_FILE: u64 = 512 * 1024 * 1024;
/// Writing costs the whole snapshot, so a busy mesh is not written at each change.
const EVERY: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
