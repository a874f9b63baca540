//! Delta discovery (xDS), both ends.
//!
//! Two pure machines, [`publication`] (what a server says on one stream) and
//! [`subscription`] (what a client believes), and two thin drivers that move
//! their messages: [`server`] and [`client`]. Only our own four types are
//! served. Nothing here decides what is in a snapshot, and nothing a stream
//! loses takes anything away: the client keeps the last good snapshot.

pub mod client;
pub mod publication;
pub mod server;
pub mod subscription;

mod partial;
mod topic;

pub use publication::{Chunk, Progress, Publication, RequestError};
pub use subscription::{Received, Rejected, Subscription};

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
