//! The data plane's decisions, pure: who may call what, and where a call goes.
//!
//! [`authorize`] turns a verified caller into a [`Permit`] or a [`Denied`],
//! [`route`] a destination into a [`Route`], [`admit`] is the gateway's half of
//! both. Delivering needs a [`Permit`], dialling a [`Route`] or a [`Passage`];
//! none of them can be made elsewhere. Nothing here reads a clock, dials or
//! remembers: the snapshot, what was observed and the draw are arguments.

mod admit;
mod audience;
mod authorize;
mod balance;
mod facts;
mod matching;
mod meant;
mod resolve;
mod route;
mod trace;
mod ways;

pub use admit::{GatewayInbound, Passage, admit};
pub use authorize::{Denied, Inbound, Permit, authorize, explain};
pub use facts::{Attempted, Caller, Destination, Home, Observed, Outbound};
pub use route::{Hop, Route, Unroutable, route};
pub use trace::{Silent, Step, Steps, Trace};

#[cfg(test)]
mod tests;
