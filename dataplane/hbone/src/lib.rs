//! HBONE: TCP streams inside HTTP/2 CONNECT, over any transport.
//!
//! [`client::open`] and [`server::Server::accept`] take an established byte
//! stream (TLS, or a [`stream::HboneStream`] of another tunnel). This crate
//! never dials, never spawns (it gives a driver future), never looks at
//! certificates and never decides who may connect; [`pool::Pool`] does no IO
//! at all. Everything that a peer can make us keep has a limit in
//! [`Settings`].

mod broken;
pub mod client;
mod count;
mod ping;
pub mod pool;
pub mod server;
mod settings;
pub mod stream;

pub use settings::Settings;

#[cfg(test)]
mod tests;
