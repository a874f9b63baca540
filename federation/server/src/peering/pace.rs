//! What a peer said and was not told on yet.
//!
//! A peer may change its mind as often as it likes: of each thing only the
//! newest word is kept, and the more was told, the longer the next waits. So one
//! peer never takes more than its share of the one who reconciles.

use std::collections::BTreeMap;
use std::time::Duration;

use pelago_federation_core::export::{Shown, ShownKey};
use pelago_federation_core::session::Event;
use pelago_model::Version;
use tokio::time::Instant;

use super::common::Heard;

/// What waits to be told.
#[derive(Debug)]
pub(super) struct Pace {
    full: Option<Vec<Shown>>,
    changes: BTreeMap<ShownKey, Shown>,
    alive: Option<Heard>,
    next: Instant,
}

impl Pace {
    /// Nothing waits, and the first word is told at once.
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            full: None,
            changes: BTreeMap::new(),
            alive: None,
            next: now,
        }
    }

    /// Takes in what follows from a message; the hashes are over what we show
    /// and what the peer shows.
    pub(super) fn hear(&mut self, event: Event, ours: Version, theirs: Version) {
        match event {
            Event::Full(all) => {
                self.changes.clear();
                self.full = Some(all);
            }
            Event::Change(shown) => drop(self.changes.insert(shown.key(), *shown)),
            Event::Alive(lease) => {
                self.alive = Some(Heard::Alive {
                    lease,
                    ours,
                    theirs,
                });
            }
        }
    }

    /// When something is to be told, if anything waits.
    pub(super) fn due(&self) -> Option<Instant> {
        let waits = self.full.is_some() || !self.changes.is_empty() || self.alive.is_some();
        waits.then_some(self.next)
    }

    /// All that waits.
    pub(super) fn tell(&mut self, now: Instant) -> Vec<Heard> {
        let changes: Vec<Shown> = std::mem::take(&mut self.changes).into_values().collect();
        let told = self.full.iter().flatten().chain(&changes).map(entries);
        let told = u32::try_from(told.sum::<usize>()).unwrap_or(u32::MAX);
        self.next = now + PAUSE + ENTRY.saturating_mul(told).min(LONGEST);
        let changes = (!changes.is_empty()).then_some(Heard::Changes(changes));
        let full = self.full.take().map(Heard::Full);
        full.into_iter()
            .chain(changes)
            .chain(self.alive.take())
            .collect()
    }
}

fn entries(shown: &Shown) -> usize {
    match shown {
        Shown::Service(service) => 1 + service.endpoints.len(),
        Shown::Gateway(_) | Shown::Gone(_) => 1,
    }
}

const PAUSE: Duration = Duration::from_millis(100);
/// A peer may change so much: 20,000 entries in a second.
const ENTRY: Duration = Duration::from_micros(50);
/// Below the shortest lease, so that a heartbeat is never held back for one.
const LONGEST: Duration = Duration::from_millis(800);

#[cfg(test)]
mod tests;
