//! Whose refusal is told in the log: each user's once in a while, since a process may ask all day.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The users told of lately. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told(Arc<Mutex<Window>>);

#[derive(Debug, Default)]
struct Window {
    since: Option<Instant>,
    users: BTreeSet<u32>,
}

impl Told {
    /// Whether this user was not told of within [`WINDOW`]; notes that it is now. Of more than
    /// [`MOST`] users the others are not told of.
    pub(crate) fn is_first(&self, uid: u32, now: Instant) -> bool {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let over = window
            .since
            .is_none_or(|since| now.saturating_duration_since(since) >= WINDOW);
        if over {
            window.since = Some(now);
            window.users.clear();
        }
        window.users.len() < MOST && window.users.insert(uid)
    }
}

const WINDOW: Duration = Duration::from_secs(60);
const MOST: usize = 64;

#[cfg(test)]
mod tests;
