//! [`MemoryNet`]: the seam as one process on one host of a fabric sees it.
//!
//! Unlike the kernel's it has no privileged ports, and its Unix paths exist per host and only
//! while somebody listens. It redirects nothing.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use super::bind;
use super::dial;
use super::listener::MemoryListener;
use super::pipe::HostId;
use super::process::Process;
use super::state::{Shared, loopback};
use super::stream::MemoryStream;
use crate::error::{DialError, ListenError, OwnerError, ResolveError, UnixError};
use crate::facts::{Holders, Owner, ProcessFacts, SocketPair};
use crate::name::{self, Host};
use crate::seam::{DialOptions, ListenOptions, Net, UnixListenOptions};
use crate::unix::{UnixListener, UnixStream};

/// One process on one host of a [`crate::Fabric`]. Clones are the same process.
#[derive(Clone)]
pub struct MemoryNet(Process);

impl MemoryNet {
    pub(super) fn new(shared: Shared, host: HostId, facts: ProcessFacts) -> Self {
        let owner = Owner {
            uid: facts.uid,
            holders: Holders::Known(vec![facts.clone()]),
        };
        Self(Process {
            shared,
            host,
            facts: Arc::new(facts),
            owner: Arc::new(owner),
        })
    }

    pub(super) const fn id(&self) -> HostId {
        self.0.host
    }

    /// Another process on the same host: the other side of what it opens sees these facts.
    #[must_use]
    pub fn as_process(&self, facts: ProcessFacts) -> Self {
        Self::new(self.0.shared.clone(), self.0.host, facts)
    }

    /// The same process, but the TCP sockets it opens are held by these: several processes, or
    /// some that cannot be read. Their uid stays that of the process.
    #[must_use]
    pub fn with_holders(&self, holders: Holders) -> Self {
        let uid = self.0.facts.uid;
        Self(Process {
            owner: Arc::new(Owner { uid, holders }),
            ..self.0.clone()
        })
    }
}

impl Net for MemoryNet {
    type Stream = MemoryStream;
    type Listener = MemoryListener;

    async fn listen(
        &self,
        at: SocketAddr,
        options: ListenOptions,
    ) -> Result<MemoryListener, ListenError> {
        bind::listen(&self.0, at, options.shared)
    }

    async fn listen_workers(
        &self,
        at: SocketAddr,
        count: NonZeroUsize,
    ) -> Result<Vec<MemoryListener>, ListenError> {
        bind::listen_workers(&self.0, at, count)
    }

    async fn dial(&self, to: SocketAddr, options: DialOptions) -> Result<MemoryStream, DialError> {
        dial::dial(&self.0, to, options).await
    }

    async fn listen_unix(
        &self,
        path: &Path,
        options: UnixListenOptions,
    ) -> Result<UnixListener, UnixError> {
        bind::listen_unix(&self.0, path, options)
    }

    async fn dial_unix(&self, path: &Path) -> Result<UnixStream, UnixError> {
        bind::dial_unix(&self.0, path)
    }

    async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let name = match name::parse(host)? {
            Host::Address(address) => return Ok(vec![address]),
            Host::Name(name) => name,
        };
        if name == "localhost" {
            return Ok(vec![loopback(false), loopback(true)]);
        }
        let known = self.0.shared.lock().names.get(&name).cloned();
        known.ok_or(ResolveError::NotFound { host: name })
    }

    async fn owner(&self, connection: SocketPair) -> Result<Owner, OwnerError> {
        let state = self.0.shared.lock();
        let host = state.hosts.get(self.0.host.0);
        host.filter(|host| host.has(connection.peer.ip()))
            .and_then(|_| state.owner(self.0.host, connection))
            .ok_or(OwnerError::NotFound { pair: connection })
    }
}

impl fmt::Debug for MemoryNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryNet")
            .field("host", &self.0.host)
            .field("facts", &self.0.facts)
            .finish_non_exhaustive()
    }
}
