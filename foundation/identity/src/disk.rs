//! The state directory: what lets a node restart without its token and without its controller.
//!
//! `identity.json` holds own key, chain and bundles together; `workloads.jsonl` holds the
//! registration entries and the workloads' SVIDs. Both are 0600 from their first byte, replaced
//! by write, fsync, rename, fsync; a symlink or a file that others can read is refused. A damaged
//! identity is an error, never an empty start; damaged workloads are left out with a warning,
//! since the controller tells them again.

mod error;
mod file;
mod own;
mod workloads;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pelago_model::SpiffeId;
use zeroize::Zeroizing;

pub use error::DiskError;
pub use own::Stored;
pub use workloads::{Kept, Workloads};

/// A directory of our own, or a place in memory, that keeps one [`Stored`] and one [`Workloads`].
#[derive(Debug, Clone)]
pub struct StateDir(Place);

#[derive(Clone)]
enum Place {
    Directory(PathBuf),
    Memory(Arc<Mutex<Memory>>),
}

#[derive(Default)]
struct Memory {
    own: Option<Stored>,
    workloads: Option<Zeroizing<Vec<u8>>>,
}

impl StateDir {
    /// The directory at `path`; made 0700 if it is missing.
    ///
    /// # Errors
    /// [`DiskError::Io`] when it cannot be made, [`DiskError::Shared`] when others can write to it.
    pub fn open(path: &Path) -> Result<Self, DiskError> {
        file::directory(path)?;
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
        match &self.0 {
            Place::Memory(kept) => Ok(locked(kept).own.clone()),
            Place::Directory(directory) => file::read(directory, FILE)?
                .map(|text| own::decode(&text, &directory.join(FILE)))
                .transpose(),
        }
    }

    /// Replaces what is stored, durably. Blocks on the disk.
    ///
    /// # Errors
    /// [`DiskError::Io`]; what was stored before is still there then.
    pub fn save(&self, stored: &Stored) -> Result<(), DiskError> {
        match &self.0 {
            Place::Memory(kept) => {
                locked(kept).own = Some(stored.clone());
                Ok(())
            }
            Place::Directory(directory) => {
                let text = own::encode(stored, &directory.join(FILE))?;
                file::replace(directory, FILE, &text)
            }
        }
    }

    /// The workloads that `own` kept last; `None` before the first time, and, with a warning, for
    /// a file that cannot be used. Blocks on the disk.
    ///
    /// # Errors
    /// [`DiskError::Newer`] for what a newer release wrote so that we would misread it.
    pub fn load_workloads(&self, own: &SpiffeId) -> Result<Option<Workloads>, DiskError> {
        match self.read_workloads(own) {
            Ok(kept) => Ok(kept),
            Err(error @ DiskError::Newer { .. }) => Err(error),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the kept workloads are not used: they are served once the controller answers"
                );
                Ok(None)
            }
        }
    }

    /// Replaces the workloads that `own` keeps, durably. Blocks on the disk.
    ///
    /// # Errors
    /// [`DiskError::Io`]; what was kept before is still there then.
    pub fn save_workloads(&self, own: &SpiffeId, kept: &Workloads) -> Result<(), DiskError> {
        let text = workloads::encode(kept, own, &self.workloads_path())?;
        match &self.0 {
            Place::Memory(kept) => {
                locked(kept).workloads = Some(text);
                Ok(())
            }
            Place::Directory(directory) => file::replace(directory, WORKLOADS, &text),
        }
    }

    fn read_workloads(&self, own: &SpiffeId) -> Result<Option<Workloads>, DiskError> {
        let text = match &self.0 {
            Place::Memory(kept) => locked(kept).workloads.clone(),
            Place::Directory(directory) => file::read(directory, WORKLOADS)?,
        };
        text.map(|text| workloads::decode(&text, own, &self.workloads_path()))
            .transpose()
    }

    fn workloads_path(&self) -> PathBuf {
        match &self.0 {
            Place::Memory(_) => PathBuf::from("memory"),
            Place::Directory(directory) => directory.join(WORKLOADS),
        }
    }
}

fn locked(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Directory(path) => f.debug_tuple("Directory").field(path).finish(),
            Self::Memory(_) => f.write_str("Memory"),
        }
    }
}

const FILE: &str = "identity.json";
const WORKLOADS: &str = "workloads.jsonl";

#[cfg(test)]
mod tests;
