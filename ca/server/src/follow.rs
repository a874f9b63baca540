//! Keeping the view current: watches on the store.
//!
//! A change of peers or bundles makes the view read them again; entries are
//! followed one by one. A store that fails is asked again; the last good view
//! stays meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use pelago_model::RegistrationEntry;
use pelago_store::{Revision, Table, TableError, TableEvent};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ca::Ca;

/// Follows peers and bundles for ever.
pub(crate) async fn trust(ca: Arc<Ca>) {
    tokio::join!(
        reread(&ca, &ca.tables.peers),
        reread(&ca, &ca.tables.bundles)
    );
}

/// Follows entries for ever.
pub(crate) async fn entries(ca: Arc<Ca>) {
    loop {
        if let Err(error) = follow_entries(&ca).await {
            failed("entries", &error);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The entries now, and from where to watch.
pub(crate) async fn read_entries(
    table: &Table<RegistrationEntry>,
) -> Result<(BTreeMap<String, Arc<RegistrationEntry>>, Revision), TableError> {
    let rows = table.list().await?;
    let entries = rows
        .rows
        .into_iter()
        .map(|row| (row.id, Arc::new(row.value)))
        .collect();
    Ok((entries, rows.revision))
}

async fn follow_entries(ca: &Ca) -> Result<(), TableError> {
    let (mut entries, revision) = read_entries(&ca.tables.entries).await?;
    let mut changes = ca.tables.entries.watch(revision).await?;
    ca.view.set_entries(entries.clone());
    while let Some(first) = changes.next().await {
        // What is there already is taken with it: a thousand new entries are
        // one change to everybody's sessions.
        let mut next = Some(first);
        while let Some(change) = next {
            match change {
                Ok(TableEvent::Put(row)) => {
                    entries.insert(row.id, Arc::new(row.value));
                }
                Ok(TableEvent::Delete(id, _)) => {
                    entries.remove(&id);
                }
                Ok(TableEvent::Relist) => return Ok(()),
                // The entry keeps its last good form; the writer reports it too.
                Err(error) => failed("an entry", &error),
            }
            next = match changes.next().now_or_never() {
                Some(None) => return Ok(()),
                more => more.flatten(),
            };
        }
        ca.view.set_entries(entries.clone());
    }
    Ok(())
}

async fn reread<T: Serialize + DeserializeOwned>(ca: &Ca, table: &Table<T>) {
    loop {
        if let Err(error) = reread_once(ca, table).await {
            failed("peers and bundles", &error);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn reread_once<T: Serialize + DeserializeOwned>(
    ca: &Ca,
    table: &Table<T>,
) -> Result<(), TableError> {
    let revision = table.list().await?.revision;
    let mut changes = table.watch(revision).await?;
    loop {
        if let Err(error) = ca.view.reload().await {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "peers and bundles could not be read: the last good ones stay"
            );
        }
        match changes.next().await {
            Some(Ok(TableEvent::Put(_) | TableEvent::Delete(..)) | Err(_)) => {}
            Some(Ok(TableEvent::Relist)) | None => return Ok(()),
        }
    }
}

fn failed(what: &'static str, error: &TableError) {
    tracing::error!(
        what,
        error = error as &dyn std::error::Error,
        "the store could not be followed: the last good state stays"
    );
}

const PAUSE: Duration = Duration::from_millis(500);
