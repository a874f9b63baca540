//! Where workers run: each on a thread of its own, or all on the caller's runtime.
//!
//! A worker's connections live on the runtime that polls it, so that its thread stays until
//! [`Threads`] is dropped, which is after the drain.

use std::future::Future;
use std::io;
use std::num::NonZeroUsize;

use pelago_runtime::scope::{BoxError, Scope};
use tokio::runtime::Builder;
use tokio::sync::oneshot;

/// Where workers run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// One worker on the caller's runtime: for tests on one paused runtime.
    Here,
    /// So many workers, each on a current-thread runtime of its own.
    Threads(NonZeroUsize),
}

impl Placement {
    /// One thread per core that this process may use.
    #[must_use]
    pub fn per_core() -> Self {
        Self::Threads(std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN))
    }

    /// How many workers.
    #[must_use]
    pub const fn workers(self) -> NonZeroUsize {
        match self {
            Self::Here => NonZeroUsize::MIN,
            Self::Threads(count) => count,
        }
    }

    /// Starts the workers as critical tasks of `scope`.
    ///
    /// # Errors
    /// The system's, when it gives no thread or runtime.
    pub(crate) fn place<F, E>(self, workers: Vec<F>, scope: &Scope) -> io::Result<Threads>
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError> + Send + 'static,
    {
        let mut threads = Threads::default();
        for (index, worker) in workers.into_iter().enumerate() {
            let name = format!("worker-{index}");
            match self {
                Self::Here => scope.spawn_critical(&name, worker),
                Self::Threads(_) => threads.start(&name, worker, scope)?,
            }
        }
        Ok(threads)
    }
}

/// Keeps the workers' runtimes; dropping it ends them and what still runs there.
#[derive(Debug, Default)]
pub(crate) struct Threads {
    stay: Vec<oneshot::Sender<()>>,
}

impl Threads {
    fn start<F, E>(&mut self, name: &str, worker: F, scope: &Scope) -> io::Result<()>
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError> + Send + 'static,
    {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (stay, leave) = oneshot::channel();
        let (ended, end) = oneshot::channel();
        let body = move || {
            runtime.block_on(async move {
                // Whoever waits for it may be gone.
                let _ = ended.send(worker.await);
                // Its connections are still at work here.
                let _ = leave.await;
            });
        };
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(body)?;
        self.stay.push(stay);
        scope.spawn_critical(name, async move {
            match end.await {
                Ok(ended) => ended.map_err(Into::into),
                Err(_) => Err(BoxError::from(Lost)),
            }
        });
        Ok(())
    }
}

/// A worker's thread ended without a word.
#[derive(Debug, thiserror::Error)]
#[error("the thread of a worker is gone: this is a bug")]
struct Lost;

#[cfg(test)]
mod tests;
