//! A store in memory: for meshes in one process, under a paused clock too.
//!
//! It keeps the whole contract except surviving its process, answers at once and
//! never blocks or sleeps.

use std::collections::BTreeMap;
use std::fmt;
use std::future::ready;
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};

use crate::contract::{
    BoxFuture, Expected, Listing, Store, StoreError, Swap, check_prefix, check_value,
};
use crate::feed::{Change, Feed, Limits};
use crate::key::Key;
use crate::revision::{Revision, Versioned};
use crate::watch::{Event, Watch};

/// The store; share it as `Arc<dyn Store>`. Dropping it ends its watches.
pub struct MemoryStore {
    state: Mutex<State>,
    feed: Feed,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: Mutex::new(State::default()),
            feed: Feed::starting_after(0, Limits::default()),
        }
    }

    fn swap(&self, key: &Key, expected: Expected, value: Option<Vec<u8>>) -> Swap {
        // Published under the lock: the feed sees revisions in order.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let current = state.entries.get(key);
        if !expected.holds(current.map(|entry| entry.revision)) {
            return Swap::Conflict(current.cloned());
        }
        if value.is_none() && current.is_none() {
            return Swap::Done(Revision(state.revision));
        }
        state.revision += 1;
        let revision = Revision(state.revision);
        let logged = value.as_deref().map(Arc::from);
        match value {
            Some(value) => {
                let entry = Versioned { value, revision };
                state.entries.insert(key.clone(), entry);
            }
            None => {
                state.entries.remove(key);
            }
        }
        self.feed.publish([Change {
            revision: revision.0,
            key: key.clone(),
            value: logged,
        }]);
        Swap::Done(revision)
    }

    fn listing(&self, prefix: &str) -> Listing {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = state
            .entries
            .range::<str, _>((Bound::Included(prefix), Bound::Unbounded))
            .take_while(|(key, _)| key.as_str().starts_with(prefix))
            .map(|(key, entry)| (key.clone(), entry.clone()))
            .collect();
        Listing {
            entries,
            revision: Revision(state.revision),
        }
    }
}

impl Store for MemoryStore {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Versioned>, StoreError>> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Box::pin(ready(Ok(state.entries.get(key).cloned())))
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Listing, StoreError>> {
        Box::pin(ready(check_prefix(prefix).map(|()| self.listing(prefix))))
    }

    fn compare_and_swap<'a>(
        &'a self,
        key: &'a Key,
        expected: Expected,
        value: Option<Vec<u8>>,
    ) -> BoxFuture<'a, Result<Swap, StoreError>> {
        Box::pin(async move {
            check_value(key, value.as_ref())?;
            Ok(self.swap(key, expected, value))
        })
    }

    fn watch<'a>(
        &'a self,
        prefix: &'a str,
        from: Revision,
    ) -> BoxFuture<'a, Result<Watch, StoreError>> {
        Box::pin(ready(check_prefix(prefix).map(|()| {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if from.0 > state.revision {
                return Watch::new(futures_util::stream::iter([Event::Relist]));
            }
            self.feed.watch(prefix, from.0)
        })))
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct State {
    entries: BTreeMap<Key, Versioned>,
    revision: u64,
}
