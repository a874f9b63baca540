//! Where authority keys live: the seam, a keyring in memory and one on disk.
//!
//! A key is made here, signs here and never leaves: neither trait gives the
//! private part out, nothing prints it. Keys are ECDSA P-256. Signing is
//! asynchronous because another keyring may be far away (an HSM).

mod disk;
mod error;
mod local;
mod memory;
mod seam;

pub use disk::DiskKeyring;
pub use error::KeyError;
pub use memory::MemoryKeyring;
pub use seam::{Keyring, Signer};
