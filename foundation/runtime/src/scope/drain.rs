//! The signal to finish, and the guard that says "not yet".

use std::fmt;
use std::sync::Arc;

use super::ledger::{Held, Ledger};

/// A scope's shutdown signal. Clone it into every task and connection.
#[derive(Clone)]
pub struct Drain {
    ledger: Arc<Ledger>,
}

impl Drain {
    pub(super) fn of(ledger: &Arc<Ledger>) -> Self {
        Self {
            ledger: Arc::clone(ledger),
        }
    }

    /// Resolves once the drain has begun; cancel-safe, any number may wait.
    pub async fn begun(&self) {
        self.ledger.signal().cancelled().await;
    }

    /// Whether the drain has begun.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.ledger.signal().is_cancelled()
    }

    /// Holds the drain open until the guard is dropped or the deadline passes.
    #[must_use]
    pub fn guard(&self) -> Guard {
        Guard {
            _held: self.ledger.enter("connection", false),
        }
    }
}

impl fmt::Debug for Drain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drain")
            .field("scope", &self.ledger.name())
            .field("begun", &self.is_draining())
            .finish()
    }
}

/// Held by each connection while it has work in flight. It is counted, and
/// named when it outlasts the deadline; it cannot be aborted by itself.
#[derive(Debug)]
pub struct Guard {
    _held: Held,
}
