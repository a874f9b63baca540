//! Who holds the caller's end of a local TCP connection: socket table, then `/proc`.
//!
//! The whole of `/proc` is read, not only the socket's user: a socket passed to another user is
//! held by both. Tables of threads are read too, since a thread may have its own. A list that may
//! lack a process is never called complete: it is [`Holders::Unreadable`]. One exception: to a
//! node run by root, a process of root's that a security module hides from it (the supervisor of
//! a sandbox) is no reason to distrust the others: root could be any of them anyhow.
//!
//! Not seen at all are sockets in flight in a Unix message or parked in io_uring, and processes
//! of foreign pid namespaces that share our network.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::geteuid;

use super::diag;
use super::process::{self, Reading};
use crate::error::{FactsError, OwnerError};
use crate::facts::{Holders, Owner, SocketPair};

/// Reads the owner of the peer's end. Blocks: some milliseconds per thousand processes.
pub(super) fn read(pair: SocketPair) -> Result<Owner, OwnerError> {
    let lookup = || {
        diag::lookup(pair.peer, pair.local)
            .map_err(|source| OwnerError::Table { source })?
            .ok_or(OwnerError::NotFound { pair })
    };
    for _attempt in 0..ATTEMPTS {
        let entry = lookup()?;
        let scan = Scan::new(entry.inode).run();
        // The inode is only taken while the connection lives: still the same, or start again.
        if lookup()? != entry {
            continue;
        }
        let holders = match scan {
            Outcome::Complete(holders) => Holders::Known(holders),
            Outcome::Incomplete => Holders::Unreadable,
            Outcome::Moved => continue,
        };
        let uid = entry.uid;
        return Ok(Owner { uid, holders });
    }
    Err(OwnerError::Changing { pair })
}

/// What a scan came to.
enum Outcome {
    /// Every holder.
    Complete(Vec<crate::facts::ProcessFacts>),
    /// Some process could not be looked into, or there are too many.
    Incomplete,
    /// A holder changed while it was read.
    Moved,
}

/// One search for the holders of a socket.
struct Scan {
    /// What the links in `/proc/PID/fd` say.
    link: PathBuf,
    /// Links that may still be read.
    budget: usize,
    /// Whether we are root.
    as_root: bool,
}

/// Why a process could not be searched.
enum Blocked {
    /// It ended, as processes do.
    Gone,
    /// Not ours to see, or over the budget.
    Hidden,
}

impl Scan {
    fn new(inode: u32) -> Self {
        Self {
            link: PathBuf::from(format!("socket:[{inode}]")),
            budget: LINK_BUDGET,
            as_root: geteuid().is_root(),
        }
    }

    fn run(mut self) -> Outcome {
        let found = match self.find() {
            Ok(found) if found.is_empty() => return Outcome::Incomplete,
            Ok(found) => found,
            Err(incomplete) => return incomplete,
        };
        // What was read must hold after everything was read.
        for (pid, before) in &found {
            let after = process::read(*pid);
            let unchanged = after.is_ok_and(|after| after == *before);
            if !unchanged || !matches!(self.holds(*pid), Ok(true)) {
                return Outcome::Moved;
            }
        }
        Outcome::Complete(found.into_values().map(|reading| reading.facts).collect())
    }

    /// Searches until no process is new: one forked during the search holds what its parent held.
    fn find(&mut self) -> Result<BTreeMap<u32, Reading>, Outcome> {
        let mut seen = BTreeSet::new();
        let mut found = BTreeMap::new();
        for _round in 0..ROUNDS {
            let listed = processes().map_err(|_hidden| Outcome::Incomplete)?;
            // Without its first process this /proc hides those of others (hidepid).
            if !listed.contains(&1) {
                return Err(Outcome::Incomplete);
            }
            let new: Vec<u32> = listed.difference(&seen).copied().collect();
            if new.is_empty() {
                return Ok(found);
            }
            for pid in new {
                seen.insert(pid);
                match self.holds(pid) {
                    Ok(true) => {
                        found.insert(pid, reading(pid)?);
                    }
                    Ok(false) | Err(Blocked::Gone) => {}
                    Err(Blocked::Hidden) if self.budget > 0 && self.is_superior(pid) => {}
                    Err(Blocked::Hidden) => return Err(Outcome::Incomplete),
                }
            }
        }
        Err(Outcome::Moved)
    }

    /// Root's, and hidden even from root.
    fn is_superior(&self, pid: u32) -> bool {
        self.as_root && process::is_roots(pid)
    }

    /// Whether any thread of the process has the socket open.
    fn holds(&mut self, pid: u32) -> Result<bool, Blocked> {
        let threads = fs::read_dir(format!("/proc/{pid}/task")).map_err(blocked)?;
        for thread in threads {
            let table = thread.map_err(blocked)?.path().join("fd");
            match self.table_has(&table) {
                Ok(false) | Err(Blocked::Gone) => {}
                held_or_hidden => return held_or_hidden,
            }
        }
        Ok(false)
    }

    fn table_has(&mut self, table: &Path) -> Result<bool, Blocked> {
        for descriptor in fs::read_dir(table).map_err(blocked)? {
            self.budget = self.budget.checked_sub(1).ok_or(Blocked::Hidden)?;
            match fs::read_link(descriptor.map_err(blocked)?.path()).map_err(blocked) {
                Ok(target) if target == self.link => return Ok(true),
                Ok(_) | Err(Blocked::Gone) => {}
                Err(Blocked::Hidden) => return Err(Blocked::Hidden),
            }
        }
        Ok(false)
    }
}

fn reading(pid: u32) -> Result<Reading, Outcome> {
    process::read(pid).map_err(|error| match error {
        FactsError::Unreadable { .. } => Outcome::Incomplete,
        FactsError::Gone { .. } | FactsError::Changed { .. } => Outcome::Moved,
    })
}

fn processes() -> io::Result<BTreeSet<u32>> {
    let mut pids = BTreeSet::new();
    for entry in fs::read_dir("/proc")? {
        if let Some(pid) = entry?.file_name().to_str().and_then(|n| n.parse().ok()) {
            pids.insert(pid);
        }
    }
    Ok(pids)
}

fn blocked(error: io::Error) -> Blocked {
    let gone = error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(Errno::ESRCH as i32);
    if gone { Blocked::Gone } else { Blocked::Hidden }
}

/// How often holders may change under us before we give up.
const ATTEMPTS: usize = 4;
/// How often new processes are looked for in one search.
const ROUNDS: usize = 16;
/// Most descriptor links read in one search: about a second.
const LINK_BUDGET: usize = 500_000;
