//! Listening in memory: TCP addresses and Unix paths of a host, and who may connect to those.
//!
//! An address is taken or free by the kernel's rules; a path exists while somebody listens.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::mpsc::{self, error::TrySendError};

use super::listener::{Address, MemoryListener, Place, UnixAcceptor};
use super::pipe::HostId;
use super::process::Process;
use super::state::{Host, Slot, State, UnixSlot};
use super::stream::Duplex;
use crate::error::{FactsError, ListenError, UnixError};
use crate::facts::{PeerCredentials, ProcessFacts};
use crate::path::directory_of;
use crate::seam::UnixListenOptions;
use crate::unix::{Peer, PeerProcess, UnixListener, UnixStream};

/// One TCP listener.
pub(super) fn listen(
    process: &Process,
    at: SocketAddr,
    shared: bool,
) -> Result<MemoryListener, ListenError> {
    let mut state = process.shared.lock();
    let at = with_port(&mut state, process.host, at)?;
    bind(process, &mut state, at, shared)
}

/// Several that share an address nobody else has.
pub(super) fn listen_workers(
    process: &Process,
    at: SocketAddr,
    count: NonZeroUsize,
) -> Result<Vec<MemoryListener>, ListenError> {
    // Before the lock, which a dropped listener takes too.
    let mut listeners = Vec::with_capacity(count.get());
    let mut state = process.shared.lock();
    let at = with_port(&mut state, process.host, at)?;
    if usable(&mut state, process.host, at)?
        .overlapping(at)
        .next()
        .is_some()
    {
        return Err(ListenError::InUse { at });
    }
    for _worker in 0..count.get() {
        listeners.push(bind(process, &mut state, at, true)?);
    }
    Ok(listeners)
}

/// A Unix listener.
pub(super) fn listen_unix(
    process: &Process,
    path: &Path,
    options: UnixListenOptions,
) -> Result<UnixListener, UnixError> {
    directory_of(path)?;
    let (queue, accepted) = mpsc::channel(BACKLOG);
    let mut state = process.shared.lock();
    let id = state.listener_id();
    let host = state.host(process.host).filter(|host| host.up);
    let host = host.ok_or_else(|| UnixError::Io {
        path: path.to_path_buf(),
        source: io::ErrorKind::NetworkDown.into(),
    })?;
    if host.unix.contains_key(path) {
        return Err(UnixError::InUse {
            path: path.to_path_buf(),
        });
    }
    let slot = UnixSlot {
        id,
        mode: options.mode,
        facts: (*process.facts).clone(),
        queue,
    };
    host.unix.insert(path.to_path_buf(), slot);
    let place = place(process, id, Address::Unix(path.to_path_buf()));
    Ok(UnixListener::new(UnixAcceptor::new(accepted, place), path))
}

/// A Unix connection.
pub(super) fn dial_unix(process: &Process, path: &Path) -> Result<UnixStream, UnixError> {
    directory_of(path)?;
    let path_buf = || path.to_path_buf();
    let refused = || UnixError::Refused { path: path_buf() };
    let (near, far, queue) = {
        let mut state = process.shared.lock();
        let (there, back) = state.pipes(process.host, process.host);
        let host = state.host(process.host).filter(|host| host.up);
        let slot = host
            .and_then(|host| host.unix.get(path))
            .ok_or_else(refused)?;
        if !may_connect(&process.facts, slot) {
            return Err(UnixError::Denied { path: path_buf() });
        }
        let near = Duplex::new(Arc::clone(&back), Arc::clone(&there));
        let near = UnixStream::new(near, peer(&slot.facts));
        let far = UnixStream::new(Duplex::new(there, back), peer(&process.facts));
        (near, far, slot.queue.clone())
    };
    match queue.try_send(far) {
        Ok(()) => Ok(near),
        Err(TrySendError::Closed(_)) => Err(refused()),
        // As the kernel answers a connect that must not block.
        Err(TrySendError::Full(_)) => Err(UnixError::Io {
            path: path_buf(),
            source: io::ErrorKind::WouldBlock.into(),
        }),
    }
}

fn bind(
    process: &Process,
    state: &mut State,
    at: SocketAddr,
    shared: bool,
) -> Result<MemoryListener, ListenError> {
    let id = state.listener_id();
    let (queue, accepted) = mpsc::channel(BACKLOG);
    let host = usable(state, process.host, at)?;
    let taken = host
        .overlapping(at)
        .any(|(other, slot)| !(shared && slot.shared && *other == at));
    if taken {
        return Err(ListenError::InUse { at });
    }
    let ring = host.tcp.entry(at).or_default();
    ring.slots.push(Slot { id, shared, queue });
    Ok(MemoryListener::new(
        at,
        accepted,
        place(process, id, Address::Tcp(at)),
    ))
}

fn place(process: &Process, id: u64, at: Address) -> Place {
    Place {
        shared: process.shared.clone(),
        host: process.host,
        id,
        at,
    }
}

/// The host, if it is up and has the address.
fn usable(state: &mut State, host: HostId, at: SocketAddr) -> Result<&mut Host, ListenError> {
    let host = state.host(host).filter(|host| host.up);
    let host = host.ok_or_else(|| ListenError::Io {
        at,
        source: io::ErrorKind::NetworkDown.into(),
    })?;
    if at.ip().is_unspecified() || host.has(at.ip()) {
        Ok(host)
    } else {
        Err(ListenError::NotOurs { at })
    }
}

/// The address with a free port in place of 0.
fn with_port(state: &mut State, host: HostId, at: SocketAddr) -> Result<SocketAddr, ListenError> {
    let host = usable(state, host, at)?;
    if at.port() != 0 {
        return Ok(at);
    }
    let free = |host: &Host, port| {
        let candidate = SocketAddr::new(at.ip(), port);
        host.overlapping(candidate).next().is_none()
    };
    let port = host.port(free).ok_or(ListenError::InUse { at })?;
    Ok(SocketAddr::new(at.ip(), port))
}

/// Connecting needs write permission (unix(7)).
fn may_connect(facts: &ProcessFacts, slot: &UnixSlot) -> bool {
    let bit = if facts.uid == slot.facts.uid {
        0o200
    } else if facts.gid == slot.facts.gid || facts.groups.contains(&slot.facts.gid) {
        0o020
    } else {
        0o002
    };
    facts.uid == 0 || slot.mode & bit != 0
}

fn peer(facts: &ProcessFacts) -> Peer {
    let credentials = PeerCredentials {
        pid: facts.pid,
        uid: facts.uid,
        gid: facts.gid,
    };
    Peer::new(credentials, Arc::new(Known(facts.clone())))
}

/// A process that stays what it is.
struct Known(ProcessFacts);

impl PeerProcess for Known {
    fn facts(&self, _opened_by: PeerCredentials) -> Result<ProcessFacts, FactsError> {
        Ok(self.0.clone())
    }
}

/// Connections that wait to be accepted, per listener.
const BACKLOG: usize = 128;
