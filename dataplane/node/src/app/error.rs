//! Why a node or gateway does not start.

use std::io;

use pelago_identity::DiskError;
use pelago_model::SpiffeId;
use pelago_net::{ListenError, UnixError};

use crate::enrolment::EnrolmentError;
use crate::snapshots::SnapshotsError;

/// Why a node or gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It has no identity.
    #[error(transparent)]
    Enrolment(#[from] EnrolmentError),
    /// Its identity names no cluster.
    #[error("{own} is no node or gateway of a cluster: enrol again")]
    NoController {
        /// Its identity.
        own: SpiffeId,
    },
    /// The kept snapshot is a newer release's.
    #[error(transparent)]
    Snapshots(#[from] SnapshotsError),
    /// The kept workloads are a newer release's.
    #[error("the workloads in the state folder cannot be used")]
    Workloads(#[source] DiskError),
    /// A listener cannot be opened.
    #[error("{field}: cannot listen")]
    Listen {
        /// The field that says where.
        field: &'static str,
        /// Why, and where.
        #[source]
        source: ListenError,
    },
    /// The Workload API's socket cannot be opened.
    #[error("socket: cannot listen")]
    Socket(#[source] UnixError),
    /// No thread or runtime for a worker.
    #[error("no thread for a worker: give fewer workers, or the process more threads")]
    Threads(#[source] io::Error),
}

impl StartError {
    /// Whether a file that a person wrote is to blame.
    #[must_use]
    pub const fn is_configuration(&self) -> bool {
        match self {
            Self::Enrolment(error) => error.is_configuration(),
            _ => false,
        }
    }
}
