//! How a command ends: the exit codes of the whole CLI, in one place.

use std::fmt;
use std::process::ExitCode;

/// Why a command did not do what it was asked. Each class has its exit code.
#[derive(Debug)]
pub enum Failure {
    /// 1: it was tried and failed.
    Failed(anyhow::Error),
    /// 2: the command line or a file is not valid; nothing was tried.
    Invalid(anyhow::Error),
    /// 3: it ran, and found something wrong.
    Findings(anyhow::Error),
    /// 4: what it needs to talk to cannot be reached.
    Unreachable(anyhow::Error),
    /// 5: it is not finished; asking again later can succeed.
    NotFinished(anyhow::Error),
}

impl Failure {
    /// The process's exit code.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code())
    }

    /// The exit code as a number.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Invalid(_) => 2,
            Self::Findings(_) => 3,
            Self::Unreachable(_) => 4,
            Self::NotFinished(_) => 5,
        }
    }

    /// A failed attempt.
    pub fn failed(cause: impl Into<anyhow::Error>) -> Self {
        Self::Failed(cause.into())
    }

    /// Something not valid.
    pub fn invalid(cause: impl Into<anyhow::Error>) -> Self {
        Self::Invalid(cause.into())
    }

    const fn cause(&self) -> &anyhow::Error {
        match self {
            Self::Failed(cause)
            | Self::Invalid(cause)
            | Self::Findings(cause)
            | Self::Unreachable(cause)
            | Self::NotFinished(cause) => cause,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The whole chain on one line: the last cause is what to act on.
        write!(f, "{:#}", self.cause())
    }
}

impl From<anyhow::Error> for Failure {
    fn from(cause: anyhow::Error) -> Self {
        Self::Failed(cause)
    }
}

/// A controller's answer, told by class: what is invalid, what is out of
/// reach, what failed.
impl From<tonic::Status> for Failure {
    fn from(status: tonic::Status) -> Self {
        let cause = anyhow::anyhow!("{}", status.message());
        match status.code() {
            tonic::Code::InvalidArgument => Self::Invalid(cause),
            tonic::Code::Unavailable | tonic::Code::DeadlineExceeded => Self::Unreachable(cause),
            _ => Self::Failed(cause),
        }
    }
}
