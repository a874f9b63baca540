//! What the hosts of a fabric share: addresses, listeners, cuts, open connections.
//!
//! Pure bookkeeping behind one lock, held for moments. Listeners are never dropped while it is
//! held: their end takes it too.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::mpsc;

use super::pipe::{HostId, Pipe};
use super::stream::MemoryStream;
use crate::facts::{Owner, ProcessFacts, SocketPair};
use crate::unix::UnixStream;

/// The state every handle shares.
#[derive(Clone, Default)]
pub(super) struct Shared(Arc<Mutex<State>>);

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
pub(super) struct State {
    pub(super) hosts: Vec<Host>,
    pub(super) addresses: HashMap<IpAddr, HostId>,
    pub(super) names: HashMap<String, Vec<IpAddr>>,
    pub(super) latency: Duration,
    /// From, to.
    cuts: HashSet<(HostId, HostId)>,
    pipes: Vec<Weak<Pipe>>,
    prune_at: usize,
    /// Who dialled, while that end is open: by the accepting host's view of the connection.
    owners: HashMap<(HostId, SocketPair), Weak<Owner>>,
    next_listener: u64,
}

/// One host.
pub(super) struct Host {
    pub(super) addresses: Vec<IpAddr>,
    pub(super) up: bool,
    pub(super) tcp: HashMap<SocketAddr, Ring>,
    pub(super) unix: HashMap<PathBuf, UnixSlot>,
    next_port: u16,
}

/// The listeners that share one address; connections go around.
#[derive(Default)]
pub(super) struct Ring {
    pub(super) slots: Vec<Slot>,
    next: usize,
}

/// One TCP listener.
pub(super) struct Slot {
    pub(super) id: u64,
    pub(super) shared: bool,
    pub(super) queue: mpsc::Sender<MemoryStream>,
}

/// One Unix listener.
pub(super) struct UnixSlot {
    pub(super) id: u64,
    pub(super) mode: u32,
    pub(super) facts: ProcessFacts,
    pub(super) queue: mpsc::Sender<UnixStream>,
}

impl State {
    pub(super) fn host(&mut self, id: HostId) -> Option<&mut Host> {
        self.hosts.get_mut(id.0)
    }

    pub(super) fn is_up(&self, id: HostId) -> bool {
        self.hosts.get(id.0).is_some_and(|host| host.up)
    }

    pub(super) fn listener_id(&mut self) -> u64 {
        self.next_listener += 1;
        self.next_listener
    }

    /// Whether bytes get from one host to the other and back.
    pub(super) fn connected(&self, a: HostId, b: HostId) -> bool {
        !self.cuts.contains(&(a, b)) && !self.cuts.contains(&(b, a))
    }

    pub(super) fn set_cut(&mut self, from: HostId, to: HostId, cut: bool) {
        if cut {
            self.cuts.insert((from, to));
        } else {
            self.cuts.remove(&(from, to));
        }
        for pipe in self.pipes.iter().filter_map(Weak::upgrade) {
            if (pipe.from, pipe.to) == (from, to) {
                pipe.set_cut(cut);
            }
        }
    }

    /// Ends all that a host has open.
    pub(super) fn kill(&mut self, id: HostId) {
        if let Some(host) = self.host(id) {
            host.up = false;
            host.tcp.clear();
            host.unix.clear();
        }
        for pipe in self.pipes.iter().filter_map(Weak::upgrade) {
            if pipe.from == id || pipe.to == id {
                pipe.reset(id);
            }
        }
    }

    /// Two pipes between two hosts: there and back.
    pub(super) fn pipes(&mut self, from: HostId, to: HostId) -> (Arc<Pipe>, Arc<Pipe>) {
        if self.pipes.len() >= self.prune_at {
            self.pipes.retain(|pipe| pipe.strong_count() > 0);
            self.owners.retain(|_, owner| owner.strong_count() > 0);
            self.prune_at = (self.pipes.len() * 2).max(PRUNE_FROM);
        }
        let there = Arc::new(Pipe::new(from, to, self.latency));
        let back = Arc::new(Pipe::new(to, from, self.latency));
        self.pipes.push(Arc::downgrade(&there));
        self.pipes.push(Arc::downgrade(&back));
        (there, back)
    }

    /// Notes who dialled a connection to `host`; known for as long as `owner` lives.
    pub(super) fn opened(&mut self, host: HostId, pair: SocketPair, owner: &Arc<Owner>) {
        self.owners.insert((host, pair), Arc::downgrade(owner));
    }

    pub(super) fn owner(&self, host: HostId, pair: SocketPair) -> Option<Owner> {
        let owner = self.owners.get(&(host, pair))?.upgrade()?;
        Some((*owner).clone())
    }

    pub(super) fn is_open(&self, host: HostId, pair: SocketPair) -> bool {
        let owner = self.owners.get(&(host, pair));
        owner.is_some_and(|owner| owner.strong_count() > 0)
    }
}

impl Host {
    pub(super) fn new(addresses: Vec<IpAddr>) -> Self {
        Self {
            addresses,
            up: true,
            tcp: HashMap::new(),
            unix: HashMap::new(),
            next_port: FIRST_PORT,
        }
    }

    /// Whether an address can be listened on or dialled from here.
    pub(super) fn has(&self, ip: IpAddr) -> bool {
        ip.is_loopback() || self.addresses.contains(&ip)
    }

    /// The listeners whose address overlaps.
    pub(super) fn overlapping(&self, at: SocketAddr) -> impl Iterator<Item = (&SocketAddr, &Slot)> {
        let rings = self
            .tcp
            .iter()
            .filter(move |(other, _)| overlap(at, **other));
        rings.flat_map(|(other, ring)| ring.slots.iter().map(move |slot| (other, slot)))
    }

    /// The next port that `free` accepts, from the ephemeral range, going around once.
    pub(super) fn port(&mut self, free: impl Fn(&Self, u16) -> bool) -> Option<u16> {
        for _try in FIRST_PORT..=u16::MAX {
            let port = self.next_port;
            self.next_port = port.checked_add(1).unwrap_or(FIRST_PORT);
            if free(self, port) {
                return Some(port);
            }
        }
        None
    }

    /// Who accepts a connection to one of our addresses: the exact listener, else a wildcard.
    pub(super) fn acceptor(&mut self, to: SocketAddr) -> Option<mpsc::Sender<MemoryStream>> {
        let any_v4 = to.is_ipv4().then_some(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let candidates = [
            Some(to.ip()),
            any_v4,
            Some(IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
        ];
        let at = candidates
            .into_iter()
            .flatten()
            .map(|ip| SocketAddr::new(ip, to.port()))
            .find(|at| self.tcp.contains_key(at))?;
        self.tcp.get_mut(&at)?.turn()
    }
}

impl Ring {
    fn turn(&mut self) -> Option<mpsc::Sender<MemoryStream>> {
        let index = self.next.checked_rem(self.slots.len())?;
        self.next = index + 1;
        self.slots.get(index).map(|slot| slot.queue.clone())
    }
}

/// A host's own loopback address.
pub(super) const fn loopback(v6: bool) -> IpAddr {
    if v6 {
        IpAddr::V6(Ipv6Addr::LOCALHOST)
    } else {
        IpAddr::V4(Ipv4Addr::LOCALHOST)
    }
}

/// Whether two listeners would serve some address both; `[::]` serves both families.
fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    let covers = |wide: SocketAddr, narrow: SocketAddr| {
        wide.ip().is_unspecified() && (wide.is_ipv6() || narrow.is_ipv4())
    };
    a.port() == b.port() && (a.ip() == b.ip() || covers(a, b) || covers(b, a))
}

/// Linux's default ephemeral range starts here.
const FIRST_PORT: u16 = 32_768;
/// Ended pipes are forgotten when there are this many, and whenever they have doubled.
const PRUNE_FROM: usize = 256;
