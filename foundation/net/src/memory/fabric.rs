//! [`Fabric`]: the network between memory hosts, and what can go wrong with it.
//!
//! It makes hosts and names, cuts and heals ways, kills and revives hosts. It carries nothing
//! itself: see [`MemoryNet`].

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use super::net::MemoryNet;
use super::pipe::HostId;
use super::state::{Host, Shared};
use crate::facts::ProcessFacts;

/// A network in memory. Clones are the same network.
#[derive(Clone, Default)]
pub struct Fabric {
    shared: Shared,
}

impl Fabric {
    /// A network without hosts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A new host with these addresses; besides, every host has its own loopback. An address of
    /// another host moves to this one. Its processes are `facts` unless
    /// [`MemoryNet::as_process`] says otherwise.
    pub fn host(&self, ips: impl IntoIterator<Item = IpAddr>, facts: ProcessFacts) -> MemoryNet {
        let ips: Vec<IpAddr> = ips.into_iter().collect();
        let mut state = self.shared.lock();
        let id = HostId(state.hosts.len());
        for other in &mut state.hosts {
            other.addresses.retain(|ip| !ips.contains(ip));
        }
        for ip in &ips {
            state.addresses.insert(*ip, id);
        }
        state.hosts.push(Host::new(ips));
        MemoryNet::new(self.shared.clone(), id, facts)
    }

    /// Gives a host name addresses, for every host; none takes the name away. `localhost` is
    /// always one's own loopback. Case and a final dot do not matter.
    pub fn name(&self, host: &str, ips: impl IntoIterator<Item = IpAddr>) {
        let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let ips: Vec<IpAddr> = ips.into_iter().collect();
        let mut state = self.shared.lock();
        if ips.is_empty() {
            state.names.remove(&name);
        } else {
            state.names.insert(name, ips);
        }
    }

    /// How long bytes take one way between different hosts, for connections opened from now on.
    /// Opening one takes twice that. Zero at first.
    pub fn set_latency(&self, latency: Duration) {
        self.shared.lock().latency = latency;
    }

    /// Silently drops everything between two hosts, both ways: dials hang until their timeout,
    /// open streams stall.
    pub fn cut(&self, a: &MemoryNet, b: &MemoryNet) {
        self.cut_one_way(a, b);
        self.cut_one_way(b, a);
    }

    /// Silently drops everything one way. Dials hang in both directions, since one way loses
    /// the question and the other the answer.
    pub fn cut_one_way(&self, from: &MemoryNet, to: &MemoryNet) {
        self.shared.lock().set_cut(from.id(), to.id(), true);
    }

    /// Ends a cut, both ways: what streams hold arrives, dials that still wait succeed.
    pub fn heal(&self, a: &MemoryNet, b: &MemoryNet) {
        let mut state = self.shared.lock();
        state.set_cut(a.id(), b.id(), false);
        state.set_cut(b.id(), a.id(), false);
    }

    /// Ends everything a host has open, as when its processes are killed: its listeners fail,
    /// streams to it read a reset, dials to it are refused and its own are unreachable.
    pub fn kill(&self, host: &MemoryNet) {
        self.shared.lock().kill(host.id());
    }

    /// A killed host may listen and dial again, with nothing open.
    pub fn revive(&self, host: &MemoryNet) {
        if let Some(host) = self.shared.lock().host(host.id()) {
            host.up = true;
        }
    }
}

impl fmt::Debug for Fabric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts = self.shared.lock().hosts.len();
        f.debug_struct("Fabric")
            .field("hosts", &hosts)
            .finish_non_exhaustive()
    }
}
