//! Why a key is not to be had.

use std::io;
use std::path::PathBuf;

/// Why a key could not be opened, made or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A name that is none.
    #[error("{name:?} cannot be a key's name: 1 to 64 of a-z, 0-9 and '-'")]
    Name {
        /// The name, cut to 64 characters.
        name: String,
    },
    /// A folder or file that others may read.
    #[error(
        "{path} has mode {mode:03o}, so that others may read keys: `chmod {wanted:03o} {path}`, and consider the keys known",
        path = path.display()
    )]
    Mode {
        /// Where.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// What they must be at most.
        wanted: u32,
    },
    /// Not a folder or not a plain file.
    #[error("{path} is not a {wanted}: keys are never read through links", path = path.display())]
    Kind {
        /// Where.
        path: PathBuf,
        /// `folder` or `plain file`.
        wanted: &'static str,
    },
    /// The folder and a key have different owners.
    #[error("{path} belongs to another user than its folder: restore it from a backup", path = path.display())]
    Owner {
        /// Where.
        path: PathBuf,
    },
    /// Reading or writing failed.
    #[error("{path} could not be {action}", path = path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// How it failed.
        #[source]
        source: io::Error,
    },
    /// The bytes are no key.
    #[error("{name:?} is not an ECDSA P-256 key in PKCS#8: restore it from a backup")]
    Malformed {
        /// The key's name.
        name: String,
    },
    /// The cryptographic library refused.
    #[error("a key could not be made or used: the system gave no randomness")]
    Crypto,
}
