//! Keys that live as long as the process, for meshes in memory.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use pelago_store::BoxFuture;

use super::error::KeyError;
use super::local::{LocalKey, check_name};
use super::seam::{Keyring, Signer};

/// A keyring in memory; share it as `Arc<dyn Keyring>`.
#[derive(Default)]
pub struct MemoryKeyring {
    keys: Mutex<HashMap<String, Arc<dyn Signer>>>,
}

impl MemoryKeyring {
    /// A keyring without keys.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Keyring for MemoryKeyring {
    fn open<'a>(
        &'a self,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<Arc<dyn Signer>>, KeyError>> {
        Box::pin(async move {
            check_name(name)?;
            let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(keys.get(name).cloned())
        })
    }

    fn create<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Arc<dyn Signer>, KeyError>> {
        Box::pin(async move {
            check_name(name)?;
            let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
            match keys.entry(name.to_owned()) {
                Entry::Occupied(key) => Ok(Arc::clone(key.get())),
                Entry::Vacant(place) => {
                    Ok(Arc::clone(place.insert(LocalKey::generate()?.shared())))
                }
            }
        })
    }
}

impl fmt::Debug for MemoryKeyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryKeyring")
    }
}
