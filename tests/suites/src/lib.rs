//! What several crates' tests share: suites that every implementor of a seam
//! runs, and the way a test says that it could not run here.
//!
//! Dev-only: product crates may use it in tests and never depend on it.

pub mod mint;
pub mod net;
pub mod skip;
pub mod store;
