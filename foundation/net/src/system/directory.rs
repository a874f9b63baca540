//! Whether a Unix socket may be put at a path: directory, what is there, and one starter at a time.
//!
//! Synchronous file operations, a handful each. It removes nothing but a dead socket of ours.

use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::unistd::geteuid;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::error::UnixError;

/// Makes the directory if absent, and refuses one in which another user could replace the socket.
pub(super) fn prepare(directory: &Path, socket_mode: u32) -> Result<(), UnixError> {
    let io = |source| UnixError::Io {
        path: directory.to_path_buf(),
        source,
    };
    if !directory.try_exists().map_err(io)? {
        let mode = if socket_mode & 0o006 == 0 {
            0o700
        } else {
            0o755
        };
        DirBuilder::new()
            .recursive(true)
            .mode(mode)
            .create(directory)
            .map_err(io)?;
        // The umask may have taken bits that other users need.
        fs::set_permissions(directory, Permissions::from_mode(mode)).map_err(io)?;
    }
    let found = fs::metadata(directory).map_err(io)?;
    if found.uid() != 0 && found.uid() != geteuid().as_raw() {
        return Err(UnixError::ForeignDirectory {
            directory: directory.to_path_buf(),
            uid: found.uid(),
        });
    }
    let mode = found.mode() & 0o7777;
    if mode & 0o1002 == 0o002 {
        return Err(UnixError::WritableDirectory {
            directory: directory.to_path_buf(),
            mode,
        });
    }
    Ok(())
}

/// Held while a socket is replaced, so that two starters cannot both find the other's dead.
pub(super) async fn lock(directory: &Path, path: &Path) -> Result<File, UnixError> {
    let io = |source| UnixError::Io {
        path: directory.to_path_buf(),
        source,
    };
    let file = File::open(directory).map_err(io)?;
    for _attempt in 0..LOCK_ATTEMPTS {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_PAUSE).await,
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
    }
    Err(UnixError::InUse {
        path: path.to_path_buf(),
    })
}

/// Removes a socket of ours that nobody listens on; refuses everything else that is there.
pub(super) fn clear(path: &Path) -> Result<(), UnixError> {
    let io = |source| UnixError::Io {
        path: path.to_path_buf(),
        source,
    };
    let path_buf = || path.to_path_buf();
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io(error)),
    };
    if !found.file_type().is_socket() {
        return Err(UnixError::NotASocket { path: path_buf() });
    }
    if found.uid() != geteuid().as_raw() {
        return Err(UnixError::ForeignSocket {
            path: path_buf(),
            uid: found.uid(),
        });
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(io)?;
    // A full queue must not hold us: it means that somebody listens.
    probe.set_nonblocking(true).map_err(io)?;
    match probe.connect(&SockAddr::unix(path).map_err(io)?) {
        Err(error) if error.raw_os_error() == Some(Errno::ECONNREFUSED as i32) => {
            fs::remove_file(path).map_err(io)
        }
        _ => Err(UnixError::InUse { path: path_buf() }),
    }
}

const LOCK_ATTEMPTS: usize = 200;
const LOCK_PAUSE: Duration = Duration::from_millis(10);
