//! Why the state directory could not be used: each says what to do next.

use std::io;
use std::path::{Path, PathBuf};

use pelago_model::bundle::BundleError;

use crate::svid::SvidError;

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
    /// Others could put files of theirs, and so roots of theirs, in place of ours.
    #[error(
        "others can write to {} (owner {owner}, mode {mode:o}): it must belong to us and have mode 0700",
        .path.display()
    )]
    Shared {
        /// The directory.
        path: PathBuf,
        /// The user it belongs to.
        owner: u32,
        /// Its permission bits.
        mode: u32,
    },
    /// Others may read the key.
    #[error(
        "{} is readable by others (mode {mode:o}), another user's or no regular file: the key in it may be known; remove it and enrol again",
        .path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Written by a newer release.
    #[error(
        "{} is of format {format}, which this release does not read: run the newer release again, or remove it",
        .path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: u32,
    },
    /// Not what this version writes.
    #[error("{} is damaged: remove it and enrol again", .path.display())]
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

impl DiskError {
    /// What was tried on what, for the system's error.
    pub(crate) fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    /// Not what this version writes.
    pub(crate) fn damaged(path: &Path) -> Self {
        Self::Damaged {
            path: path.to_path_buf(),
        }
    }
}
