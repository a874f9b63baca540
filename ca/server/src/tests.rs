//! The CA over real TLS, in memory: network, store and a paused clock.

mod enrol;
mod join;
mod life;
mod session;
mod world;
