//! Whether a process is ready, and if not, what it still waits for.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;

/// The named conditions of one process; clones share them. It is ready when it
/// has conditions and all of them are met.
#[derive(Clone)]
pub struct Readiness {
    conditions: Arc<watch::Sender<Conditions>>,
}

impl Readiness {
    /// Without conditions, and therefore not ready.
    #[must_use]
    pub fn new() -> Self {
        Self {
            conditions: Arc::new(watch::Sender::new(Conditions::new())),
        }
    }

    /// Adds a condition, not met for now because of `reason`. Whoever holds the
    /// handle says when it is met; dropping it makes it unmet. One handle per
    /// name: of two, the last word counts.
    #[must_use]
    pub fn condition(&self, name: &str, reason: &str) -> Condition {
        let condition = Condition {
            name: name.to_owned(),
            conditions: Arc::clone(&self.conditions),
        };
        condition.unmet(reason);
        condition
    }

    /// The conditions that are not met, with their reasons, by name.
    #[must_use]
    pub fn missing(&self) -> Vec<(String, String)> {
        let conditions = self.conditions.borrow();
        if conditions.is_empty() {
            return vec![("process".to_owned(), "starting".to_owned())];
        }
        conditions
            .iter()
            .filter_map(|(name, reason)| Some((name.clone(), reason.clone()?)))
            .collect()
    }

    /// Whether every condition is met.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        all_met(&self.conditions.borrow())
    }

    /// Resolves once every condition is met at the same time.
    pub async fn ready(&self) {
        // The sender lives as long as self: this cannot fail.
        let _ = self.conditions.subscribe().wait_for(all_met).await;
    }
}

impl Default for Readiness {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Readiness").field(&self.missing()).finish()
    }
}

/// The handle of one condition.
#[derive(Debug)]
pub struct Condition {
    name: String,
    conditions: Arc<watch::Sender<Conditions>>,
}

impl Condition {
    /// The condition is met.
    pub fn met(&self) {
        self.set(None);
    }

    /// The condition is not met, or no longer.
    pub fn unmet(&self, reason: &str) {
        self.set(Some(reason.to_owned()));
    }

    fn set(&self, reason: Option<String>) {
        self.conditions.send_modify(|conditions| {
            conditions.insert(self.name.clone(), reason);
        });
    }
}

impl Drop for Condition {
    fn drop(&mut self) {
        self.unmet("its part has stopped");
    }
}

/// Names to what is missing; `None` when met.
type Conditions = BTreeMap<String, Option<String>>;

fn all_met(conditions: &Conditions) -> bool {
    !conditions.is_empty() && conditions.values().all(Option::is_none)
}
