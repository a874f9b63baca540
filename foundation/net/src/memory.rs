//! The network in memory: a [`Fabric`] of hosts, each seen through a [`MemoryNet`].
//!
//! Whole meshes run on it in one process, on a paused tokio clock: no port, no file, no kernel.
//! The same calls in the same order give the same addresses, ports and bytes. It moves TCP and
//! Unix streams only, redirects nothing, and one fabric is one network without overlaps.

mod bind;
mod dial;
mod fabric;
mod listener;
mod net;
mod pipe;
mod process;
mod state;
mod stream;

pub use fabric::Fabric;
pub use listener::MemoryListener;
pub use net::MemoryNet;
pub use stream::MemoryStream;
