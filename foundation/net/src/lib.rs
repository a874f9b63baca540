//! The `Net` seam: TCP, Unix sockets with peer credentials, name resolution, original
//! destination, and facts about the process that owns a socket.
//!
//! Two implementors pass one suite: [`SystemNet`] is the kernel's network, [`MemoryNet`] is a
//! host of an in-memory [`Fabric`] with no port, no file and no clock but tokio's. The data plane
//! is generic over [`Net`]; everything else holds a [`BoxNet`], which is a `Net` too.
//!
//! It never decides who is trusted: it states facts (uid, gid, path of a process) and refuses to
//! state what it could not read twice the same way. Start at [`Net`].

mod boxed;
mod error;
mod facts;
mod memory;
mod name;
mod path;
mod seam;
mod system;
mod unix;

pub use boxed::{BoxListener, BoxNet, BoxStream};
pub use error::{DialError, FactsError, ListenError, OwnerError, ResolveError, UnixError};
pub use facts::{Holders, Owner, PeerCredentials, ProcessFacts, SocketPair};
pub use memory::{Fabric, MemoryListener, MemoryNet, MemoryStream};
pub use seam::{Connection, DialOptions, ListenOptions, Listener, Net, UnixListenOptions};
pub use system::{PidProof, SystemListener, SystemNet, SystemStream};
pub use unix::{Peer, UnixListener, UnixStream};
