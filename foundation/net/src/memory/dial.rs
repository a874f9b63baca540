//! Opening TCP connections in memory: target, source, ways, queue.
//!
//! A dial over a cut way, or to a full queue, asks again until its timeout, as a lost SYN would.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::time::{sleep, timeout};

use super::pipe::HostId;
use super::process::Process;
use super::state::{State, loopback};
use super::stream::{Duplex, MemoryStream};
use crate::error::DialError;
use crate::facts::SocketPair;
use crate::seam::DialOptions;

/// Opens a connection.
pub(super) async fn dial(
    from: &Process,
    to: SocketAddr,
    options: DialOptions,
) -> Result<MemoryStream, DialError> {
    timeout(options.timeout, connect(from, to, options))
        .await
        .unwrap_or(Err(DialError::TimedOut {
            to,
            after: options.timeout,
        }))
}

async fn connect(
    from: &Process,
    to: SocketAddr,
    options: DialOptions,
) -> Result<MemoryStream, DialError> {
    loop {
        let latency = from.shared.lock().latency;
        let opened = open(from, to, options)?;
        if let Some(Opened {
            near,
            far,
            queue,
            remote,
        }) = opened
        {
            if remote && !latency.is_zero() {
                sleep(latency * 2).await;
            }
            match queue.try_send(far) {
                Ok(()) => return Ok(near),
                Err(TrySendError::Closed(_)) => return Err(DialError::Refused { to }),
                Err(TrySendError::Full(_)) => {}
            }
        }
        // As a lost SYN: asked again until the timeout.
        sleep(RETRY).await;
    }
}

/// Both ends of a new connection; `None` where the way is cut.
fn open(from: &Process, to: SocketAddr, options: DialOptions) -> Result<Option<Opened>, DialError> {
    let mut state = from.shared.lock();
    let target = target_of(from, &state, to)?;
    let source = source_of(from, &state, to, options.source)?;
    if !state.connected(from.host, target) {
        return Ok(None);
    }
    let queue = state
        .host(target)
        .filter(|host| host.up)
        .and_then(|host| host.acceptor(to))
        .ok_or(DialError::Refused { to })?;
    let pair = free_pair(from, &mut state, target, source, to).ok_or_else(|| DialError::Io {
        to,
        source: io::ErrorKind::AddrInUse.into(),
    })?;
    let (there, back) = state.pipes(from.host, target);
    let owner = Arc::new((*from.owner).clone());
    state.opened(target, pair, &owner);
    let near = Duplex::new(Arc::clone(&back), Arc::clone(&there));
    Ok(Some(Opened {
        near: MemoryStream::new(near, pair.reversed(), Some(owner)),
        far: MemoryStream::new(Duplex::new(there, back), pair, None),
        queue,
        remote: target != from.host,
    }))
}

fn target_of(from: &Process, state: &State, to: SocketAddr) -> Result<HostId, DialError> {
    let known = if to.ip().is_loopback() {
        Some(from.host)
    } else {
        state.addresses.get(&to.ip()).copied()
    };
    known
        .filter(|_| state.is_up(from.host))
        .ok_or(DialError::Unreachable { to })
}

fn source_of(
    process: &Process,
    state: &State,
    to: SocketAddr,
    asked: Option<IpAddr>,
) -> Result<IpAddr, DialError> {
    let unreachable = || DialError::Unreachable { to };
    let host = state.hosts.get(process.host.0).ok_or_else(unreachable)?;
    if let Some(from) = asked {
        let usable = host.has(from) && from.is_ipv4() == to.is_ipv4();
        return usable.then_some(from).ok_or(DialError::Source { to, from });
    }
    if to.ip().is_loopback() {
        return Ok(loopback(to.is_ipv6()));
    }
    if host.has(to.ip()) {
        return Ok(to.ip());
    }
    let mut ours = host.addresses.iter().copied();
    ours.find(|ip| ip.is_ipv4() == to.is_ipv4())
        .ok_or_else(unreachable)
}

/// A pair no open connection of the target has, as the target sees it.
fn free_pair(
    from: &Process,
    state: &mut State,
    target: HostId,
    source: IpAddr,
    to: SocketAddr,
) -> Option<SocketPair> {
    for _try in 0..=u16::MAX {
        let port = state.host(from.host)?.port(|_, _| true)?;
        let pair = SocketPair {
            local: to,
            peer: SocketAddr::new(source, port),
        };
        if !state.is_open(target, pair) && pair.local != pair.peer {
            return Some(pair);
        }
    }
    None
}

/// Both ends of a connection that nobody has accepted yet.
struct Opened {
    near: MemoryStream,
    far: MemoryStream,
    queue: mpsc::Sender<MemoryStream>,
    remote: bool,
}

/// How often a dial that meets a cut way or a full queue asks again.
const RETRY: Duration = Duration::from_millis(20);
