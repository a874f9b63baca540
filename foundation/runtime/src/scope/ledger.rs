//! Who is alive in a scope: the book behind `Scope`, `Drain` and `Guard`.
//!
//! Every task and guard is entered in its own ledger and in each ancestor's, so
//! that a parent counts, waits for and cuts what its children started. Entries
//! leave when they are dropped; a ledger is as large as what is alive.

use std::collections::HashMap;
use std::error::Error;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use super::output::{BoxError, TaskOutput};

/// Which task ended a scope, and how.
#[derive(Debug, Clone)]
pub struct Ended {
    /// The task's path, such as `controller/peering/west`.
    pub task: String,
    /// Why that ends the scope.
    pub error: Arc<TaskError>,
}

/// How a task ended its scope.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// It returned an error.
    #[error("the task failed")]
    Failed(#[source] BoxError),
    /// It panicked; the message has gone to the panic hook.
    #[error("the task panicked: this is a bug")]
    Panicked,
    /// It was critical and returned before the drain began.
    #[error("the task returned although it should run until shutdown")]
    Returned,
    /// It was spawned outside a tokio runtime.
    #[error("the task was spawned outside a runtime: this is a bug")]
    NoRuntime,
}

#[derive(Debug)]
pub(super) struct Ledger {
    path: String,
    parent: Option<Parent>,
    ids: Arc<AtomicU64>,
    drain: CancellationToken,
    book: Mutex<Book>,
    live: watch::Sender<Live>,
    ended: watch::Sender<Option<Ended>>,
}

impl Ledger {
    pub(super) fn root(name: &str) -> Arc<Self> {
        let ids = Arc::new(AtomicU64::new(0));
        Arc::new(Self::with(
            name.to_owned(),
            None,
            ids,
            CancellationToken::new(),
        ))
    }

    pub(super) fn child(self: &Arc<Self>, name: &str, shares_end: bool) -> Arc<Self> {
        let parent = Parent {
            ledger: Arc::clone(self),
            shares_end,
        };
        Arc::new(Self::with(
            format!("{}/{name}", self.path),
            Some(parent),
            Arc::clone(&self.ids),
            self.drain.child_token(),
        ))
    }

    fn with(
        path: String,
        parent: Option<Parent>,
        ids: Arc<AtomicU64>,
        drain: CancellationToken,
    ) -> Self {
        Self {
            path,
            parent,
            ids,
            drain,
            book: Mutex::new(Book::default()),
            live: watch::Sender::new(Live::default()),
            ended: watch::Sender::new(None),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.path
    }

    pub(super) const fn signal(&self) -> &CancellationToken {
        &self.drain
    }

    pub(super) fn begin_drain(&self) {
        self.drain.cancel();
    }

    pub(super) fn spawn<F>(self: &Arc<Self>, name: &str, critical: bool, task: F)
    where
        F: Future + Send + 'static,
        F::Output: TaskOutput,
    {
        let held = self.enter(name, true);
        let Ok(runtime) = Handle::try_current() else {
            self.end(&held.entry.path, TaskError::NoRuntime);
            return;
        };
        let entry = Arc::clone(&held.entry);
        if entry.cut.load(Ordering::SeqCst) {
            return;
        }
        let join = runtime.spawn(async move {
            let mut watched = Watched {
                held,
                returned: false,
            };
            let failure = task.await.failure();
            watched.returned = true;
            watched.held.returned(critical, failure);
        });
        let abort = join.abort_handle();
        let _ = entry.abort.set(abort.clone());
        // A cut between entering and here found no handle to abort.
        if entry.cut.load(Ordering::SeqCst) {
            abort.abort();
        }
    }

    /// Enters a task or guard here and in every ancestor.
    pub(super) fn enter(self: &Arc<Self>, name: &str, task: bool) -> Held {
        let entry = Arc::new(Entry {
            id: self.ids.fetch_add(1, Ordering::Relaxed),
            path: format!("{}/{name}", self.path),
            task,
            cut: AtomicBool::new(false),
            abort: OnceLock::new(),
        });
        for ledger in self.lineage() {
            let mut book = ledger.book();
            book.entries.insert(entry.id, Arc::clone(&entry));
            if book.cut {
                entry.cut.store(true, Ordering::SeqCst);
            }
            ledger.live.send_modify(|live| live.count(task, true));
        }
        Held {
            ledger: Arc::clone(self),
            entry,
        }
    }

    fn leave(&self, entry: &Entry) {
        for ledger in self.lineage() {
            let mut book = ledger.book();
            if book.entries.remove(&entry.id).is_some() {
                book.finished += 1;
                ledger
                    .live
                    .send_modify(|live| live.count(entry.task, false));
            }
        }
    }

    /// Aborts every task and says who was still there, and how many had ended
    /// by themselves until then.
    pub(super) fn cut(&self) -> Cut {
        let (mut entries, finished) = {
            let mut book = self.book();
            book.cut = true;
            let entries: Vec<_> = book.entries.values().map(Arc::clone).collect();
            (entries, book.finished)
        };
        entries.sort_by(|a, b| a.path.cmp(&b.path).then(a.id.cmp(&b.id)));
        for entry in &entries {
            entry.cut.store(true, Ordering::SeqCst);
            if let Some(abort) = entry.abort.get() {
                abort.abort();
            }
        }
        let names = entries.iter().map(|entry| entry.path.clone()).collect();
        Cut { names, finished }
    }

    fn end(&self, task: &str, error: TaskError) {
        tracing::error!(
            task,
            error = &error as &dyn Error,
            "a task ended unexpectedly"
        );
        let ended = Ended {
            task: task.to_owned(),
            error: Arc::new(error),
        };
        let mut ledger = Some(self);
        while let Some(this) = ledger {
            this.ended.send_if_modified(|slot| {
                let first = slot.is_none();
                if first {
                    *slot = Some(ended.clone());
                }
                first
            });
            this.begin_drain();
            ledger = this
                .parent
                .as_ref()
                .filter(|parent| parent.shares_end)
                .map(|parent| parent.ledger.as_ref());
        }
    }

    pub(super) async fn ended(&self) -> Ended {
        let mut ended = self.ended.subscribe();
        loop {
            if let Some(ended) = ended.borrow_and_update().clone() {
                return ended;
            }
            if ended.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    pub(super) async fn idle(&self) {
        let mut live = self.live.subscribe();
        let _ = live
            .wait_for(|live| live.tasks == 0 && live.guards == 0)
            .await;
    }

    pub(super) async fn tasks_gone(&self) {
        let _ = self.live.subscribe().wait_for(|live| live.tasks == 0).await;
    }

    pub(super) fn live(&self) -> usize {
        self.book().entries.len()
    }

    pub(super) fn finished(&self) -> u64 {
        self.book().finished
    }

    fn lineage(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |ledger| {
            ledger.parent.as_ref().map(|parent| parent.ledger.as_ref())
        })
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who was left when the scope was cut.
pub(super) struct Cut {
    pub(super) names: Vec<String>,
    pub(super) finished: u64,
}

/// A place in the books, given up on drop.
#[derive(Debug)]
pub(super) struct Held {
    ledger: Arc<Ledger>,
    entry: Arc<Entry>,
}

impl Held {
    fn returned(&self, critical: bool, failure: Option<BoxError>) {
        let error = match failure {
            Some(error) => TaskError::Failed(error),
            None if critical && !self.ledger.drain.is_cancelled() => TaskError::Returned,
            None => return,
        };
        self.ledger.end(&self.entry.path, error);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.ledger.leave(&self.entry);
    }
}

/// Tells a task that panicked from one that was aborted.
struct Watched {
    held: Held,
    returned: bool,
}

impl Drop for Watched {
    fn drop(&mut self) {
        if !self.returned && std::thread::panicking() {
            self.held
                .ledger
                .end(&self.held.entry.path, TaskError::Panicked);
        }
    }
}

#[derive(Debug)]
struct Parent {
    ledger: Arc<Ledger>,
    shares_end: bool,
}

#[derive(Debug, Default)]
struct Book {
    entries: HashMap<u64, Arc<Entry>>,
    finished: u64,
    cut: bool,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    path: String,
    task: bool,
    cut: AtomicBool,
    abort: OnceLock<AbortHandle>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Live {
    tasks: usize,
    guards: usize,
}

impl Live {
    const fn count(&mut self, task: bool, entered: bool) {
        let counter = if task {
            &mut self.tasks
        } else {
            &mut self.guards
        };
        *counter = if entered {
            counter.saturating_add(1)
        } else {
            counter.saturating_sub(1)
        };
    }
}
