//! A gRPC status as an error of ours: code and message; its cause stays a cause.
//!
//! tonic's own text repeats the cause, so that a printed chain would say everything twice.

use std::error::Error;
use std::fmt;

/// What a call was answered, or why it was not.
#[derive(Debug)]
pub struct StatusError(Box<tonic::Status>);

impl StatusError {
    /// The code.
    #[must_use]
    pub fn code(&self) -> tonic::Code {
        self.0.code()
    }
}

impl From<tonic::Status> for StatusError {
    fn from(status: tonic::Status) -> Self {
        Self(Box::new(status))
    }
}

impl fmt::Display for StatusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = self.0.message();
        if message.is_empty() {
            return write!(f, "{:?}", self.0.code());
        }
        // Another's words: on one line, and not too many.
        let message: String = message.chars().take(MAX_MESSAGE).collect();
        write!(f, "{:?}: {}", self.0.code(), message.escape_debug())
    }
}

impl Error for StatusError {
    /// What caused the cause that the message was taken from, or whatever caused it.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let mut below = self.0.source();
        let mut next = below;
        while let Some(cause) = next {
            next = cause.source();
            if cause.to_string() == self.0.message() {
                below = next;
            }
        }
        below
    }
}

const MAX_MESSAGE: usize = 1024;

#[cfg(test)]
mod tests;
