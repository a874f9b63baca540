//! The last good content of every text that sources read, as it is stored.
//!
//! A restart while a text is broken or cannot be read serves what it said when
//! it was last whole. What is gone while its source can be read is deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pelago_model::Version;
use pelago_store::{Store, TableError};

use super::pieces::{self, Pieces};

/// Texts by name.
pub(crate) type Texts = BTreeMap<String, Arc<str>>;

/// Every text that was stored.
pub(crate) async fn load(store: &Arc<dyn Store>) -> Result<Texts, TableError> {
    let found = pieces::load(store, PREFIX).await?.into_values();
    Ok(found.map(|kept| (kept.label, kept.text.into())).collect())
}

/// Writes texts.
pub(super) struct Sources {
    pieces: Pieces,
    /// What the store is known to hold.
    written: Texts,
}

impl Sources {
    pub(super) fn new(store: &Arc<dyn Store>) -> Self {
        Self {
            pieces: Pieces::new(store, PREFIX),
            written: Texts::new(),
        }
    }

    /// Makes the store hold `wanted`, and nothing else if `settled`.
    pub(super) async fn sync(&mut self, wanted: &Texts, settled: bool) -> Result<(), TableError> {
        for (name, text) in wanted {
            let old = self.written.get(name);
            if old.is_some_and(|old| Arc::ptr_eq(old, text)) {
                continue;
            }
            self.pieces.put(&id(name), name, text).await?;
            self.written.insert(name.clone(), Arc::clone(text));
        }
        if settled {
            let kept: BTreeSet<String> = wanted.keys().map(|name| id(name)).collect();
            self.pieces.retain(|id| kept.contains(id)).await?;
            self.written.retain(|name, _| wanted.contains_key(name));
        }
        Ok(())
    }
}

/// A name may be any path; an id may not.
fn id(name: &str) -> String {
    Version::of_bytes(name.as_bytes()).to_string()
}

const PREFIX: &str = "source";
