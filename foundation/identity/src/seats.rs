//! How many of something others may hold at once, shared out by who they are ([`SpiffeId`]) or, of
//! strangers, by where they come from ([`source`]: an IPv4 address or an IPv6 /64).
//!
//! It never refuses and never waits: whoever comes takes a seat, and where one, or all together,
//! have too many, the oldest seat of the greediest is taken away. So a flood pushes itself out,
//! and one who is quick gets through.
//!
//! [`SpiffeId`]: pelago_model::SpiffeId

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::{AbortHandle, AbortRegistration};

/// Seats of one listener. Clones share them.
pub(crate) struct Seats<K: Ord> {
    of_one: usize,
    in_all: usize,
    taken: Arc<Mutex<Taken<K>>>,
}

struct Taken<K> {
    next: u64,
    /// Oldest first.
    by_age: BTreeMap<u64, (K, AbortHandle)>,
}

/// One seat, held until dropped.
pub(crate) struct Seat<K: Ord> {
    seats: Seats<K>,
    number: u64,
}

impl<K: Ord + Clone> Seats<K> {
    /// At most `of_one` of each and `in_all` of everybody.
    pub(crate) fn new(of_one: usize, in_all: usize) -> Self {
        let taken = Taken {
            next: 0,
            by_age: BTreeMap::new(),
        };
        Self {
            of_one,
            in_all,
            taken: Arc::new(Mutex::new(taken)),
        }
    }

    /// A seat for `who`, and what tells that it was taken away.
    pub(crate) fn take(&self, who: K) -> (Seat<K>, AbortRegistration) {
        let mut taken = self.taken();
        if taken.count(&who) >= self.of_one {
            taken.take_away(&who);
        } else if taken.by_age.len() >= self.in_all
            && let Some(greediest) = taken.greediest()
        {
            taken.take_away(&greediest);
        }
        let (handle, registration) = AbortHandle::new_pair();
        let number = taken.next;
        taken.next += 1;
        taken.by_age.insert(number, (who, handle));
        let seat = Seat {
            seats: self.clone(),
            number,
        };
        (seat, registration)
    }
}

impl<K: Ord> Seats<K> {
    fn taken(&self) -> MutexGuard<'_, Taken<K>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Ord> Clone for Seats<K> {
    fn clone(&self) -> Self {
        Self {
            of_one: self.of_one,
            in_all: self.in_all,
            taken: Arc::clone(&self.taken),
        }
    }
}

impl<K: Ord + Clone> Taken<K> {
    fn count(&self, who: &K) -> usize {
        let seats = self.by_age.values();
        seats.filter(|(other, _)| other == who).count()
    }

    fn greediest(&self) -> Option<K> {
        let mut counts = BTreeMap::<&K, usize>::new();
        for (who, _) in self.by_age.values() {
            *counts.entry(who).or_default() += 1;
        }
        let most = counts.into_iter().max_by_key(|(_, count)| *count);
        most.map(|(who, _)| who.clone())
    }

    fn take_away(&mut self, who: &K) {
        let mut seats = self.by_age.iter();
        let oldest = seats.find(|(_, (other, _))| other == who);
        let Some(number) = oldest.map(|(number, _)| *number) else {
            return;
        };
        if let Some((_, handle)) = self.by_age.remove(&number) {
            handle.abort();
        }
    }
}

impl<K: Ord> Drop for Seat<K> {
    fn drop(&mut self) {
        self.seats.taken().by_age.remove(&self.number);
    }
}

/// Where one comes from.
pub(crate) fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let prefix = v6.to_bits() >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from_bits(prefix))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests;
