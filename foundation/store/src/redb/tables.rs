//! The tables in the file, and how they are read.
//!
//! `entries` holds what is; `changes` the recent past, for watches that resume
//! after a restart; `meta` three numbers. One transaction writes all of them.

use std::sync::Arc;

use ::redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition};

use crate::contract::{Listing, StoreError};
use crate::feed::Change;
use crate::key::Key;
use crate::revision::{Revision, Versioned};

/// Key to (revision, value).
pub(super) const ENTRIES: TableDefinition<'_, &str, (u64, &[u8])> = TableDefinition::new("entries");
/// Revision to (key, value; none for a deletion).
pub(super) const CHANGES: TableDefinition<'_, u64, (&str, Option<&[u8]>)> =
    TableDefinition::new("changes");
/// `layout`, `revision` (the newest), `floor` (the newest that is forgotten).
pub(super) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

/// The layout of these tables.
pub(super) const LAYOUT: u64 = 1;

/// What the file says when it is opened.
pub(super) struct Past {
    pub(super) layout: u64,
    pub(super) revision: u64,
    pub(super) floor: u64,
    pub(super) changes: Vec<Change>,
}

/// Makes the tables of a new file; changes nothing in an old one.
pub(super) fn create(database: &Database) -> Result<(), ::redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut meta = transaction.open_table(META)?;
        if meta.get("layout")?.is_none() {
            meta.insert("layout", LAYOUT)?;
            meta.insert("revision", 0)?;
            meta.insert("floor", 0)?;
            transaction.open_table(ENTRIES)?;
            transaction.open_table(CHANGES)?;
        }
    }
    transaction.commit()?;
    Ok(())
}

/// The numbers, and the recent past of a file whose layout we know.
pub(super) fn past(database: &Database) -> Result<Past, ::redb::Error> {
    let transaction = database.begin_read()?;
    let meta = transaction.open_table(META)?;
    let number = |name| -> Result<u64, ::redb::Error> {
        let found = meta.get(name)?.map(|number| number.value());
        found.ok_or_else(|| ::redb::Error::Corrupted(format!("meta has no {name}")))
    };
    let mut past = Past {
        layout: number("layout")?,
        revision: number("revision")?,
        floor: number("floor")?,
        changes: Vec::new(),
    };
    if past.layout != LAYOUT {
        return Ok(past);
    }
    for row in transaction.open_table(CHANGES)?.iter()? {
        let (revision, change) = row?;
        let (key, value) = change.value();
        past.changes.push(Change {
            revision: revision.value(),
            key: Key::new(key).map_err(|error| ::redb::Error::Corrupted(error.to_string()))?,
            value: value.map(Arc::from),
        });
    }
    Ok(past)
}

/// One entry.
pub(super) fn entry(
    transaction: &ReadTransaction,
    key: &Key,
) -> Result<Option<Versioned>, StoreError> {
    let read = || -> Result<_, ::redb::Error> {
        let entries = transaction.open_table(ENTRIES)?;
        let found = entries.get(key.as_str())?;
        Ok(found.map(|found| versioned(found.value())))
    };
    read().map_err(|error| backend("read", error))
}

/// Every entry below a prefix, and the revision of the snapshot.
pub(super) fn listing(transaction: &ReadTransaction, prefix: &str) -> Result<Listing, StoreError> {
    let failed = |error: ::redb::Error| backend("list", error);
    let revision = Revision(revision(transaction)?);
    let table = transaction
        .open_table(ENTRIES)
        .map_err(|error| failed(error.into()))?;
    let mut entries = Vec::new();
    for row in table
        .range(prefix..)
        .map_err(|error| failed(error.into()))?
    {
        let (key, found) = row.map_err(|error| failed(error.into()))?;
        if !key.value().starts_with(prefix) {
            break;
        }
        let key = Key::new(key.value()).map_err(StoreError::Corrupt)?;
        entries.push((key, versioned(found.value())));
    }
    Ok(Listing { entries, revision })
}

/// The newest committed revision.
pub(super) fn revision(transaction: &ReadTransaction) -> Result<u64, StoreError> {
    let read = || -> Result<_, ::redb::Error> {
        let meta = transaction.open_table(META)?;
        let revision = meta.get("revision")?.map(|number| number.value());
        revision.ok_or_else(|| ::redb::Error::Corrupted("meta has no revision".to_owned()))
    };
    read().map_err(|error| backend("read its revision", error))
}

/// Bytes and revision as they are stored.
pub(super) fn versioned((revision, value): (u64, &[u8])) -> Versioned {
    Versioned {
        value: value.to_vec(),
        revision: Revision(revision),
    }
}

/// The error of a failed operation.
pub(super) fn backend(operation: &'static str, error: impl Into<::redb::Error>) -> StoreError {
    StoreError::Backend {
        operation,
        source: Box::new(error.into()),
    }
}
