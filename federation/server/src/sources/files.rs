//! A watched folder of YAML files.
//!
//! The kernel says that something changed and a slow rescan makes up for what it
//! does not say; either way the whole folder is read again, after a moment of
//! quiet. A folder that cannot be read is reported and changes nothing.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::fcntl::OFlag;
use notify::{RecursiveMode, Watcher as _};
use pelago_resources::{Finding, Severity};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::teller::Teller;

/// Reads the folder until dropped.
pub(crate) async fn run(folder: PathBuf, mut teller: Teller) {
    let stirred = Arc::new(Notify::new());
    let mut watcher = None;
    loop {
        if watcher.is_none() {
            watcher = watch(&folder, &stirred);
        }
        let place = folder.clone();
        match tokio::task::spawn_blocking(move || scan(&place)).await {
            Ok(Ok(scan)) => teller.all(scan.texts, scan.refused),
            Ok(Err(error)) => {
                // The kernel forgets a folder that is gone.
                watcher = None;
                teller.unreadable(unreadable(&folder, &error));
            }
            Err(error) => {
                let error = std::io::Error::other(error);
                teller.unreadable(unreadable(&folder, &error));
            }
        }
        let pause = if watcher.is_some() { RESCAN } else { RETRY };
        let _ = timeout(pause, stirred.notified()).await;
        settle(&stirred).await;
    }
}

/// Waits for a moment without events, but not for ever.
async fn settle(stirred: &Notify) {
    let quiet = async { while timeout(QUIET, stirred.notified()).await.is_ok() {} };
    tokio::select! {
        () = quiet => {}
        () = sleep(PATIENCE) => {}
    }
}

fn watch(folder: &Path, stirred: &Arc<Notify>) -> Option<notify::RecommendedWatcher> {
    let bell = Arc::clone(stirred);
    let ring = move |event: notify::Result<notify::Event>| {
        // Our own reading is no change.
        if !event.is_ok_and(|event| event.kind.is_access()) {
            bell.notify_one();
        }
    };
    let watched = notify::recommended_watcher(ring).and_then(|mut watcher| {
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
        Ok(watcher)
    });
    match watched {
        Ok(watcher) => Some(watcher),
        Err(error) => {
            tracing::warn!(folder = %folder.display(), %error, "the folder cannot be watched: it is read again every {} s", RETRY.as_secs());
            None
        }
    }
}

struct Scan {
    texts: BTreeMap<String, String>,
    refused: BTreeMap<String, Finding>,
}

fn scan(folder: &Path) -> std::io::Result<Scan> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let known = ["yaml", "yml", "json"]
            .iter()
            .any(|suffix| path.extension().is_some_and(|own| own == *suffix));
        // Editors and mounted ConfigMaps keep their own files behind a dot.
        if known && !name.starts_with('.') {
            paths.push(path);
        }
    }
    paths.sort();
    let mut scan = Scan {
        texts: BTreeMap::new(),
        refused: BTreeMap::new(),
    };
    let mut room = MAX_FOLDER;
    for (index, path) in paths.iter().enumerate() {
        let name = path.display().to_string();
        let outcome = if index < MAX_FILES {
            text(path, room)
        } else {
            Err(format!(
                "at most {MAX_FILES} files are read from one folder"
            ))
        };
        match outcome {
            Ok(Some(text)) => {
                room = room.saturating_sub(size(&text));
                scan.texts.insert(name, text);
            }
            Ok(None) => {}
            Err(why) => {
                let finding = Finding::new(Severity::Error, &name, "file", "", &why);
                scan.refused.insert(name, finding);
            }
        }
    }
    Ok(scan)
}

/// The file's text; `None` if it is gone by now or is a folder.
fn text(path: &Path, room: u64) -> Result<Option<String>, String> {
    let cannot =
        |error: std::io::Error| format!("cannot be read: {error}; what it said before holds");
    // A pipe without a writer would wait for one for ever.
    let file = fs::OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path);
    let file = match file {
        Ok(file) => file,
        // A link that leads nowhere for a moment is there all the same.
        Err(error) if error.kind() == ErrorKind::NotFound && path.symlink_metadata().is_err() => {
            return Ok(None);
        }
        Err(error) => return Err(cannot(error)),
    };
    let kind = file.metadata().map_err(cannot)?;
    if kind.is_dir() {
        return Ok(None);
    }
    if !kind.is_file() {
        return Err("is no file that can be read; what it said before holds".to_owned());
    }
    let mut text = String::new();
    file.take(MAX_FILE + 1)
        .read_to_string(&mut text)
        .map_err(cannot)?;
    if size(&text) > MAX_FILE {
        return Err(format!(
            "has more than {MAX_FILE} bytes: split it; what it said before holds"
        ));
    }
    if size(&text) > room {
        return Err(format!(
            "makes the folder larger than {MAX_FOLDER} bytes; what it said before holds"
        ));
    }
    Ok(Some(text))
}

fn size(text: &str) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX)
}

fn unreadable(folder: &Path, error: &std::io::Error) -> Finding {
    let message = format!("cannot be read: {error}; everything it said before holds");
    Finding::new(
        Severity::Error,
        &folder.display().to_string(),
        "folder",
        "",
        &message,
    )
}

const MAX_FILES: usize = 10_000;
const MAX_FILE: u64 = 16 * 1024 * 1024;
/// All files together.
const MAX_FOLDER: u64 = 64 * 1024 * 1024;
/// No event for so long means that writing is done.
const QUIET: Duration = Duration::from_millis(50);
/// Someone who never stops writing is read all the same.
const PATIENCE: Duration = Duration::from_millis(500);
const RESCAN: Duration = Duration::from_secs(30);
const RETRY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
