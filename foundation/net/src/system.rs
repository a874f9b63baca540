//! [`SystemNet`]: the network of this machine's kernel.
//!
//! It binds the rooms below to the seam and decides nothing itself. What blocks (`getaddrinfo`,
//! reading `/proc`) runs on tokio's blocking threads, a few at a time and with a bound.

mod accept;
mod diag;
mod directory;
mod owner;
mod process;
mod tcp;
mod unix;

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use tokio::time::timeout;

use crate::error::{DialError, ListenError, OwnerError, ResolveError, UnixError};
use crate::facts::{Owner, SocketPair};
use crate::name::{self, Host};
use crate::seam::{
    DialOptions, ListenOptions, Net, RESOLVE_LIMIT, RESOLVE_TIMEOUT, UnixListenOptions,
};
use crate::unix::{UnixListener, UnixStream};
use owner::Owners;

pub use process::PidProof;
pub use tcp::{SystemListener, SystemStream};

/// The kernel's network. Clones share their walks through `/proc`.
#[derive(Debug, Clone)]
pub struct SystemNet {
    proof: PidProof,
    owners: Arc<Owners>,
}

impl SystemNet {
    /// The kernel's network with its best proof of who a peer is.
    #[must_use]
    pub fn new() -> Self {
        Self::with_pid_proof(PidProof::PidFd)
    }

    /// The same with this proof that a Unix peer's pid was not given to another process.
    #[must_use]
    pub fn with_pid_proof(proof: PidProof) -> Self {
        Self {
            proof,
            owners: Arc::default(),
        }
    }
}

impl Default for SystemNet {
    fn default() -> Self {
        Self::new()
    }
}

impl Net for SystemNet {
    type Stream = SystemStream;
    type Listener = SystemListener;

    async fn listen(
        &self,
        at: SocketAddr,
        options: ListenOptions,
    ) -> Result<SystemListener, ListenError> {
        SystemListener::bind(at, options)
    }

    async fn listen_workers(
        &self,
        at: SocketAddr,
        count: NonZeroUsize,
    ) -> Result<Vec<SystemListener>, ListenError> {
        SystemListener::bind_workers(at, count)
    }

    async fn dial(&self, to: SocketAddr, options: DialOptions) -> Result<SystemStream, DialError> {
        SystemStream::connect(to, options).await
    }

    async fn listen_unix(
        &self,
        path: &Path,
        options: UnixListenOptions,
    ) -> Result<UnixListener, UnixError> {
        unix::listen(path, options, self.proof).await
    }

    async fn dial_unix(&self, path: &Path) -> Result<UnixStream, UnixError> {
        unix::dial(path, self.proof).await
    }

    async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let name = match name::parse(host)? {
            Host::Address(address) => return Ok(vec![address]),
            Host::Name(name) => name,
        };
        let found = timeout(RESOLVE_TIMEOUT, tokio::net::lookup_host((name.as_str(), 0)))
            .await
            .map_err(|_elapsed| ResolveError::TimedOut {
                host: name.clone(),
                after: RESOLVE_TIMEOUT,
            })?
            .map_err(|source| ResolveError::Failed {
                host: name.clone(),
                source,
            })?;
        let mut addresses = Vec::new();
        for address in found.map(|at| at.ip()) {
            if addresses.len() < RESOLVE_LIMIT && !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        if addresses.is_empty() {
            return Err(ResolveError::NotFound { host: name });
        }
        Ok(addresses)
    }

    async fn owner(&self, connection: SocketPair) -> Result<Owner, OwnerError> {
        self.owners.of(connection).await
    }
}
