//! What a task may return, and what counts as its failure.

use std::error::Error;

/// Any error a task may end with.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// What a task may return: `()` or a `Result<(), E>`.
pub trait TaskOutput: Send + 'static {
    /// The failure, if it is one.
    fn failure(self) -> Option<BoxError>;
}

impl TaskOutput for () {
    fn failure(self) -> Option<BoxError> {
        None
    }
}

impl<E> TaskOutput for Result<(), E>
where
    E: Into<BoxError> + Send + 'static,
{
    fn failure(self) -> Option<BoxError> {
        self.err().map(Into::into)
    }
}
