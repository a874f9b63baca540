//! One error per operation, each with the fields a caller needs to say what to do next.
//!
//! A source is never repeated in the text; print the chain.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

/// Why listening failed.
#[derive(Debug, Error)]
pub enum ListenError {
    /// Somebody else listens there.
    #[error("{at} is in use: stop the process that listens there or choose another port")]
    InUse {
        /// The address asked for.
        at: SocketAddr,
    },
    /// This host does not have that address.
    #[error("{at} is not an address of this host: listen on one it has, or on 0.0.0.0 or [::]")]
    NotOurs {
        /// The address asked for.
        at: SocketAddr,
    },
    /// The port needs a privilege that this process lacks.
    #[error("{at} needs CAP_NET_BIND_SERVICE: choose a port above 1023 or grant it")]
    Denied {
        /// The address asked for.
        at: SocketAddr,
    },
    /// Anything else the kernel says.
    #[error("cannot listen on {at}")]
    Io {
        /// The address asked for.
        at: SocketAddr,
        /// The kernel's error.
        #[source]
        source: io::Error,
    },
}

/// Why a connection did not open. All but `Source` may be met by trying another endpoint.
#[derive(Debug, Error)]
pub enum DialError {
    /// The host answered that nobody listens there.
    #[error("{to} refused the connection: nothing listens there")]
    Refused {
        /// The address dialled.
        to: SocketAddr,
    },
    /// No answer in time.
    #[error("{to} did not answer within {} ms", .after.as_millis())]
    TimedOut {
        /// The address dialled.
        to: SocketAddr,
        /// How long was waited.
        after: Duration,
    },
    /// No way there: no route, or a router said so.
    #[error("{to} is unreachable from this host")]
    Unreachable {
        /// The address dialled.
        to: SocketAddr,
    },
    /// The local address asked for cannot be used: not ours, or of the other family.
    #[error("cannot dial {to} from {from}: give an address of this host and of the same family")]
    Source {
        /// The address dialled.
        to: SocketAddr,
        /// The local address asked for.
        from: IpAddr,
    },
    /// Anything else the kernel says.
    #[error("cannot connect to {to}")]
    Io {
        /// The address dialled.
        to: SocketAddr,
        /// The kernel's error.
        #[source]
        source: io::Error,
    },
}

/// Why a Unix socket could not be listened on or connected to.
#[derive(Debug, Error)]
pub enum UnixError {
    /// The kernel takes no such path.
    #[error("socket path {} has {bytes} bytes, at most {limit} fit: choose a shorter directory", .path.display())]
    PathTooLong {
        /// The path asked for.
        path: PathBuf,
        /// Its length.
        bytes: usize,
        /// The most that fit.
        limit: usize,
    },
    /// The path names no file in a directory, or holds a NUL.
    #[error("{} cannot name a socket: give a path of a file in a directory", .path.display())]
    BadPath {
        /// The path asked for.
        path: PathBuf,
    },
    /// Somebody listens there.
    #[error("{} is in use: stop the process that listens there or choose another path", .path.display())]
    InUse {
        /// The path asked for.
        path: PathBuf,
    },
    /// Something that is no socket is there; it is left alone.
    #[error("{} exists and is no socket: move it away or choose another path", .path.display())]
    NotASocket {
        /// The path asked for.
        path: PathBuf,
    },
    /// A socket of another user is there; it is left alone.
    #[error("{} belongs to uid {uid}, not to us: remove it or choose another path", .path.display())]
    ForeignSocket {
        /// The path asked for.
        path: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// Everybody may replace files in the directory.
    #[error("directory {} is writable by everyone (mode {mode:o}): use one that is not, or set its sticky bit", .directory.display())]
    WritableDirectory {
        /// The socket's directory.
        directory: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Another user may replace files in the directory.
    #[error("directory {} belongs to uid {uid}, neither ours nor root's: use another or change its owner", .directory.display())]
    ForeignDirectory {
        /// The socket's directory.
        directory: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// Nobody listens at the path.
    #[error("nothing listens on {}: start the process that serves it", .path.display())]
    Refused {
        /// The path asked for.
        path: PathBuf,
    },
    /// The socket's permissions do not let us connect.
    #[error("no permission to use {}: run as its owner, or as a user its mode admits", .path.display())]
    Denied {
        /// The path asked for.
        path: PathBuf,
    },
    /// Anything else the kernel says.
    #[error("cannot use socket {}", .path.display())]
    Io {
        /// The path asked for.
        path: PathBuf,
        /// The kernel's error.
        #[source]
        source: io::Error,
    },
}

/// Why a name has no addresses.
#[derive(Debug, Error)]
pub enum ResolveError {
    /// Empty, over 253 bytes, or with a character no host name has (RFC 1123 section 2.1).
    #[error("{host:?} is no host name: letters, digits, '-', '_' and '.', at most 253 bytes")]
    BadName {
        /// The name asked for.
        host: String,
    },
    /// There is no such name, or it has no address.
    #[error("{host} has no address: check the name")]
    NotFound {
        /// The name asked for.
        host: String,
    },
    /// The resolver did not answer in time.
    #[error("{host} was not resolved within {} ms: check the resolver", .after.as_millis())]
    TimedOut {
        /// The name asked for.
        host: String,
        /// How long was waited.
        after: Duration,
    },
    /// The resolver failed or does not know the name; the system does not tell them apart.
    #[error("{host} was not resolved: check the name and the resolver")]
    Failed {
        /// The name asked for.
        host: String,
        /// The resolver's error.
        #[source]
        source: io::Error,
    },
}

/// Why the owner of a socket is not known. The connection then belongs to no workload.
#[derive(Debug, Error)]
pub enum OwnerError {
    /// No such open socket on this machine: remote, already closed, or closing.
    #[error("no process of this host holds the socket {} -> {}", .pair.peer, .pair.local)]
    NotFound {
        /// The connection asked for.
        pair: crate::facts::SocketPair,
    },
    /// Its holders changed each time they were read.
    #[error("the processes holding {} -> {} kept changing while they were read", .pair.peer, .pair.local)]
    Changing {
        /// The connection asked for.
        pair: crate::facts::SocketPair,
    },
    /// The kernel's socket table (`NETLINK_SOCK_DIAG`) did not answer as it should.
    #[error("the kernel's socket table cannot be read (NETLINK_SOCK_DIAG, needs inet_diag)")]
    Table {
        /// The kernel's error.
        #[source]
        source: io::Error,
    },
}

/// Why nothing can be said about the process at the other end of a Unix socket.
#[derive(Debug, Error)]
pub enum FactsError {
    /// It has ended.
    #[error("process {pid}, which opened the socket, has ended")]
    Gone {
        /// Its former process id.
        pid: u32,
    },
    /// It is not the process, user or group that opened the socket, or became another program
    /// while it was read.
    #[error("process {pid} is no longer what it was when it opened the socket")]
    Changed {
        /// Its process id.
        pid: u32,
    },
    /// `/proc` does not let us read it.
    #[error("process {pid} cannot be read: give this process CAP_SYS_PTRACE or the same user")]
    Unreadable {
        /// Its process id.
        pid: u32,
        /// The kernel's error.
        #[source]
        source: io::Error,
    },
}
