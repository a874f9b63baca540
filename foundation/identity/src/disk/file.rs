//! Files that hold keys: 0600 from their first byte, replaced whole, read without following links.
//!
//! Their text is zeroized wherever it was in memory, growing included. What it means is not known
//! here.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::unistd::{Gid, Uid};
use zeroize::Zeroizing;

use super::error::DiskError;

/// Text with keys in it, as it grows.
#[derive(Default)]
pub(crate) struct Text(Zeroizing<Vec<u8>>);

impl Text {
    /// What was written.
    pub(crate) fn into_bytes(self) -> Zeroizing<Vec<u8>> {
        self.0
    }

    /// Ends a line.
    pub(crate) fn line(&mut self) {
        self.push(b"\n");
    }

    /// Adds these bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let needed = self.0.len() + bytes.len();
        if needed > self.0.capacity() {
            // A vector that grows by itself leaves the old text behind.
            let mut larger = Zeroizing::new(Vec::with_capacity(needed.max(LEAST) * 2));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
    }
}

impl Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Makes `directory`, 0700, if it is missing.
///
/// # Errors
/// [`DiskError::Shared`] for one that others can write to, [`DiskError::Io`] for what the system
/// says.
pub(crate) fn directory(path: &Path) -> Result<(), DiskError> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path);
    made.map_err(DiskError::at("make", path))?;
    let metadata = fs::metadata(path).map_err(DiskError::at("read", path))?;
    let (owner, mode) = (metadata.uid(), metadata.mode());
    let ours = owner == Uid::effective().as_raw() || owner == 0;
    // Of our own group is what a umask of 002 makes, where it has nobody else.
    let group = mode & 0o020 != 0 && metadata.gid() != Gid::effective().as_raw();
    if !ours || group || mode & 0o002 != 0 {
        return Err(DiskError::Shared {
            path: path.to_path_buf(),
            owner,
            mode: mode & 0o7777,
        });
    }
    Ok(())
}

/// The text of `directory/name`; `None` when there is no such file.
///
/// # Errors
/// [`DiskError::Exposed`] when others may read it, [`DiskError::Io`] for a link or what the
/// system says.
pub(crate) fn read(directory: &Path, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, DiskError> {
    let path = directory.join(name);
    let at = |action| DiskError::at(action, &path);
    let opened = OpenOptions::new()
        .read(true)
        // A pipe put here must not hold us up.
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
        .open(&path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(at("open")(source)),
    };
    let metadata = file.metadata().map_err(at("read"))?;
    // Whoever could put it here could also choose whom we trust.
    let foreign = metadata.uid() != Uid::effective().as_raw();
    if metadata.mode() & 0o077 != 0 || !metadata.is_file() || foreign {
        return Err(DiskError::Exposed {
            mode: metadata.mode() & 0o7777,
            path,
        });
    }
    if metadata.len() > MAX_FILE {
        return Err(DiskError::damaged(&path));
    }
    // Room for all of it and the end of the file, so that it is read into one place.
    let room = usize::try_from(metadata.len()).unwrap_or(0) + 32;
    let mut text = Zeroizing::new(Vec::with_capacity(room));
    file.take(metadata.len())
        .read_to_end(&mut text)
        .map_err(at("read"))?;
    Ok(Some(text))
}

/// Replaces `directory/name` by this text, durably: write, fsync, rename, fsync.
///
/// # Errors
/// [`DiskError::Io`]; what was there before is still there then.
pub(crate) fn replace(directory: &Path, name: &str, text: &[u8]) -> Result<(), DiskError> {
    let path = directory.join(name);
    let next = directory.join(format!("{name}{NEXT}"));
    // One left by a crash may have any content, never any reader but us.
    match fs::remove_file(&next) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(DiskError::at("remove", &next)(error));
        }
        _ => {}
    }
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&next);
    let mut file = file.map_err(DiskError::at("make", &next))?;
    file.write_all(text)
        .map_err(DiskError::at("write", &next))?;
    file.sync_all().map_err(DiskError::at("sync", &next))?;
    fs::rename(&next, &path).map_err(DiskError::at("replace", &path))?;
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(DiskError::at("sync", directory))
}

/// Ends the name of what is being written.
pub(crate) const NEXT: &str = ".next";
const LEAST: usize = 32 * 1024;
/// Far above 1,024 bundles of a few roots each, and above 10,000 workloads.
const MAX_FILE: u64 = 64 * 1024 * 1024;
