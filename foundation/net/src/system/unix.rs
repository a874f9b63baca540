//! Unix sockets of the kernel: listen where it is safe to, and take the peer's credentials.
//!
//! The credentials are those of `connect` and cannot be forged; the socket's file is removed
//! with its listener, unless somebody put another in its place.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::socket::{getsockopt, sockopt};
use socket2::{Domain, SockAddr, Socket, Type};

use super::accept::recover;
use super::directory;
use super::process::{PidProof, SystemPeer};
use crate::error::UnixError;
use crate::facts::PeerCredentials;
use crate::path::directory_of;
use crate::seam::UnixListenOptions;
use crate::unix::{AcceptUnix, Accepting, Peer, UnixListener, UnixStream};

/// Listens at a path.
pub(super) async fn listen(
    path: &Path,
    options: UnixListenOptions,
    proof: PidProof,
) -> Result<UnixListener, UnixError> {
    let parent = directory_of(path)?;
    directory::prepare(&parent, options.mode)?;
    let _lock = directory::lock(&parent, path).await?;
    directory::clear(path)?;
    let acceptor = bind(path, options, proof).map_err(|source| failed(path, source))?;
    Ok(UnixListener::new(acceptor, path))
}

/// Connects to a path.
pub(super) async fn dial(path: &Path, proof: PidProof) -> Result<UnixStream, UnixError> {
    directory_of(path)?;
    let stream = tokio::net::UnixStream::connect(path)
        .await
        .map_err(|source| failed(path, source))?;
    with_peer(stream, proof).map_err(|source| failed(path, source))
}

fn bind(path: &Path, options: UnixListenOptions, proof: PidProof) -> io::Result<Acceptor> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let file = File::at(path)?;
    // Before it listens: nobody connects under the mode that the umask left.
    fs::set_permissions(path, Permissions::from_mode(options.mode))?;
    socket.listen(BACKLOG)?;
    let listener = tokio::net::UnixListener::from_std(socket.into())?;
    Ok(Acceptor {
        listener,
        proof,
        _file: file,
    })
}

struct Acceptor {
    listener: tokio::net::UnixListener,
    proof: PidProof,
    _file: File,
}

impl AcceptUnix for Acceptor {
    fn accept(&mut self) -> Accepting<'_> {
        Box::pin(async move {
            loop {
                match self.listener.accept().await {
                    // One whose peer the kernel will not name is nobody's: close it.
                    Ok((stream, _unnamed)) => {
                        if let Ok(stream) = with_peer(stream, self.proof) {
                            return Ok(stream);
                        }
                    }
                    Err(error) => recover(error).await?,
                }
            }
        })
    }
}

fn with_peer(stream: tokio::net::UnixStream, proof: PidProof) -> io::Result<UnixStream> {
    let told = getsockopt(&stream, sockopt::PeerCredentials)?;
    let credentials = PeerCredentials {
        pid: u32::try_from(told.pid()).ok().filter(|pid| *pid != 0),
        uid: told.uid(),
        gid: told.gid(),
    };
    let process = SystemPeer::of(&stream, credentials.pid, proof);
    Ok(UnixStream::new(
        stream,
        Peer::new(credentials, Arc::new(process)),
    ))
}

/// The file of a bound socket; removes it when dropped if it is still the same one.
struct File {
    path: PathBuf,
    identity: (u64, u64),
}

impl File {
    fn at(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_path_buf(),
            identity: identify(path)?,
        })
    }
}

impl Drop for File {
    fn drop(&mut self) {
        if identify(&self.path).is_ok_and(|now| now == self.identity) {
            // Left behind, it is stale, and the next listener replaces it.
            let _left_behind = fs::remove_file(&self.path);
        }
    }
}

fn identify(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

fn failed(path: &Path, source: io::Error) -> UnixError {
    let path = path.to_path_buf();
    match Errno::from_raw(source.raw_os_error().unwrap_or(0)) {
        Errno::EADDRINUSE => UnixError::InUse { path },
        Errno::ECONNREFUSED | Errno::ENOENT => UnixError::Refused { path },
        Errno::EACCES | Errno::EPERM => UnixError::Denied { path },
        _ => UnixError::Io { path, source },
    }
}

/// Connections the kernel keeps for us; it cuts this to `net.core.somaxconn`.
const BACKLOG: i32 = 1024;
