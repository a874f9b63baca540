//! Tasks have owners: a [`Scope`] names, counts, drains and cuts its tasks.
//!
//! The only room that spawns. A scope's tasks end in one of three ways: by
//! themselves (and are forgotten at once), in a [`Scope::drain`], or cut when
//! the scope is dropped. A task that fails, panics, or was critical and
//! returned *ends* its scope: [`Scope::ended`] resolves and the drain begins.
//! Nothing here blocks, and a finished task leaves nothing behind.

mod drain;
mod ledger;
mod output;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

pub use drain::{Drain, Guard};
pub use ledger::{Ended, TaskError};
pub use output::{BoxError, TaskOutput};

use ledger::Ledger;

/// Owns named tasks; dropping it aborts them. Cheap to make, so give each
/// listener a child of its own.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use std::time::Duration;
/// use pelago_runtime::scope::Scope;
///
/// let scope = Scope::new("demo");
/// let drain = scope.shutdown();
/// scope.spawn("ticker", async move { drain.begun().await });
/// let drained = scope.drain(Duration::from_secs(5)).await;
/// assert_eq!(drained.finished, 1);
/// assert!(drained.cut.is_empty());
/// # }
/// ```
#[derive(Debug)]
pub struct Scope {
    ledger: Arc<Ledger>,
}

impl Scope {
    /// A scope without a parent.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            ledger: Ledger::root(name),
        }
    }

    /// A scope that is part of this one: it drains and is cut with it, its tasks
    /// are counted here too, and when it ends this scope ends with it.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        Self {
            ledger: self.ledger.child(name, true),
        }
    }

    /// Like [`Scope::child`], except that its end is its own: whoever made it
    /// awaits [`Scope::ended`] and starts another. For sessions with peers.
    #[must_use]
    pub fn supervised(&self, name: &str) -> Self {
        Self {
            ledger: self.ledger.child(name, false),
        }
    }

    /// The scope's path, such as `controller/peering`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.ledger.name()
    }

    /// Runs `task` on the caller's runtime. A task that returns `Err` or panics
    /// ends the scope; one that returns `()` or `Ok` is simply done. A task that
    /// starts after the scope was cut is dropped unpolled.
    pub fn spawn<F>(&self, name: &str, task: F)
    where
        F: Future + Send + 'static,
        F::Output: TaskOutput,
    {
        self.ledger.spawn(name, false, task);
    }

    /// Runs a task that must not return before the drain begins, such as an
    /// accept loop: if it does, it ends the scope even with `Ok`.
    pub fn spawn_critical<F>(&self, name: &str, task: F)
    where
        F: Future + Send + 'static,
        F::Output: TaskOutput,
    {
        self.ledger.spawn(name, true, task);
    }

    /// The signal by which tasks and connections learn that they should finish.
    /// Clone it into each.
    #[must_use]
    pub fn shutdown(&self) -> Drain {
        Drain::of(&self.ledger)
    }

    /// Begins the drain without waiting for it.
    pub fn begin_drain(&self) {
        self.ledger.begin_drain();
    }

    /// Signals the drain, waits until every task has returned and every
    /// [`Guard`] is dropped, children included; whoever is left at the deadline
    /// is aborted and named. Cancelling this future leaves the drain begun.
    pub async fn drain(&self, deadline: Duration) -> Drained {
        let before = self.ledger.finished();
        self.ledger.begin_drain();
        let in_time = tokio::time::timeout(deadline, self.ledger.idle()).await;
        if in_time.is_ok() {
            return Drained {
                finished: self.ledger.finished() - before,
                cut: Vec::new(),
            };
        }
        let cut = self.ledger.cut();
        // The runtime needs a turn to drop what was aborted; a task stuck inside
        // one poll is not waited for.
        let _ = tokio::time::timeout(AFTER_CUT, self.ledger.tasks_gone()).await;
        Drained {
            finished: cut.finished - before,
            cut: cut.names,
        }
    }

    /// Resolves when a task has ended this scope unexpectedly, at once if that
    /// is past. Never resolves otherwise. The drain has begun by then; call
    /// [`Scope::drain`] to finish it.
    pub async fn ended(&self) -> Ended {
        self.ledger.ended().await
    }

    /// Tasks and guards alive in this scope and its children.
    #[must_use]
    pub fn live(&self) -> usize {
        self.ledger.live()
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        self.ledger.begin_drain();
        self.ledger.cut();
    }
}

/// What became of a drain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drained {
    /// Tasks and guards that ended by themselves during the drain.
    pub finished: u64,
    /// Paths of tasks (aborted) and guards (still held) at the deadline, sorted.
    pub cut: Vec<String>,
}

const AFTER_CUT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
