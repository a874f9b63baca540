//! Records of one kind below one prefix, as JSON in a versioned envelope.
//!
//! `{"v":1,"data":…}`. A record that does not parse is an error that names its
//! key; it is never skipped, because a deny-list entry that silently vanished
//! would admit someone.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::contract::{Expected, Store, StoreError, Swap};
use crate::key::{Key, KeyError};
use crate::revision::{Revision, Versioned};
use crate::watch::{Event, Watch};

/// Typed records below a prefix; clones share the store.
///
/// ```
/// # use std::sync::Arc;
/// # use pelago_store::{Change, Expected, MemoryStore, Store, Table};
/// # async fn demo() -> Result<(), Box<dyn std::error::Error>> {
/// let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
/// let uses: Table<u32> = Table::new(store, "token-uses");
/// uses.put("t1", Expected::Absent, &0).await?;
/// let now = uses
///     .update("t1", |uses| Ok::<_, std::convert::Infallible>(Change::Put(uses.unwrap_or(0) + 1)))
///     .await?;
/// assert_eq!(now, Some(1));
/// # Ok(()) }
/// ```
pub struct Table<T> {
    store: Arc<dyn Store>,
    prefix: String,
    kind: PhantomData<fn() -> T>,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<T> {
    /// Its id in the table: the key without the prefix.
    pub id: String,
    /// The record itself.
    pub value: T,
    /// When it was last written.
    pub revision: Revision,
}

/// All records of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows<T> {
    /// In the order of ids.
    pub rows: Vec<Record<T>>,
    /// The revision to watch from.
    pub revision: Revision,
}

/// What an update makes of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<T> {
    /// Leave it as it is.
    Keep,
    /// Write this.
    Put(T),
    /// Delete it.
    Delete,
}

impl<T: Serialize + DeserializeOwned> Table<T> {
    /// The table at `prefix`, a key without a trailing `/`, such as `peer`.
    /// A prefix that cannot be one is refused by the first call.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, prefix: &str) -> Self {
        Self {
            store,
            prefix: format!("{prefix}/"),
            kind: PhantomData,
        }
    }

    /// The record of `id`, if there is one.
    ///
    /// # Errors
    /// An id that cannot be a key, a record that does not parse, a failed store.
    pub async fn get(&self, id: &str) -> Result<Option<Record<T>>, TableError> {
        let key = self.key(id)?;
        match self.store.get(&key).await? {
            None => Ok(None),
            Some(found) => Ok(Some(self.record(&key, &found)?)),
        }
    }

    /// All records.
    ///
    /// # Errors
    /// The first record that does not parse, named; a failed store.
    pub async fn list(&self) -> Result<Rows<T>, TableError> {
        let listing = self.store.list(&self.prefix).await?;
        let rows = listing
            .entries
            .iter()
            .map(|(key, found)| self.record(key, found))
            .collect::<Result<_, _>>()?;
        Ok(Rows {
            rows,
            revision: listing.revision,
        })
    }

    /// Writes a record if it is as `expected`.
    ///
    /// # Errors
    /// [`TableError::Conflict`] if it is not; an id that cannot be a key, a
    /// record that is too large, a failed store.
    pub async fn put(
        &self,
        id: &str,
        expected: Expected,
        value: &T,
    ) -> Result<Revision, TableError> {
        let key = self.key(id)?;
        let bytes = encode(&key, value)?;
        self.swap(key, expected, Some(bytes)).await
    }

    /// Deletes a record if it is as `expected`.
    ///
    /// # Errors
    /// As [`Table::put`].
    pub async fn delete(&self, id: &str, expected: Expected) -> Result<Revision, TableError> {
        self.swap(self.key(id)?, expected, None).await
    }

    /// Reads a record, lets `change` decide, and writes the outcome unless
    /// someone else was quicker; then it reads and asks again, at most
    /// [`ATTEMPTS`] times. Returns the record as it is afterwards. `change` may
    /// run several times: it must not act on the world.
    ///
    /// # Errors
    /// What `change` refused with, or the table's own failures.
    pub async fn update<E, F>(&self, id: &str, mut change: F) -> Result<Option<T>, UpdateError<E>>
    where
        F: FnMut(Option<T>) -> Result<Change<T>, E>,
    {
        let key = self.key(id)?;
        for _ in 0..ATTEMPTS {
            let found = self.store.get(&key).await.map_err(TableError::from)?;
            let expected = found
                .as_ref()
                .map_or(Expected::Absent, |found| Expected::Revision(found.revision));
            let current = self.decode(&key, found.as_ref())?;
            let (bytes, after) = match change(current).map_err(UpdateError::Refused)? {
                Change::Keep => return Ok(self.decode(&key, found.as_ref())?),
                Change::Delete => (None, None),
                Change::Put(value) => (Some(encode(&key, &value)?), Some(value)),
            };
            let swap = self.store.compare_and_swap(&key, expected, bytes).await;
            if let Swap::Done(_) = swap.map_err(TableError::from)? {
                return Ok(after);
            }
        }
        Err(UpdateError::Table(TableError::Contended { key }))
    }

    /// The changes since `from`, typically the revision of a [`Table::list`].
    ///
    /// # Errors
    /// A failed store.
    pub async fn watch(&self, from: Revision) -> Result<TableWatch<T>, TableError> {
        Ok(TableWatch {
            events: self.store.watch(&self.prefix, from).await?,
            table: self.clone(),
        })
    }

    fn key(&self, id: &str) -> Result<Key, TableError> {
        Key::new(format!("{}{id}", self.prefix)).map_err(TableError::Key)
    }

    async fn swap(
        &self,
        key: Key,
        expected: Expected,
        value: Option<Vec<u8>>,
    ) -> Result<Revision, TableError> {
        match self.store.compare_and_swap(&key, expected, value).await? {
            Swap::Done(revision) => Ok(revision),
            Swap::Conflict(current) => Err(TableError::Conflict {
                key,
                current: current.map(|found| found.revision),
            }),
        }
    }

    fn record(&self, key: &Key, found: &Versioned) -> Result<Record<T>, TableError> {
        Ok(Record {
            id: self.id(key),
            value: parse(key, &found.value)?,
            revision: found.revision,
        })
    }

    fn decode(&self, key: &Key, found: Option<&Versioned>) -> Result<Option<T>, TableError> {
        found.map(|found| parse(key, &found.value)).transpose()
    }

    fn id(&self, key: &Key) -> String {
        let text = key.as_str();
        text.strip_prefix(&self.prefix).unwrap_or(text).to_owned()
    }
}

impl<T> Clone for Table<T> {
    fn clone(&self) -> Self {
        Self {
            store: Arc::clone(&self.store),
            prefix: self.prefix.clone(),
            kind: PhantomData,
        }
    }
}

impl<T> fmt::Debug for Table<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Table").field(&self.prefix).finish()
    }
}

/// One change of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableEvent<T> {
    /// A record was written.
    Put(Record<T>),
    /// A record is gone since this revision.
    Delete(String, Revision),
    /// Changes were missed: list again and watch from there. The last event.
    Relist,
}

/// The changes of a table, from [`Table::watch`].
#[derive(Debug)]
pub struct TableWatch<T> {
    events: Watch,
    table: Table<T>,
}

impl<T: Serialize + DeserializeOwned> TableWatch<T> {
    /// The next change; `None` after [`TableEvent::Relist`] or when the store is
    /// closed. Cancel-safe.
    ///
    /// # Errors
    /// A record that does not parse; the watch goes on behind it.
    pub async fn next(&mut self) -> Option<Result<TableEvent<T>, TableError>> {
        Some(match self.events.next().await? {
            Event::Put(key, found) => self.table.record(&key, &found).map(TableEvent::Put),
            Event::Delete(key, revision) => Ok(TableEvent::Delete(self.table.id(&key), revision)),
            Event::Relist => Ok(TableEvent::Relist),
        })
    }
}

/// Why a table could not answer.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The id cannot be part of a key.
    #[error("the record's id is not valid")]
    Key(#[source] KeyError),
    /// The record is not as expected.
    #[error("{key} was changed by someone else: read it again and retry")]
    Conflict {
        /// The record's key.
        key: Key,
        /// Its revision now, if it is there.
        current: Option<Revision>,
    },
    /// Others kept changing the record.
    #[error("{key} kept changing during {ATTEMPTS} attempts: try again later")]
    Contended {
        /// The record's key.
        key: Key,
    },
    /// The stored record cannot be read.
    #[error("the record {key} cannot be read: restore it from a backup, or delete it by name")]
    Unreadable {
        /// The record's key.
        key: Key,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The stored record's envelope is newer than this binary.
    #[error(
        "the record {key} has version {version}; this binary reads up to {VERSION}: upgrade pelago"
    )]
    Version {
        /// The record's key.
        key: Key,
        /// The version of its envelope.
        version: u64,
    },
    /// The value cannot be written as JSON.
    #[error("the record {key} cannot be written as JSON: this is a bug")]
    Unwritable {
        /// The record's key.
        key: Key,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The store failed.
    #[error("the store did not answer")]
    Store(#[from] StoreError),
}

/// Why an update did not happen.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError<E> {
    /// The closure refused; its reason.
    #[error("{0}")]
    Refused(E),
    /// The table failed.
    #[error(transparent)]
    Table(#[from] TableError),
}

#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    v: u64,
    data: T,
}

/// Read before the data: a newer version may hold what we cannot parse.
#[derive(Deserialize)]
struct Version {
    v: u64,
}

fn encode<T: Serialize>(key: &Key, value: &T) -> Result<Vec<u8>, TableError> {
    let envelope = Envelope {
        v: VERSION,
        data: value,
    };
    serde_json::to_vec(&envelope).map_err(|source| TableError::Unwritable {
        key: key.clone(),
        source,
    })
}

fn parse<T: DeserializeOwned>(key: &Key, bytes: &[u8]) -> Result<T, TableError> {
    let unreadable = |source| TableError::Unreadable {
        key: key.clone(),
        source,
    };
    let Version { v: version } = serde_json::from_slice(bytes).map_err(unreadable)?;
    if version > VERSION {
        return Err(TableError::Version {
            key: key.clone(),
            version,
        });
    }
    let envelope: Envelope<T> = serde_json::from_slice(bytes).map_err(unreadable)?;
    Ok(envelope.data)
}

/// How often [`Table::update`] tries.
pub const ATTEMPTS: usize = 128;

const VERSION: u64 = 1;

#[cfg(test)]
mod tests;
