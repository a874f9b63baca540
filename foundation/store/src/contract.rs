//! The contract every store keeps, and the nouns it is written in.
//!
//! All methods may be called from any task and are cancel-safe in this sense: a
//! swap whose future is dropped may or may not have happened, as after any lost
//! reply. A swap that answered [`Swap::Done`] is durable. Nothing here blocks.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;

use crate::key::{Key, KeyError, MAX_KEY};
use crate::revision::{Revision, Versioned};
use crate::watch::Watch;

/// A future behind a pointer, so that [`Store`] can be `dyn`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Any error of a backend.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// The largest value: 512 KiB, well below what etcd and Kubernetes take.
pub const MAX_VALUE: usize = 512 * 1024;

/// Keys and values with revisions. Pass it as `Arc<dyn Store>`.
pub trait Store: Send + Sync {
    /// The value of `key` and its revision, if there is one.
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Versioned>, StoreError>>;

    /// Every entry below `prefix` in the order of keys, at one revision. A prefix
    /// is empty (everything) or ends with `/`, so that `peer/` never lists
    /// `peers/a`.
    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Listing, StoreError>>;

    /// Sets (`Some`) or deletes (`None`) one key if it is as `expected`. Deleting
    /// what is not there is `Done` and tells no watcher.
    fn compare_and_swap<'a>(
        &'a self,
        key: &'a Key,
        expected: Expected,
        value: Option<Vec<u8>>,
    ) -> BoxFuture<'a, Result<Swap, StoreError>>;

    /// Every change below `prefix` after `from`, in order. With the revision of a
    /// listing no change is missed and none told twice.
    fn watch<'a>(
        &'a self,
        prefix: &'a str,
        from: Revision,
    ) -> BoxFuture<'a, Result<Watch, StoreError>>;
}

/// The answer to [`Store::list`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// In the order of keys (byte order).
    pub entries: Vec<(Key, Versioned)>,
    /// The store's revision of this listing: watch from here.
    pub revision: Revision,
}

/// What a swap requires of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// There is no value.
    Absent,
    /// The value was last written at this revision.
    Revision(Revision),
    /// Whatever is there: the last writer wins.
    Any,
}

impl Expected {
    /// Whether a key that was last written at `current` is as expected.
    pub(crate) fn holds(self, current: Option<Revision>) -> bool {
        match self {
            Self::Any => true,
            Self::Absent => current.is_none(),
            Self::Revision(revision) => current == Some(revision),
        }
    }
}

/// The answer to [`Store::compare_and_swap`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Swap {
    /// Done and durable; the key's new revision (the store's, for a deletion).
    Done(Revision),
    /// Nothing changed: this is what the key holds.
    Conflict(Option<Versioned>),
}

/// Why a store could not answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The prefix is neither empty nor a key's beginning up to a `/`.
    #[error(
        "prefix {prefix:?} is not valid: it is empty, or a key of at most {MAX_KEY} bytes followed by \"/\""
    )]
    Prefix {
        /// The prefix as given, cut to 64 characters.
        prefix: String,
    },
    /// The value is too large.
    #[error("the value of {key} has {size} bytes: at most {MAX_VALUE} are stored")]
    ValueTooLarge {
        /// Whose value.
        key: Key,
        /// Its size in bytes.
        size: usize,
    },
    /// The store has been closed, or its writer stopped after an earlier error.
    #[error("the store is closed: its log says why; restart the process")]
    Closed,
    /// What is stored is not what was written.
    #[error("the store holds a key that cannot be one: restore it from a backup")]
    Corrupt(#[source] KeyError),
    /// The backend failed.
    #[error("the store failed to {operation}: check the disk or the store's servers")]
    Backend {
        /// What it was doing.
        operation: &'static str,
        /// How it failed.
        #[source]
        source: BoxError,
    },
}

/// Refuses what is no prefix.
pub(crate) fn check_prefix(prefix: &str) -> Result<(), StoreError> {
    let valid = match prefix.strip_suffix('/') {
        None => prefix.is_empty(),
        Some(path) => Key::new(path).is_ok(),
    };
    if valid {
        return Ok(());
    }
    Err(StoreError::Prefix {
        prefix: prefix.chars().take(64).collect(),
    })
}

/// Refuses a value that is too large.
pub(crate) fn check_value(key: &Key, value: Option<&Vec<u8>>) -> Result<(), StoreError> {
    match value {
        Some(value) if value.len() > MAX_VALUE => Err(StoreError::ValueTooLarge {
            key: key.clone(),
            size: value.len(),
        }),
        _ => Ok(()),
    }
}
