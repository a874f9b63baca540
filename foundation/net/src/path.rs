//! What may be the path of a Unix socket. Pure: touches no file.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::error::UnixError;

/// Refuses a path the kernel would not take (unix(7)), and returns its directory.
pub(crate) fn directory_of(path: &Path) -> Result<PathBuf, UnixError> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.len() > PATH_LIMIT {
        return Err(UnixError::PathTooLong {
            path: path.to_path_buf(),
            bytes: bytes.len(),
            limit: PATH_LIMIT,
        });
    }
    match (path.file_name(), path.parent()) {
        (Some(_name), Some(parent)) if !bytes.contains(&0) => {
            let here = parent.as_os_str().is_empty();
            Ok(if here {
                PathBuf::from(".")
            } else {
                parent.into()
            })
        }
        _ => Err(UnixError::BadPath {
            path: path.to_path_buf(),
        }),
    }
}

/// `sun_path` is 108 bytes with its final NUL.
const PATH_LIMIT: usize = 107;

#[cfg(test)]
mod tests;
