//! Who calls: what the kernel says of the process at the other end of the socket.
//!
//! Facts are read anew for every message, so that a process that ended, changed its user or
//! became another program is nobody from then on. Nothing in a request is ever used.

use pelago_model::registration::Facts;
use pelago_net::{FactsError, Peer, PeerCredentials, ProcessFacts};

/// The process at the other end of one connection.
#[derive(Debug, Clone)]
pub(crate) struct Caller(Peer);

impl Caller {
    pub(crate) const fn new(peer: Peer) -> Self {
        Self(peer)
    }

    /// What it was when it opened the socket.
    pub(crate) const fn credentials(&self) -> PeerCredentials {
        self.0.credentials()
    }

    /// What it is now, as selectors see it. Of a process that we may not look into only user and
    /// primary group are known: the kernel noted those when it connected.
    ///
    /// # Errors
    /// [`FactsError`] when it ended or is no longer what connected.
    pub(crate) fn facts(&self) -> Result<Facts, FactsError> {
        match self.0.facts() {
            Ok(process) => Ok(facts(process)),
            Err(FactsError::Unreadable { .. }) => {
                let noted = self.0.credentials();
                Ok(facts(ProcessFacts::of_user(noted.uid, noted.gid)))
            }
            Err(error) => Err(error),
        }
    }
}

fn facts(process: ProcessFacts) -> Facts {
    let mut gids = process.groups;
    if !gids.contains(&process.gid) {
        gids.push(process.gid);
    }
    let path = process
        .path
        .and_then(|path| path.into_os_string().into_string().ok());
    Facts {
        uid: Some(process.uid),
        gids,
        path,
    }
}
