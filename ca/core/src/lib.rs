//! What the CA decides, without doing it: which key is believed, which
//! certificate is built, who may have it, who is let in, who holds which roots.
//!
//! Pure: no IO, no clock, no randomness; `now` and random bytes are arguments
//! and signatures are made elsewhere. Start with [`entitlement::decide`], the
//! one policy behind every door to issuance, and [`issue`].

pub mod authority;
pub mod caller;
pub mod csr;
pub mod entitlement;
pub mod issue;
pub mod join;
pub mod observer;
pub mod template;
pub mod token;

pub use authority::{Authority, Kind, State};
pub use caller::{Caller, Realm};
pub use csr::RequestedKey;
pub use entitlement::Entitlement;
pub use template::{Serial, Template, Validity};
pub use token::TokenRecord;
