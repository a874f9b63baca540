//! How much one user, and all users together, may hold open.
//!
//! Counts and refuses; it never waits, so that one user's greed is that user's refusal.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A count per user with two limits. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    per_user: usize,
    in_all: usize,
    held: Arc<Mutex<Held>>,
}

#[derive(Debug, Default)]
struct Held {
    by_user: HashMap<u32, usize>,
    in_all: usize,
}

impl Budget {
    /// At most `per_user` permits of one user and `in_all` of everybody.
    pub(crate) fn new(per_user: usize, in_all: usize) -> Self {
        Self {
            per_user,
            in_all,
            held: Arc::default(),
        }
    }

    /// A permit, held until dropped; `None` when the user or everybody has enough.
    pub(crate) fn take(&self, uid: u32) -> Option<Permit> {
        let mut held = self.held();
        if held.in_all >= self.in_all {
            return None;
        }
        let of_user = held.by_user.entry(uid).or_default();
        if *of_user >= self.per_user {
            return None;
        }
        *of_user += 1;
        held.in_all += 1;
        Some(Permit {
            budget: self.clone(),
            uid,
        })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One place taken.
#[derive(Debug)]
pub(crate) struct Permit {
    budget: Budget,
    uid: u32,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut held = self.budget.held();
        held.in_all = held.in_all.saturating_sub(1);
        if let Some(of_user) = held.by_user.get_mut(&self.uid) {
            *of_user = of_user.saturating_sub(1);
            if *of_user == 0 {
                held.by_user.remove(&self.uid);
            }
        }
    }
}

#[cfg(test)]
mod tests;
