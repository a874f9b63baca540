//! A table of the store, followed into a map that anyone may read.
//!
//! A table that cannot be read leaves the map as it was: what is in doubt never
//! empties anything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pelago_runtime::backoff::Backoff;
use pelago_store::{Table, TableError, TableEvent};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Notify, watch};
use tokio::time::sleep;

/// Records by id.
pub(crate) type Rows<T> = Arc<BTreeMap<String, Arc<T>>>;

/// Follows `table` until dropped; `bell` rings after each change.
pub(crate) async fn run<T>(table: Table<T>, rows: watch::Sender<Rows<T>>, bell: Arc<Notify>)
where
    T: Serialize + DeserializeOwned + Send + Sync,
{
    let mut backoff = Backoff::new(
        Duration::from_millis(50),
        Duration::from_secs(1),
        fastrand::u64(..),
    );
    loop {
        if let Err(error) = follow(&table, &rows, &bell, &mut backoff).await {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a table of the store cannot be followed; what is known of it holds"
            );
            sleep(backoff.failed()).await;
        }
    }
}

/// Lists, then follows until changes were missed.
async fn follow<T>(
    table: &Table<T>,
    rows: &watch::Sender<Rows<T>>,
    bell: &Notify,
    backoff: &mut Backoff,
) -> Result<(), TableError>
where
    T: Serialize + DeserializeOwned + Send + Sync,
{
    let listing = table.list().await?;
    let all = listing
        .rows
        .into_iter()
        .map(|row| (row.id, Arc::new(row.value)));
    rows.send_replace(Arc::new(all.collect()));
    bell.notify_one();
    backoff.succeeded();
    let mut events = table.watch(listing.revision).await?;
    while let Some(event) = events.next().await {
        let mut now = rows.borrow().as_ref().clone();
        match event? {
            TableEvent::Put(row) => drop(now.insert(row.id, Arc::new(row.value))),
            TableEvent::Delete(id, _) => drop(now.remove(&id)),
            TableEvent::Relist => return Ok(()),
        }
        rows.send_replace(Arc::new(now));
        bell.notify_one();
    }
    // The store is closed, or the watch ended without a word: not at once again.
    sleep(backoff.failed()).await;
    Ok(())
}
