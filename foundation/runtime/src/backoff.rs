//! How long to wait before trying again: exponential, capped, with jitter.
//!
//! Pure: it sleeps for nobody and takes its randomness as a seed, so that two
//! clients of one lost server do not come back in step and a test can say what
//! it will do. Start with [`Backoff::new`].

use std::time::Duration;

/// Counts failures and says how long to wait after each.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    cap: Duration,
    failures: u32,
    random: fastrand::Rng,
}

impl Backoff {
    /// Waits about `first` after the first failure and twice as long after each
    /// further one, never longer than `cap` (which is at least `first`). Give
    /// each client a `seed` of its own.
    #[must_use]
    pub fn new(first: Duration, cap: Duration, seed: u64) -> Self {
        Self {
            first,
            cap: cap.max(first),
            failures: 0,
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// Records a failure and says how long to wait: between half the current
    /// step and all of it.
    pub fn failed(&mut self) -> Duration {
        let doubled = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        let step = self.first.saturating_mul(doubled).min(self.cap);
        let half = step / 2;
        half + half.mul_f64(self.random.f64())
    }

    /// Records a success: the next failure waits the first step again. Call it
    /// when the far end has done something useful, not when it merely accepted,
    /// or a server that accepts and hangs up is asked without pause.
    pub const fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Failures since the last success.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests;
