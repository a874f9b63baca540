//! The thread that writes: one commit for everything that has queued up.
//!
//! It answers after the commit, so an acknowledged write is on disk; it publishes
//! before it answers, so a watcher is never behind an answer. After a failed
//! commit it stops, and the store is closed: what the file holds is then unknown
//! until it is opened again.

use std::path::Path;
use std::sync::Arc;

use ::redb::{Database, ReadableTable, Table};
use tokio::sync::{mpsc, oneshot};

use crate::contract::{Expected, StoreError, Swap};
use crate::feed::{Change, Feed, Limits};
use crate::key::Key;
use crate::revision::Revision;

use super::file::{self, OpenError};
use super::tables::{self, CHANGES, ENTRIES, LAYOUT, META};

/// One swap, waiting for its commit.
pub(super) struct Write {
    pub(super) key: Key,
    pub(super) expected: Expected,
    pub(super) value: Option<Vec<u8>>,
    pub(super) reply: oneshot::Sender<Result<Swap, StoreError>>,
}

/// What the store shares with its writer.
pub(super) struct Opened {
    pub(super) database: Arc<Database>,
    pub(super) feed: Arc<Feed>,
}

/// The thread: opens the file, says so, and commits until the queue is closed.
pub(super) fn run(
    path: &Path,
    opened: oneshot::Sender<Result<Opened, OpenError>>,
    mut queue: mpsc::Receiver<Write>,
) {
    let mut writer = match Writer::open(path) {
        Ok(writer) => writer,
        Err(error) => {
            // The opener may have stopped waiting.
            let _ = opened.send(Err(error));
            return;
        }
    };
    let shared = Opened {
        database: Arc::clone(&writer.database),
        feed: Arc::clone(&writer.feed),
    };
    if opened.send(Ok(shared)).is_err() {
        return;
    }
    let mut batch = Vec::with_capacity(BATCH);
    while queue.blocking_recv_many(&mut batch, BATCH) > 0 {
        if let Err(error) = writer.commit(&mut batch) {
            tracing::error!(
                path = %path.display(),
                error = &error as &dyn std::error::Error,
                "the store is closed: it could not commit"
            );
            return;
        }
    }
}

struct Writer {
    database: Arc<Database>,
    feed: Arc<Feed>,
    revision: u64,
    /// The newest revision that the change log has forgotten.
    floor: u64,
}

impl Writer {
    fn open(path: &Path) -> Result<Self, OpenError> {
        let database = file::open(path)?;
        tables::create(&database).map_err(|error| file::damaged(path, error))?;
        let past = tables::past(&database).map_err(|error| file::damaged(path, error))?;
        if past.layout != LAYOUT {
            return Err(OpenError::Layout {
                path: path.to_path_buf(),
                layout: past.layout,
                known: LAYOUT,
            });
        }
        let feed = Feed::starting_after(past.floor, Limits::default());
        feed.publish(past.changes);
        Ok(Self {
            database: Arc::new(database),
            feed: Arc::new(feed),
            revision: past.revision,
            floor: past.floor,
        })
    }

    /// Commits a batch, publishes it and answers. On an error nobody is told
    /// anything but that the store is closed: their swap may have happened.
    fn commit(&mut self, batch: &mut Vec<Write>) -> Result<(), ::redb::Error> {
        let transaction = self.database.begin_write()?;
        let mut changes = Vec::new();
        let mut answers = Vec::with_capacity(batch.len());
        let mut revision = self.revision;
        {
            let mut entries = transaction.open_table(ENTRIES)?;
            let mut log = transaction.open_table(CHANGES)?;
            for write in batch.drain(..) {
                let (swap, change) = apply(
                    &mut entries,
                    revision,
                    &write.key,
                    write.expected,
                    write.value,
                )?;
                if let Some(change) = change {
                    let logged = (change.key.as_str(), change.value.as_deref());
                    log.insert(change.revision, logged)?;
                    revision = change.revision;
                    changes.push(change);
                }
                answers.push((write.reply, swap));
            }
            // What the feed forgot at the last commit goes from the log at this
            // one: the log may be a batch longer than the feed, never shorter.
            log.retain_in(..=self.floor, |_, _| false)?;
            let mut meta = transaction.open_table(META)?;
            meta.insert("revision", revision)?;
            meta.insert("floor", self.floor)?;
        }
        if changes.is_empty() {
            transaction.abort()?;
        } else {
            transaction.commit()?;
            self.revision = revision;
            self.floor = self.feed.publish(changes);
        }
        for (reply, swap) in answers {
            // Whoever asked may have stopped waiting.
            let _ = reply.send(Ok(swap));
        }
        Ok(())
    }
}

/// One swap inside the transaction, and the change it made.
fn apply(
    entries: &mut Table<'_, &'static str, (u64, &'static [u8])>,
    revision: u64,
    key: &Key,
    expected: Expected,
    value: Option<Vec<u8>>,
) -> Result<(Swap, Option<Change>), ::redb::Error> {
    let current = entries
        .get(key.as_str())?
        .map(|found| tables::versioned(found.value()));
    if !expected.holds(current.as_ref().map(|found| found.revision)) {
        return Ok((Swap::Conflict(current), None));
    }
    if current.is_none() && value.is_none() {
        return Ok((Swap::Done(Revision(revision)), None));
    }
    let revision = revision + 1;
    match &value {
        Some(value) => entries.insert(key.as_str(), (revision, value.as_slice()))?,
        None => entries.remove(key.as_str())?,
    };
    let change = Change {
        revision,
        key: key.clone(),
        value: value.map(Arc::from),
    };
    Ok((Swap::Done(Revision(revision)), Some(change)))
}

/// Writes per commit.
const BATCH: usize = 64;
