//! A copy-on-write map: cloning costs its shards, not its entries.
//!
//! A clone shares every shard with the original; a write copies only the one
//! shard it touches. Applying a delta to a large map therefore costs the delta.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, BuildHasherDefault, Hash};
use std::sync::Arc;

const SHARDS: usize = 256;

/// A map in copy-on-write shards. Iteration order is that of the shards,
/// stable for equal content.
#[derive(Debug)]
pub struct Shards<K, V> {
    shards: Vec<Arc<BTreeMap<K, V>>>,
    len: usize,
}

impl<K, V> Clone for Shards<K, V> {
    fn clone(&self) -> Self {
        Self {
            shards: self.shards.iter().map(Arc::clone).collect(),
            len: self.len,
        }
    }
}

impl<K, V> Default for Shards<K, V> {
    fn default() -> Self {
        let empty = Arc::new(BTreeMap::new());
        Self {
            shards: (0..SHARDS).map(|_| Arc::clone(&empty)).collect(),
            len: 0,
        }
    }
}

impl<K: Ord + Hash + Clone, V: Clone> Shards<K, V> {
    /// The value under `key`.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&V> {
        self.shards.get(shard(key))?.get(key)
    }

    /// Puts a value, giving back the one it replaces.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let old = Arc::make_mut(self.shards.get_mut(shard(&key))?).insert(key, value);
        self.len += usize::from(old.is_none());
        old
    }

    /// Takes the value under `key` away.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let shard = self.shards.get_mut(shard(key))?;
        if !shard.contains_key(key) {
            return None;
        }
        let old = Arc::make_mut(shard).remove(key);
        self.len -= usize::from(old.is_some());
        old
    }

    /// How many entries there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All entries.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.shards.iter().flat_map(|shard| shard.iter())
    }

    /// All values.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// Entries of shards that `other` does not share, of ourselves and of
    /// `other`: all that can differ.
    pub fn differing<'a>(
        &'a self,
        other: &'a Self,
    ) -> impl Iterator<Item = (&'a BTreeMap<K, V>, &'a BTreeMap<K, V>)> {
        self.shards
            .iter()
            .zip(&other.shards)
            .filter(|(ours, theirs)| !Arc::ptr_eq(ours, theirs))
            .map(|(ours, theirs)| (ours.as_ref(), theirs.as_ref()))
    }
}

fn shard<K: Hash>(key: &K) -> usize {
    // Keys reach this map only through authenticated control planes, so a
    // fixed hash is enough; it keeps iteration order equal for equal content.
    let hash = BuildHasherDefault::<std::hash::DefaultHasher>::default().hash_one(key);
    usize::try_from(hash % SHARDS as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests;
