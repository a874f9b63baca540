//! What the kernel says about processes: pure data, no reading here.
//!
//! Facts are claims of this machine's kernel at one moment, read and re-checked by the
//! implementors. They are never a decision: selectors match on them elsewhere.

use std::net::SocketAddr;
use std::path::PathBuf;

/// One process as the kernel describes it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProcessFacts {
    /// Process id in our pid namespace; `None` when the process lives in one we cannot see.
    pub pid: Option<u32>,
    /// Effective user id.
    pub uid: u32,
    /// Effective group id.
    pub gid: u32,
    /// Supplementary group ids, ascending.
    pub groups: Vec<u32>,
    /// The running executable, if that path names the same file for us: `None` for a deleted or
    /// replaced file and for one in another mount namespace, where anybody may own that name.
    pub path: Option<PathBuf>,
}

impl ProcessFacts {
    /// A process of which only the user and group are known.
    #[must_use]
    pub const fn of_user(uid: u32, gid: u32) -> Self {
        Self {
            pid: None,
            uid,
            gid,
            groups: Vec::new(),
            path: None,
        }
    }
}

/// What a Unix socket's kernel end says of its peer, as of `connect` (or `listen`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PeerCredentials {
    /// Process id; `None` when it lives in a pid namespace we cannot see.
    pub pid: Option<u32>,
    /// Effective user id.
    pub uid: u32,
    /// Effective group id.
    pub gid: u32,
}

/// The two ends of a TCP connection, as an accepted stream sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SocketPair {
    /// Our end.
    pub local: SocketAddr,
    /// The other end: the socket whose owner is asked for.
    pub peer: SocketAddr,
}

impl SocketPair {
    /// The pair as the other end sees it.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self {
            local: self.peer,
            peer: self.local,
        }
    }
}

/// Who owns a TCP socket of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The user that created the socket.
    pub uid: u32,
    /// The processes that hold it.
    pub holders: Holders,
}

/// The processes that hold a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holders {
    /// Every process that holds it, ascending by pid, never empty. All must be the same workload
    /// before the connection may be called that workload's.
    Known(Vec<ProcessFacts>),
    /// Some process could not be looked into, so that the list would not be complete: only the
    /// uid of the socket may be relied on.
    Unreadable,
}
