//! How often a peer may ask and not wait for the answer.
//!
//! h2 bounds requests reset before they are taken from its queue; these are
//! the ones reset after that, when each may already have cost a dial (rapid
//! reset, CVE-2023-44487). Pure: `now` is an argument.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Requests that were reset before their answer, as seen by whoever held them.
#[derive(Debug, Clone, Default)]
pub(super) struct Abandoned(Arc<AtomicU32>);

impl Abandoned {
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }

    /// How many since the last call.
    pub(super) fn take(&self) -> u32 {
        self.0.swap(0, Ordering::AcqRel)
    }
}

/// A bucket of `limit` that fills up again within [`REFILL`].
#[derive(Debug)]
pub(super) struct Allowance {
    limit: u32,
    left: u32,
    filled: Instant,
}

impl Allowance {
    pub(super) const fn new(limit: u32, now: Instant) -> Self {
        Self {
            limit,
            left: limit,
            filled: now,
        }
    }

    /// Takes `amount` off; false when there was not that much.
    pub(super) fn spend(&mut self, amount: u32, now: Instant) -> bool {
        if amount == 0 {
            return true;
        }
        let passed = now.saturating_duration_since(self.filled).min(REFILL);
        let back = u128::from(self.limit) * passed.as_millis() / REFILL.as_millis();
        let back = u32::try_from(back).unwrap_or(self.limit);
        if back > 0 {
            self.filled = now;
            self.left = self.left.saturating_add(back).min(self.limit);
        }
        let enough = self.left >= amount;
        self.left = self.left.saturating_sub(amount);
        enough
    }
}

const REFILL: Duration = Duration::from_secs(8);

#[cfg(test)]
mod tests;
