//! What survives a restart: registration entries for the CA, the last complete
//! policies, what peers showed, and what sources said when they were whole.
//!
//! One writer task; it is told what should be there and makes it so, again and
//! again until the store takes it. Nothing is deleted before every source has
//! been read; a record that the store refuses does not hold up the others.

mod import;
mod pieces;
mod source;

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

use import::Imports;
use source::Sources;

pub(crate) use import::{Saved, load as load_imports};
pub(crate) use source::{Texts, load as load_texts};

/// What should be stored.
#[derive(Debug, Default)]
pub(crate) struct Desired {
    /// Whether what is absent here is really gone.
    pub(crate) settled: bool,
    pub(crate) entries: BTreeMap<String, Arc<RegistrationEntry>>,
    pub(crate) policies: BTreeMap<String, Policy>,
    pub(crate) imports: BTreeMap<ClusterId, Arc<Saved>>,
    /// The last good content of what sources read, by name.
    pub(crate) texts: Texts,
    /// Whether every source can be read now: a text that is absent is gone.
    pub(crate) readable: bool,
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
    let mut writer = Writer::new(store, diary);
    loop {
        let last = drain.is_draining();
        let now = desired.borrow_and_update().clone();
        let pause = match writer.write(&now).await {
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

struct Writer {
    diary: Diary,
    entries: Table<RegistrationEntry>,
    policies: Table<Policy>,
    imports: Imports,
    sources: Sources,
}

impl Writer {
    fn new(store: Arc<dyn Store>, diary: Diary) -> Self {
        Self {
            diary,
            policies: policies(&store),
            imports: Imports::new(&store),
            sources: Sources::new(&store),
            entries: Table::new(store, "entry"),
        }
    }

    /// Makes the store hold what is desired. All of it is tried; the first
    /// failure is told.
    async fn write(&mut self, desired: &Desired) -> Result<(), TableError> {
        let rows = desired.entries.iter();
        let rows = rows.map(|(id, entry)| (id, entry.as_ref()));
        // The CA waits for entries; they go first.
        let mut changed = Vec::new();
        let entries = sync(&self.entries, rows, desired.settled, &mut changed).await;
        for change in changed {
            let (verb, id) = match &change {
                Changed::Put(id) => ("entry.put", id),
                Changed::Deleted(id) => ("entry.delete", id),
            };
            let actor = Actor::System("federation");
            let object = format!("entry/{id}");
            self.diary.note(actor, verb, &object).await;
        }
        let rows = desired.policies.iter();
        let policies = sync(&self.policies, rows, desired.settled, &mut Vec::new()).await;
        let imports = self.imports.sync(&desired.imports).await;
        let sources = self.sources.sync(&desired.texts, desired.readable).await;
        entries.and(policies).and(imports).and(sources)
    }
}

/// Makes a table hold these rows: writes what differs, and deletes what is not
/// there any more if that is known. All of it is tried; what was done is in
/// `changed`, and the first failure is told.
async fn sync<'a, T>(
    table: &Table<T>,
    rows: impl Iterator<Item = (&'a String, &'a T)>,
    settled: bool,
    changed: &mut Vec<Changed>,
) -> Result<(), TableError>
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
    let mut outcome = Ok(());
    for (id, value) in rows {
        wanted.insert(id);
        if held.get(id) == Some(value) {
            continue;
        }
        match table.put(id, Expected::Any, value).await {
            Ok(_) => changed.push(Changed::Put(id.clone())),
            Err(error) => outcome = outcome.and(Err(error)),
        }
    }
    let gone = held.keys().filter(|id| settled && !wanted.contains(id));
    for id in gone {
        match table.delete(id, Expected::Any).await {
            Ok(_) => changed.push(Changed::Deleted(id.clone())),
            Err(error) => outcome = outcome.and(Err(error)),
        }
    }
    outcome
}

enum Changed {
    Put(String),
    Deleted(String),
}

fn policies(store: &Arc<dyn Store>) -> Table<Policy> {
    Table::new(Arc::clone(store), "policy")
}
