//! Which tunnel to use again: by key, while it lives and has room.
//!
//! Pure: no IO and no clock, `now` is an argument. It opens and closes
//! nothing; a tunnel that is taken out ends by being dropped, after its last
//! stream. The key must hold everything that makes two tunnels alike: the
//! identity that asks, those that may answer, and the address.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

/// What the pool asks of a tunnel.
pub trait Pooled: Clone {
    /// It takes no new streams, ever again.
    fn is_closed(&self) -> bool;
    /// Another stream fits now.
    fn has_room(&self) -> bool;
    /// Streams under way.
    fn streams(&self) -> usize;
}

/// How much a pool keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Tunnels in the whole pool: 1024.
    pub tunnels: usize,
    /// How long a tunnel without streams is kept: 5 min.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            tunnels: 1024,
            idle: Duration::from_secs(300),
        }
    }
}

/// Tunnels by key.
#[derive(Debug)]
pub struct Pool<K, T> {
    limits: Limits,
    members: HashMap<K, Vec<Member<T>>>,
}

#[derive(Debug)]
struct Member<T> {
    tunnel: T,
    /// When it was last seen or made busy.
    used: Instant,
}

impl<K: Eq + Hash + Clone, T: Pooled> Pool<K, T> {
    /// An empty pool.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            members: HashMap::new(),
        }
    }

    /// A living tunnel with room, the longest kept first, so that later ones
    /// fall idle. Two callers at once may both get the last place; the tunnel
    /// then has the second wait for the peer's limit.
    pub fn get(&mut self, key: &K, now: Instant) -> Option<T> {
        let members = self.members.get_mut(key)?;
        members.retain(|member| !member.tunnel.is_closed());
        let found = members.iter_mut().find(|it| it.tunnel.has_room());
        let tunnel = found.map(|member| {
            member.used = now;
            member.tunnel.clone()
        });
        if members.is_empty() {
            self.members.remove(key);
        }
        tunnel
    }

    /// Keeps `tunnel` for others. In a full pool it takes the place of the one
    /// idle for longest; false when all are busy, and it is not kept.
    pub fn insert(&mut self, key: K, tunnel: T, now: Instant) -> bool {
        if self.len() >= self.limits.tunnels {
            self.evict(now);
        }
        if self.len() >= self.limits.tunnels && !self.make_room() {
            return false;
        }
        let member = Member { tunnel, used: now };
        self.members.entry(key).or_default().push(member);
        true
    }

    /// Lets go of closed tunnels and of those without streams for the idle
    /// time; returns how many. Call it every so often: a tunnel counts as idle
    /// since it was last seen busy here or in [`Pool::get`].
    pub fn evict(&mut self, now: Instant) -> usize {
        let idle = self.limits.idle;
        self.retain_members(|_, member| {
            if member.tunnel.is_closed() {
                return false;
            }
            if member.tunnel.streams() > 0 {
                member.used = now;
            }
            now.saturating_duration_since(member.used) < idle
        })
    }

    /// Lets go of all tunnels that `keep` does not want, as when an identity
    /// was renewed or is no longer trusted; returns how many.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &T) -> bool) -> usize {
        self.retain_members(|key, member| keep(key, &member.tunnel))
    }

    /// How many tunnels are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.values().map(Vec::len).sum()
    }

    /// None is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    fn retain_members(&mut self, mut keep: impl FnMut(&K, &mut Member<T>) -> bool) -> usize {
        let before = self.len();
        self.members.retain(|key, members| {
            members.retain_mut(|member| keep(key, member));
            !members.is_empty()
        });
        before - self.len()
    }

    /// Lets go of the one without streams that was used longest ago.
    fn make_room(&mut self) -> bool {
        let idle = self.members.iter().flat_map(|(key, members)| {
            let idle = members.iter().enumerate();
            idle.filter(|(_, member)| member.tunnel.streams() == 0)
                .map(move |(index, member)| (member.used, key, index))
        });
        let oldest = idle.min_by_key(|(used, ..)| *used);
        let Some((key, index)) = oldest.map(|(_, key, index)| (key.clone(), index)) else {
            return false;
        };
        if let Some(members) = self.members.get_mut(&key) {
            members.remove(index);
            if members.is_empty() {
                self.members.remove(&key);
            }
        }
        true
    }
}

#[cfg(test)]
mod tests;
