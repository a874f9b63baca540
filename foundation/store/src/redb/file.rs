//! The file: made private, refused when it is not, locked by one process.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ::redb::{Builder, Database, DatabaseError};

/// Why a store's file could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error(
        "{} is in use by another process: stop that one, or give this one a state folder \
         of its own; to look inside, ask the running process (pelago status)",
        path.display()
    )]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// Others may read it.
    #[error(
        "{} has mode {mode:04o} and holds secrets: find out who read it, then chmod 600 it",
        path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It could not be opened or created.
    #[error("{} could not be opened: check that its folder exists and is ours", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A newer release laid it out.
    #[error(
        "{} has layout {layout} and this binary knows {known}: upgrade pelago",
        path.display()
    )]
    Layout {
        /// The file.
        path: PathBuf,
        /// Its layout.
        layout: u64,
        /// Ours.
        known: u64,
    },
    /// It is no store, or damaged.
    #[error(
        "{} is not a store or is damaged: move it away and restore a backup",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<::redb::Error>,
    },
    /// The store's thread died while opening it.
    #[error("{} could not be read: move it away and restore a backup", path.display())]
    Stopped {
        /// The file.
        path: PathBuf,
    },
}

/// Opens or creates the database, taking the file's lock.
pub(super) fn open(path: &Path) -> Result<Database, OpenError> {
    let file = private(path)?;
    Builder::new()
        .set_cache_size(CACHE)
        .create_file(file)
        .map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => OpenError::InUse {
                path: path.to_path_buf(),
            },
            error => damaged(path, error),
        })
}

/// The error of a file whose content is not as it should be.
pub(super) fn damaged(path: &Path, error: impl Into<::redb::Error>) -> OpenError {
    match error.into() {
        ::redb::Error::Io(source) if source.kind() != io::ErrorKind::InvalidData => OpenError::Io {
            path: path.to_path_buf(),
            source,
        },
        source => OpenError::Damaged {
            path: path.to_path_buf(),
            source: Box::new(source),
        },
    }
}

fn private(path: &Path) -> Result<File, OpenError> {
    let io = |source| OpenError::Io {
        path: path.to_path_buf(),
        source,
    };
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(io)?;
    let mode = file.metadata().map_err(io)?.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(OpenError::Exposed {
            path: path.to_path_buf(),
            mode,
        });
    }
    Ok(file)
}

/// redb would take 1 GiB.
const CACHE: usize = 32 * 1024 * 1024;
