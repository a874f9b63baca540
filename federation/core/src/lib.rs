//! What federation decides: how testimony becomes one truth, what may leave to
//! a peer, and what of a peer's word is believed.
//!
//! Pure: no socket, no clock, no randomness; `now` is the time since some fixed
//! moment on the caller's monotonic clock. The path of a change is [`view`] ->
//! [`merge`] -> `Snapshot` -> [`scope`] and [`export`]; a peer's side comes in
//! through [`session`] and [`import`], and [`lease`] says how long it counts.

pub mod export;
pub mod import;
pub mod lease;
pub mod merge;
pub mod repeat;
pub mod scope;
pub mod session;
pub mod status;
pub mod view;

mod output;
mod world;

#[cfg(test)]
mod fixture;
