//! Keys as PKCS#8 files, 0600 in a 0700 folder.
//!
//! A key is written aside, flushed and linked into place, so that a name holds
//! a whole key or none and is never replaced. Wider modes, links and foreign
//! owners are refused before a byte is read.

use std::fmt;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pelago_store::BoxFuture;
use tokio::fs;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use zeroize::Zeroizing;

use super::error::KeyError;
use super::local::{LocalKey, check_name};
use super::seam::{Keyring, Signer};

/// A keyring in a folder; share it as `Arc<dyn Keyring>`.
pub struct DiskKeyring {
    folder: PathBuf,
}

impl DiskKeyring {
    /// The keyring in this folder, which is made 0700 if it is not there.
    ///
    /// # Errors
    /// [`KeyError`] when others may look into the folder, or it is none.
    pub async fn open(folder: impl Into<PathBuf>) -> Result<Self, KeyError> {
        let folder = folder.into();
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(FOLDER_MODE);
        let made = builder.create(&folder).await;
        made.map_err(|source| failed(&folder, "made", source))?;
        let keyring = Self { folder };
        keyring.check_folder().await?;
        Ok(keyring)
    }

    /// Checks the folder and returns its owner.
    async fn check_folder(&self) -> Result<u32, KeyError> {
        let found = fs::symlink_metadata(&self.folder).await;
        let found = found.map_err(|source| failed(&self.folder, "looked at", source))?;
        if !found.is_dir() {
            return Err(KeyError::Kind {
                path: self.folder.clone(),
                wanted: "folder",
            });
        }
        check_mode(&self.folder, found.permissions().mode(), FOLDER_MODE)?;
        Ok(found.uid())
    }

    async fn read(&self, name: &str) -> Result<Option<LocalKey>, KeyError> {
        let owner = self.check_folder().await?;
        let path = self.path(name);
        let found = match fs::symlink_metadata(&path).await {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(failed(&path, "looked at", source)),
        };
        if !found.is_file() {
            return Err(KeyError::Kind {
                path,
                wanted: "plain file",
            });
        }
        check_mode(&path, found.permissions().mode(), FILE_MODE)?;
        if found.uid() != owner {
            return Err(KeyError::Owner { path });
        }
        let read_failed = |source| failed(&path, "read", source);
        let file = fs::File::open(&path).await.map_err(read_failed)?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_FILE));
        let limit = u64::try_from(MAX_FILE).unwrap_or(u64::MAX);
        let mut file = file.take(limit);
        file.read_to_end(&mut bytes).await.map_err(read_failed)?;
        LocalKey::read(name, &bytes).map(Some)
    }

    async fn make(&self, name: &str) -> Result<LocalKey, KeyError> {
        let key = LocalKey::generate()?;
        let path = self.path(name);
        let unique: [u8; 8] = crate::entropy::random().map_err(|_| KeyError::Crypto)?;
        let aside = self
            .folder
            .join(format!(".{name}.{:016x}", u64::from_be_bytes(unique)));
        let written = self.write(&aside, &path, &key.pkcs8()?).await;
        // Whatever happened, nothing stays aside.
        let _ = fs::remove_file(&aside).await;
        match written {
            Ok(()) => Ok(key),
            // Somebody was quicker: theirs is the key.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let theirs = self.read(name).await?;
                theirs.ok_or_else(|| failed(&path, "made", error))
            }
            Err(source) => Err(failed(&path, "written", source)),
        }
    }

    async fn write(&self, aside: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true).mode(FILE_MODE);
        let mut file = options.open(aside).await?;
        file.write_all(bytes).await?;
        file.sync_all().await?;
        fs::hard_link(aside, path).await?;
        fs::File::open(&self.folder).await?.sync_all().await
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.pk8"))
    }
}

impl Keyring for DiskKeyring {
    fn open<'a>(
        &'a self,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<Arc<dyn Signer>>, KeyError>> {
        Box::pin(async move {
            check_name(name)?;
            Ok(self.read(name).await?.map(LocalKey::shared))
        })
    }

    fn create<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Arc<dyn Signer>, KeyError>> {
        Box::pin(async move {
            check_name(name)?;
            match self.read(name).await? {
                Some(key) => Ok(key.shared()),
                None => Ok(self.make(name).await?.shared()),
            }
        })
    }
}

impl fmt::Debug for DiskKeyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DiskKeyring").field(&self.folder).finish()
    }
}

fn check_mode(path: &Path, mode: u32, wanted: u32) -> Result<(), KeyError> {
    let mode = mode & 0o777;
    if mode & !wanted == 0 {
        return Ok(());
    }
    Err(KeyError::Mode {
        path: path.to_owned(),
        mode,
        wanted,
    })
}

fn failed(path: &Path, action: &'static str, source: io::Error) -> KeyError {
    KeyError::Io {
        path: path.to_owned(),
        action,
        source,
    }
}

const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
const MAX_FILE: usize = 4096;

#[cfg(test)]
mod tests;
