//! Listeners of the fabric; dropping one frees its address.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::sync::mpsc;

use super::pipe::HostId;
use super::state::Shared;
use super::stream::MemoryStream;
use crate::seam::{Connection, Listener};
use crate::unix::{AcceptUnix, Accepting, UnixStream};

/// A TCP listener in memory.
pub struct MemoryListener {
    at: SocketAddr,
    queue: mpsc::Receiver<MemoryStream>,
    _place: Place,
}

impl MemoryListener {
    pub(super) const fn new(
        at: SocketAddr,
        queue: mpsc::Receiver<MemoryStream>,
        place: Place,
    ) -> Self {
        Self {
            at,
            queue,
            _place: place,
        }
    }
}

/// Where a listener is entered in its fabric; leaves when dropped.
pub(super) struct Place {
    pub(super) shared: Shared,
    pub(super) host: HostId,
    pub(super) id: u64,
    pub(super) at: Address,
}

/// What a listener listens on.
pub(super) enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        let Some(host) = state.host(self.host) else {
            return;
        };
        match &self.at {
            Address::Tcp(at) => {
                if let Some(ring) = host.tcp.get_mut(at) {
                    ring.slots.retain(|slot| slot.id != self.id);
                    if ring.slots.is_empty() {
                        host.tcp.remove(at);
                    }
                }
            }
            Address::Unix(path) => {
                if host.unix.get(path).is_some_and(|slot| slot.id == self.id) {
                    host.unix.remove(path);
                }
            }
        }
    }
}

impl Listener for MemoryListener {
    type Stream = MemoryStream;

    async fn accept(&mut self) -> io::Result<(MemoryStream, SocketAddr)> {
        let stream = self.queue.recv().await.ok_or_else(killed)?;
        let peer = stream.peer_addr();
        Ok((stream, peer))
    }

    fn local_addr(&self) -> SocketAddr {
        self.at
    }
}

/// A Unix listener's acceptor.
pub(super) struct UnixAcceptor {
    queue: mpsc::Receiver<UnixStream>,
    _place: Place,
}

impl UnixAcceptor {
    pub(super) const fn new(queue: mpsc::Receiver<UnixStream>, place: Place) -> Self {
        Self {
            queue,
            _place: place,
        }
    }
}

impl AcceptUnix for UnixAcceptor {
    fn accept(&mut self) -> Accepting<'_> {
        Box::pin(async move { self.queue.recv().await.ok_or_else(killed) })
    }
}

fn killed() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the host was killed")
}

impl fmt::Debug for MemoryListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MemoryListener").field(&self.at).finish()
    }
}
