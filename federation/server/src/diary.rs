//! What this wing changes by itself, in the audit log.
//!
//! A change that is made and cannot be recorded is logged as an error; it is
//! not undone.

use std::sync::Arc;

use pelago_runtime::clock::Clock;
use pelago_store::{Actor, Audit, AuditEntry, Outcome, Store};

/// Writes audit entries. Clones share the log.
#[derive(Clone)]
pub(crate) struct Diary {
    audit: Arc<Audit>,
    clock: Clock,
}

impl Diary {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Clock) -> Self {
        Self {
            audit: Arc::new(Audit::new(store)),
            clock,
        }
    }

    /// `actor` did `verb` to `object`.
    pub(crate) async fn note(&self, actor: Actor, verb: &str, object: &str) {
        let entry = AuditEntry {
            time: self.clock.now(),
            actor,
            verb: verb.to_owned(),
            object: object.to_owned(),
            outcome: Outcome::Done,
            reason: None,
        };
        if let Err(error) = self.audit.record(entry).await {
            tracing::error!(
                verb,
                object,
                error = &error as &dyn std::error::Error,
                "a change could not be recorded in the audit log"
            );
        }
    }
}
