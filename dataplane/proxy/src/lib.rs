//! The proxy of a node or gateway: accept, decide, dial, relay.
//!
//! Each direction reads top to bottom in its own room: `outbound` (SOCKS5, whose
//! socket, route, tunnel), `inbound` (TLS, authorize, deliver), `gateway` (the
//! ClientHello, admit, join). Decisions are those of `pelago-dataplane-policy`,
//! trust is that of `pelago-identity`; nothing here decides who is who. Start
//! with [`Proxy`].

mod app;
mod attempt;
mod caller;
mod dial;
mod failure;
mod gateway;
mod health;
mod hello;
mod inbound;
mod outbound;
mod probe;
mod registry;
mod relay;
mod replay;
mod served;
mod session;
mod settings;
mod shares;
mod side;
mod socks5;
mod telemetry;
mod tunnels;
mod worker;

pub use app::{Bound, Proxy, WorkerError};
pub use settings::{CONNECTIONS, Role, Settings};
pub use telemetry::{Lines, Telemetry};

#[cfg(test)]
mod tests;
