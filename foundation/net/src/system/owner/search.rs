//! One walk through `/proc` for the holders of several sockets.
//!
//! The whole of `/proc` is read, not only a socket's user: a socket passed to another user is
//! held by both. Tables of threads are read too, since a thread may have its own. A list that may
//! lack a process is never called complete: it is [`Outcome::Incomplete`]. One exception: to a
//! node run by root, a process of root's that a security module hides from it (the supervisor of
//! a sandbox) is no reason to distrust the others: root could be any of them anyhow.
//!
//! Not seen at all are sockets in flight in a Unix message or parked in io_uring, and processes
//! of foreign pid namespaces that share our network.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{OFlag, readlinkat};
use nix::sys::stat::Mode;
use nix::unistd::geteuid;

use crate::error::FactsError;
use crate::facts::ProcessFacts;
use crate::system::process::{self, Reading};

/// What a search came to for one socket.
pub(super) enum Outcome {
    /// Every holder.
    Complete(Vec<ProcessFacts>),
    /// Some process could not be looked into, or there are too many.
    Incomplete,
    /// A holder changed while it was read.
    Moved,
}

/// What one walk found, by inode.
pub(super) enum Found {
    /// Every process was looked into.
    Walked {
        /// The processes that hold any of the sockets.
        holders: BTreeMap<u32, Holder>,
        /// Sockets of which a holder changed meanwhile.
        moved: BTreeSet<u32>,
        /// Sockets of which a holder could not be read.
        unreadable: BTreeSet<u32>,
    },
    /// Some process could not be looked into: nobody's list is complete.
    Incomplete,
    /// New processes kept coming.
    Moved,
}

/// A process that holds some of the sockets.
pub(super) struct Holder {
    reading: Reading,
    inodes: BTreeSet<u32>,
}

impl Found {
    /// What it came to for the socket of that inode.
    pub(super) fn outcome(&self, inode: u32) -> Outcome {
        let (holders, moved, unreadable) = match self {
            Self::Incomplete => return Outcome::Incomplete,
            Self::Moved => return Outcome::Moved,
            Self::Walked {
                holders,
                moved,
                unreadable,
            } => (holders, moved, unreadable),
        };
        if moved.contains(&inode) {
            return Outcome::Moved;
        }
        let its = holders.values().filter(|it| it.inodes.contains(&inode));
        let facts: Vec<_> = its.map(|it| it.reading.facts.clone()).collect();
        if facts.is_empty() || unreadable.contains(&inode) {
            return Outcome::Incomplete;
        }
        Outcome::Complete(facts)
    }
}

/// Looks for the holders of these sockets, given by inode. Blocks: some milliseconds per thousand
/// open descriptors.
pub(super) fn search(wanted: &BTreeSet<u32>) -> Found {
    if wanted.is_empty() {
        return Found::Moved;
    }
    let walk = Walk {
        wanted,
        budget: LINK_BUDGET,
        as_root: geteuid().is_root(),
        holders: BTreeMap::new(),
        moved: BTreeSet::new(),
        unreadable: BTreeSet::new(),
    };
    walk.run()
}

/// One walk.
struct Walk<'a> {
    wanted: &'a BTreeSet<u32>,
    /// Links that may still be read.
    budget: usize,
    /// Whether we are root.
    as_root: bool,
    holders: BTreeMap<u32, Holder>,
    moved: BTreeSet<u32>,
    unreadable: BTreeSet<u32>,
}

/// Why a process could not be searched.
enum Blocked {
    /// It ended, as processes do.
    Gone,
    /// Not ours to see, or over the budget.
    Hidden,
}

impl Walk<'_> {
    fn run(mut self) -> Found {
        if let Err(end) = self.find() {
            return end;
        }
        // What was read must hold after everything was read.
        for (pid, holder) in std::mem::take(&mut self.holders) {
            let after = process::read(pid);
            let unchanged = after.is_ok_and(|after| after == holder.reading);
            let held = self.held_by(pid).unwrap_or_default();
            let kept = holder.inodes.iter().filter(|it| held.contains(it));
            if !unchanged || kept.count() < holder.inodes.len() {
                self.moved.extend(&holder.inodes);
            }
            self.holders.insert(pid, holder);
        }
        Found::Walked {
            holders: self.holders,
            moved: self.moved,
            unreadable: self.unreadable,
        }
    }

    /// Searches until no process is new: one forked during the search holds what its parent held.
    fn find(&mut self) -> Result<(), Found> {
        let mut seen = BTreeSet::new();
        for _round in 0..ROUNDS {
            let listed = processes().map_err(|_hidden| Found::Incomplete)?;
            // Without its first process this /proc hides those of others (hidepid).
            if !listed.contains(&1) {
                return Err(Found::Incomplete);
            }
            let new: Vec<u32> = listed.difference(&seen).copied().collect();
            if new.is_empty() {
                return Ok(());
            }
            for pid in new {
                seen.insert(pid);
                match self.held_by(pid) {
                    Ok(inodes) if inodes.is_empty() => {}
                    Ok(inodes) => self.note(pid, inodes),
                    Err(Blocked::Gone) => {}
                    Err(Blocked::Hidden) if self.budget > 0 && self.is_superior(pid) => {}
                    Err(Blocked::Hidden) => return Err(Found::Incomplete),
                }
            }
        }
        Err(Found::Moved)
    }

    fn note(&mut self, pid: u32, inodes: BTreeSet<u32>) {
        match process::read(pid) {
            Ok(reading) => {
                self.holders.insert(pid, Holder { reading, inodes });
            }
            Err(FactsError::Unreadable { .. }) => self.unreadable.extend(inodes),
            Err(FactsError::Gone { .. } | FactsError::Changed { .. }) => self.moved.extend(inodes),
        }
    }

    /// Root's, and hidden even from root.
    fn is_superior(&self, pid: u32) -> bool {
        self.as_root && process::is_roots(pid)
    }

    /// Which of the sockets any thread of the process has open.
    fn held_by(&mut self, pid: u32) -> Result<BTreeSet<u32>, Blocked> {
        let path = format!("/proc/{pid}/task");
        let mut tasks = Dir::open(path.as_str(), DIRECTORY, Mode::empty()).map_err(blocked)?;
        let mut held = BTreeSet::new();
        for thread in names(&mut tasks)? {
            let table = [thread.as_bytes(), b"/fd"].concat();
            let table = Dir::openat(&tasks, table.as_slice(), DIRECTORY, Mode::empty());
            match table
                .map_err(blocked)
                .and_then(|it| self.table(it, &mut held))
            {
                Ok(()) | Err(Blocked::Gone) => {}
                Err(Blocked::Hidden) => return Err(Blocked::Hidden),
            }
        }
        Ok(held)
    }

    /// Reads one table of descriptors. Links are read relative to it: a whole path for each would
    /// look the process up again every time, which is most of the cost.
    fn table(&mut self, mut table: Dir, held: &mut BTreeSet<u32>) -> Result<(), Blocked> {
        for descriptor in names(&mut table)? {
            self.budget = self.budget.checked_sub(1).ok_or(Blocked::Hidden)?;
            match readlinkat(&table, descriptor.as_c_str()).map_err(blocked) {
                Ok(target) => held
                    .extend(socket(target.as_bytes()).filter(|inode| self.wanted.contains(inode))),
                Err(Blocked::Gone) => {}
                Err(Blocked::Hidden) => return Err(Blocked::Hidden),
            }
        }
        Ok(())
    }
}

/// The inode in `socket:[123]`.
fn socket(link: &[u8]) -> Option<u32> {
    let inode = link.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    std::str::from_utf8(inode).ok()?.parse().ok()
}

/// The entries of a folder, its own two left out.
fn names(folder: &mut Dir) -> Result<Vec<CString>, Blocked> {
    let mut names = Vec::new();
    for entry in folder.iter() {
        let entry = entry.map_err(blocked)?;
        let name = entry.file_name();
        if !name.to_bytes().starts_with(b".") {
            names.push(name.to_owned());
        }
    }
    Ok(names)
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

const fn blocked(error: Errno) -> Blocked {
    match error {
        Errno::ENOENT | Errno::ESRCH => Blocked::Gone,
        _ => Blocked::Hidden,
    }
}

const DIRECTORY: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_CLOEXEC);
/// How often new processes are looked for in one walk.
const ROUNDS: usize = 16;
/// Most descriptor links read in one walk: about a second.
const LINK_BUDGET: usize = 500_000;
