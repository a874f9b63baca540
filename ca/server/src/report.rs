//! Errors in words, for people far from our log.

use std::error::Error;

use tonic::Status;

/// An error with its causes in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}

/// A failure of ours, told in full to whoever runs this cluster.
pub(crate) fn failed(error: &(dyn Error + 'static)) -> Status {
    Status::unavailable(chain(error))
}
