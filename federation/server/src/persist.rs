//! What survives a restart: registration entries for the CA, the last complete
//! policies, and what peers showed.
//!
//! One writer task; it is told what should be there and makes it so, again and
//! again until the store takes it. Nothing is deleted before every source has
//! been read.

mod import;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use pelago_model::authz::Policy;
use pelago_model::{ClusterId, RegistrationEntry};
use pelago_runtime::backoff::Backoff;
use pelago_runtime::scope::Drain;
use pelago_store::{Actor, Expected, Store, Table, TableError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::diary::Diary;

pub(crate) use import::{Saved, load as load_imports};

/// What should be stored.
#[derive(Debug, Default)]
pub(crate) struct Desired {
    /// Whether what is absent here is really gone.
    pub(crate) settled: bool,
    pub(crate) entries: BTreeMap<String, Arc<RegistrationEntry>>,
    pub(crate) policies: BTreeMap<String, Policy>,
    pub(crate) imports: BTreeMap<ClusterId, Arc<Saved>>,
}

/// The policies that held last before a restart.
pub(crate) async fn load_policies(store: &Arc<dyn Store>) -> Result<Vec<Policy>, TableError> {
    let rows = policies(store).list().await?.rows;
    Ok(rows.into_iter().map(|row| row.value).collect())
}

/// Writes until the drain begins, and once more then.
pub(crate) async fn run(
    store: Arc<dyn Store>,
    diary: Diary,
    mut desired: watch::Receiver<Arc<Desired>>,
    drain: Drain,
) {
    let mut backoff = Backoff::new(
        Duration::from_millis(50),
        Duration::from_secs(5),
        fastrand::u64(..),
    );
    let mut written = BTreeMap::new();
    loop {
        let last = drain.is_draining();
        let now = desired.borrow_and_update().clone();
        let pause = match write(&store, &diary, &now, &mut written).await {
            Ok(()) => {
                backoff.succeeded();
                None
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "what should survive a restart cannot be written"
                );
                Some(backoff.failed())
            }
        };
        if last {
            return;
        }
        tokio::select! {
            () = drain.begun() => {}
            () = next(&mut desired, pause) => {}
        }
    }
}

/// Waits for the next state, or to try the last one again.
async fn next(desired: &mut watch::Receiver<Arc<Desired>>, pause: Option<Duration>) {
    match pause {
        Some(pause) => sleep(pause).await,
        None => {
            // Without a writer there is only the drain left to wait for.
            if desired.changed().await.is_err() {
                std::future::pending().await
            }
        }
    }
}

async fn write(
    store: &Arc<dyn Store>,
    diary: &Diary,
    desired: &Desired,
    written: &mut BTreeMap<ClusterId, Arc<Saved>>,
) -> Result<(), TableError> {
    let entries = desired
        .entries
        .iter()
        .map(|(id, entry)| (id, entry.as_ref()));
    // The CA waits for entries; they go first.
    let changed = sync(
        &Table::new(Arc::clone(store), "entry"),
        entries,
        desired.settled,
    )
    .await?;
    for change in changed {
        let (verb, id) = match &change {
            Changed::Put(id) => ("entry.put", id),
            Changed::Deleted(id) => ("entry.delete", id),
        };
        let actor = Actor::System("federation");
        diary.note(actor, verb, &format!("entry/{id}")).await;
    }
    sync(&policies(store), desired.policies.iter(), desired.settled).await?;
    import::sync(store, &desired.imports, written).await
}

/// Makes a table hold these rows: writes what differs, and deletes what is not
/// there any more if that is known.
async fn sync<'a, T>(
    table: &Table<T>,
    rows: impl Iterator<Item = (&'a String, &'a T)>,
    settled: bool,
) -> Result<Vec<Changed>, TableError>
where
    T: Serialize + DeserializeOwned + PartialEq + 'a,
{
    let held: BTreeMap<String, T> = table
        .list()
        .await?
        .rows
        .into_iter()
        .map(|row| (row.id, row.value))
        .collect();
    let mut wanted = BTreeSet::new();
    let mut changed = Vec::new();
    for (id, value) in rows {
        wanted.insert(id);
        if held.get(id) != Some(value) {
            table.put(id, Expected::Any, value).await?;
            changed.push(Changed::Put(id.clone()));
        }
    }
    if settled {
        for id in held.keys().filter(|id| !wanted.contains(id)) {
            table.delete(id, Expected::Any).await?;
            changed.push(Changed::Deleted(id.clone()));
        }
    }
    Ok(changed)
}

enum Changed {
    Put(String),
    Deleted(String),
}

fn policies(store: &Arc<dyn Store>) -> Table<Policy> {
    Table::new(Arc::clone(store), "policy")
}
