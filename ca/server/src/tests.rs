//! The CA over real TLS, in memory: network, store and a paused clock.

mod crash;
mod enrol;
mod hostile;
mod join;
mod life;
mod session;
mod time;
mod world;
