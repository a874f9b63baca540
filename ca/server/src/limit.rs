//! Token buckets by key: how often one caller may ask.
//!
//! Bounded in memory: buckets that are full again are forgotten, and when too
//! many are in use newcomers are refused.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

/// Buckets of `burst` that refill at `per_second`.
pub(crate) struct Limiter<K> {
    burst: f64,
    per_second: f64,
    buckets: Mutex<HashMap<K, Bucket>>,
}

struct Bucket {
    left: f64,
    at: Instant,
}

impl<K: Hash + Eq + Clone> Limiter<K> {
    pub(crate) fn new(burst: u32, per_second: u32) -> Self {
        Self {
            burst: f64::from(burst),
            per_second: f64::from(per_second),
            buckets: Mutex::new(HashMap::new()),
        }
    }

    /// Whether `key` may ask once more at `now`.
    pub(crate) fn allow(&self, key: &K, now: Instant) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if !buckets.contains_key(key) {
            if buckets.len() >= MAX_BUCKETS {
                buckets.retain(|_, bucket| self.refilled(bucket, now) < self.burst);
            }
            if buckets.len() >= MAX_BUCKETS {
                return false;
            }
        }
        let bucket = buckets.entry(key.clone()).or_insert(Bucket {
            left: self.burst,
            at: now,
        });
        let left = self.refilled(bucket, now);
        bucket.at = now;
        bucket.left = left;
        if left < 1.0 {
            return false;
        }
        bucket.left = left - 1.0;
        true
    }

    fn refilled(&self, bucket: &Bucket, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        passed.mul_add(self.per_second, bucket.left).min(self.burst)
    }
}

/// Where somebody comes from, as far as it costs something to come from there:
/// an IPv6 host has a whole /64.
pub(crate) fn source(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & NETWORK)),
    }
}

/// The first 64 bits.
const NETWORK: u128 = !0 << 64;
const MAX_BUCKETS: usize = 8192;

#[cfg(test)]
mod tests;
