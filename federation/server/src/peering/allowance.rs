//! How often something may happen: a few times at once, then at a steady rate.

use std::time::Duration;

use tokio::time::Instant;

/// What is left.
#[derive(Debug)]
pub(super) struct Allowance {
    left: u32,
    since: Instant,
}

impl Allowance {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            left: AT_ONCE,
            since: now,
        }
    }

    /// Whether it may happen now.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let earned = now.saturating_duration_since(self.since).as_millis() / EVERY.as_millis();
        if earned > 0 {
            let earned = u32::try_from(earned).unwrap_or(u32::MAX);
            self.left = self.left.saturating_add(earned).min(AT_ONCE);
            self.since = now;
        }
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        may
    }
}

/// A peer that restarts, or loses its connection a few times, is not held back.
const AT_ONCE: u32 = 8;
const EVERY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
