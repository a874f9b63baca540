//! How long a silent peer's word still counts.
//!
//! Fresh while it speaks, demoted when its lease ends, withdrawn long after;
//! never removed. Only transitions come out, so that a heartbeat changes nothing
//! anywhere. `now` is the time since any fixed moment, on a clock that never
//! goes back.

use std::time::Duration;

use pelago_model::Standing;

/// When a source was last heard, and what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    standing: Standing,
    /// When the next transition is due; `None` once withdrawn or never heard.
    due: Option<Duration>,
    withdrawal: Duration,
}

impl Lease {
    /// The shortest lease that is granted.
    pub const SHORTEST: Duration = Duration::from_secs(1);
    /// The longest lease that is granted.
    pub const LONGEST: Duration = Duration::from_secs(60);

    /// A source that was heard before a restart, if at all: demoted until it
    /// speaks, and withdrawn after `withdrawal` of silence.
    #[must_use]
    pub const fn unheard(now: Duration, withdrawal: Duration) -> Self {
        Self {
            standing: Standing::Demoted,
            due: Some(now.saturating_add(withdrawal)),
            withdrawal,
        }
    }

    /// The source spoke and asks to be believed for `lease` (kept within
    /// [`Self::SHORTEST`] and [`Self::LONGEST`]).
    pub fn heard(&mut self, now: Duration, lease: Duration) -> Option<Standing> {
        self.due = Some(now.saturating_add(lease.clamp(Self::SHORTEST, Self::LONGEST)));
        self.turn(Standing::Fresh)
    }

    /// What is due by now.
    pub fn tick(&mut self, now: Duration) -> Option<Standing> {
        let due = self.due.filter(|due| *due <= now)?;
        match self.standing {
            Standing::Fresh => {
                let withdrawn = due.saturating_add(self.withdrawal);
                if withdrawn <= now {
                    self.due = None;
                    return self.turn(Standing::Withdrawn);
                }
                self.due = Some(withdrawn);
                self.turn(Standing::Demoted)
            }
            Standing::Demoted | Standing::Withdrawn => {
                self.due = None;
                self.turn(Standing::Withdrawn)
            }
        }
    }

    /// When [`Self::tick`] should be asked next, if ever.
    #[must_use]
    pub const fn due(&self) -> Option<Duration> {
        self.due
    }

    /// What counts now.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        self.standing
    }

    fn turn(&mut self, standing: Standing) -> Option<Standing> {
        let changed = self.standing != standing;
        self.standing = standing;
        changed.then_some(standing)
    }
}

#[cfg(test)]
mod tests;
