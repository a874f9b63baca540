//! The recent changes of a store, kept once for all its watchers.
//!
//! A watcher is a cursor into this ring, woken by a revision and reading from
//! it; it owns no queue. The ring forgets the oldest changes beyond its limits,
//! and a cursor that stood there yields `Relist`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::stream;
use tokio::sync::watch;

use crate::key::Key;
use crate::revision::{Revision, Versioned};
use crate::watch::{Event, Watch};

/// One change as it is logged. `value` is `None` for a deletion.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) revision: u64,
    pub(crate) key: Key,
    pub(crate) value: Option<Arc<[u8]>>,
}

impl Change {
    /// What the change weighs in the ring, in bytes.
    pub(crate) fn weight(&self) -> usize {
        OVERHEAD + self.key.as_str().len() + self.value.as_ref().map_or(0, |value| value.len())
    }

    fn event(&self) -> Event {
        let revision = Revision(self.revision);
        match &self.value {
            None => Event::Delete(self.key.clone(), revision),
            Some(value) => Event::Put(
                self.key.clone(),
                Versioned {
                    value: value.to_vec(),
                    revision,
                },
            ),
        }
    }
}

/// How much the ring remembers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Changes.
    pub(crate) changes: usize,
    /// Bytes, by [`Change::weight`].
    pub(crate) bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            changes: 4096,
            bytes: 8 * 1024 * 1024,
        }
    }
}

/// The store's end: append here, after the change is durable.
#[derive(Debug)]
pub(crate) struct Feed {
    shared: Arc<Shared>,
    head: watch::Sender<u64>,
}

impl Feed {
    /// A feed that remembers nothing up to and including revision `floor`.
    pub(crate) fn starting_after(floor: u64, limits: Limits) -> Self {
        let ring = Ring {
            changes: VecDeque::new(),
            bytes: 0,
            floor,
        };
        Self {
            shared: Arc::new(Shared {
                ring: Mutex::new(ring),
                limits,
            }),
            head: watch::Sender::new(floor),
        }
    }

    /// Appends changes in rising revisions and wakes the watchers once. Returns
    /// the revision up to which the ring has forgotten.
    pub(crate) fn publish(&self, changes: impl IntoIterator<Item = Change>) -> u64 {
        let (head, floor) = {
            let mut ring = self.shared.ring();
            for change in changes {
                ring.push(change, self.shared.limits);
            }
            (ring.head(), ring.floor)
        };
        self.head.send_replace(head);
        floor
    }

    /// A watch of the changes below `prefix` after `from`.
    pub(crate) fn watch(&self, prefix: &str, from: u64) -> Watch {
        let cursor = Cursor {
            shared: Arc::clone(&self.shared),
            head: self.head.subscribe(),
            prefix: prefix.into(),
            at: from,
            over: false,
        };
        Watch::new(stream::unfold(cursor, |mut cursor| async move {
            let event = cursor.next().await?;
            Some((event, cursor))
        }))
    }
}

#[derive(Debug)]
struct Shared {
    ring: Mutex<Ring>,
    limits: Limits,
}

impl Shared {
    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Ring {
    changes: VecDeque<Change>,
    bytes: usize,
    /// The last revision that is forgotten.
    floor: u64,
}

impl Ring {
    fn push(&mut self, change: Change, limits: Limits) {
        self.bytes += change.weight();
        self.changes.push_back(change);
        while self.changes.len() > limits.changes || self.bytes > limits.bytes {
            let Some(oldest) = self.changes.pop_front() else {
                break;
            };
            self.bytes -= oldest.weight();
            self.floor = oldest.revision;
        }
    }

    fn head(&self) -> u64 {
        self.changes
            .back()
            .map_or(self.floor, |change| change.revision)
    }

    /// The first change below `prefix` after `at`, or how far there was none.
    fn after(&self, at: u64, prefix: &str) -> Found {
        if at < self.floor {
            return Found::Forgotten;
        }
        let start = self.changes.partition_point(|change| change.revision <= at);
        self.changes
            .range(start..)
            .find(|change| change.key.as_str().starts_with(prefix))
            .map_or_else(
                || Found::NoneUpTo(self.head().max(at)),
                |change| Found::Change(change.clone()),
            )
    }
}

enum Found {
    Change(Change),
    NoneUpTo(u64),
    Forgotten,
}

struct Cursor {
    shared: Arc<Shared>,
    head: watch::Receiver<u64>,
    prefix: Box<str>,
    at: u64,
    over: bool,
}

impl Cursor {
    async fn next(&mut self) -> Option<Event> {
        while !self.over {
            // Seen before reading: a change published in between wakes us again.
            self.head.borrow_and_update();
            let found = self.shared.ring().after(self.at, &self.prefix);
            match found {
                Found::Change(change) => {
                    self.at = change.revision;
                    return Some(change.event());
                }
                Found::Forgotten => {
                    self.over = true;
                    return Some(Event::Relist);
                }
                Found::NoneUpTo(revision) => self.at = revision,
            }
            if self.head.changed().await.is_err() {
                self.over = true;
            }
        }
        None
    }
}

const OVERHEAD: usize = 64;

#[cfg(test)]
mod tests;
