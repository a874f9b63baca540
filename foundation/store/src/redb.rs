//! The default store: one file, owned by one process.
//!
//! A thread of its own commits: it takes what has queued up, writes it with the
//! change log in one transaction, and answers after the disk has it. Reads run
//! on tokio's blocking threads, a few at a time. So neither stalls a runtime.

mod file;
mod tables;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use ::redb::{Database, ReadTransaction, ReadableDatabase};
use futures_util::stream;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::contract::{
    BoxFuture, Expected, Listing, Store, StoreError, Swap, check_prefix, check_value,
};
use crate::feed::Feed;
use crate::key::Key;
use crate::revision::{Revision, Versioned};
use crate::watch::{Event, Watch};

pub use file::OpenError;

use writer::Write;

/// The store; share it as `Arc<dyn Store>`.
///
/// Dropping it finishes what was accepted, waits for that commit, and frees the
/// file once no read is under way; its watches end.
pub struct RedbStore {
    path: PathBuf,
    database: Arc<Database>,
    feed: Arc<Feed>,
    readers: Arc<Semaphore>,
    writes: Option<mpsc::Sender<Write>>,
    thread: Option<JoinHandle<()>>,
}

impl RedbStore {
    /// Opens the store in the file at `path`, or creates it there, readable by
    /// its owner only (mode 0600); the folder must exist. Reads what a crash left
    /// and repairs it, which may take a while after one.
    ///
    /// # Errors
    /// [`OpenError`] names the file and what to do.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let path = path.as_ref().to_path_buf();
        let (opened, answer) = oneshot::channel();
        let (writes, queue) = mpsc::channel(QUEUE);
        let there = path.clone();
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer::run(&there, opened, queue))
            .map_err(|source| OpenError::Io {
                path: path.clone(),
                source,
            })?;
        let opened = answer
            .await
            .map_err(|_| OpenError::Stopped { path: path.clone() })??;
        Ok(Self {
            path,
            database: opened.database,
            feed: opened.feed,
            readers: Arc::new(Semaphore::new(READERS)),
            writes: Some(writes),
            thread: Some(thread),
        })
    }

    /// Runs a read on a blocking thread, in a snapshot of what is committed.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&ReadTransaction) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = Arc::clone(&self.readers).acquire_owned().await;
        let permit = permit.map_err(|_| StoreError::Closed)?;
        let database = Arc::clone(&self.database);
        let done = tokio::task::spawn_blocking(move || {
            // Kept by the read itself: the caller may stop waiting for it.
            let _permit = permit;
            let transaction = database
                .begin_read()
                .map_err(|error| tables::backend("begin a read", error))?;
            read(&transaction)
        });
        done.await.map_err(|_| StoreError::Closed)?
    }
}

impl Store for RedbStore {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Versioned>, StoreError>> {
        Box::pin(async move {
            let key = key.clone();
            self.read(move |transaction| tables::entry(transaction, &key))
                .await
        })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Listing, StoreError>> {
        Box::pin(async move {
            check_prefix(prefix)?;
            let prefix = prefix.to_owned();
            self.read(move |transaction| tables::listing(transaction, &prefix))
                .await
        })
    }

    fn compare_and_swap<'a>(
        &'a self,
        key: &'a Key,
        expected: Expected,
        value: Option<Vec<u8>>,
    ) -> BoxFuture<'a, Result<Swap, StoreError>> {
        Box::pin(async move {
            check_value(key, value.as_ref())?;
            let (reply, answer) = oneshot::channel();
            let write = Write {
                key: key.clone(),
                expected,
                value,
                reply,
            };
            let writes = self.writes.as_ref().ok_or(StoreError::Closed)?;
            // A full queue makes the caller wait: the disk sets the pace.
            writes.send(write).await.map_err(|_| StoreError::Closed)?;
            answer.await.map_err(|_| StoreError::Closed)?
        })
    }

    fn watch<'a>(
        &'a self,
        prefix: &'a str,
        from: Revision,
    ) -> BoxFuture<'a, Result<Watch, StoreError>> {
        Box::pin(async move {
            check_prefix(prefix)?;
            // Asked of the file, not of the feed: a listing may have seen a commit
            // that is about to be published.
            let committed = self.read(tables::revision).await?;
            if from.0 > committed {
                return Ok(Watch::new(stream::iter([Event::Relist])));
            }
            Ok(self.feed.watch(prefix, from.0))
        })
    }
}

impl Drop for RedbStore {
    fn drop(&mut self) {
        self.writes = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(path = %self.path.display(), "the store's writer panicked");
        }
    }
}

impl fmt::Debug for RedbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedbStore")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// Writes that may wait: with values of at most 512 KiB, 32 MiB.
const QUEUE: usize = 64;
/// Reads under way at once.
const READERS: usize = 8;

#[cfg(test)]
mod tests;
