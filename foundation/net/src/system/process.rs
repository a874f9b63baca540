//! One process as `/proc` shows it, and proof that a pid still means the process it meant.
//!
//! Everything is read between two equal readings of start time and credentials; a process that
//! changed meanwhile is refused, never half described. An `execve` by the process itself does
//! not change what it is to the kernel: the path is that of the program it runs now.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::socket::{getsockopt, sockopt};

use crate::error::FactsError;
use crate::facts::{PeerCredentials, ProcessFacts};
use crate::unix::PeerProcess;

/// How to prove that the pid of a Unix peer was not given to another process since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PidProof {
    /// `SO_PEERPIDFD` (Linux 6.5), which names the process whatever happens to its pid; where the
    /// kernel lacks it, as `StartTime`.
    PidFd,
    /// The start time of the process (`/proc/PID/stat`, field 22), noted at accept and compared
    /// at each reading. A pid reused by the same user is not noticed between connect and accept,
    /// nor within the tick (10 ms) in which the peer started.
    StartTime,
}

/// What a process was at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reading {
    /// Its facts.
    pub(super) facts: ProcessFacts,
    /// Start time in clock ticks since boot: with the pid, unique until the next boot.
    pub(super) started: u64,
}

/// Reads a process of this pid namespace.
pub(super) fn read(pid: u32) -> Result<Reading, FactsError> {
    let started = start_time(pid)?;
    let status = status(pid)?;
    let path = executable(pid)?;
    if start_time(pid)? != started || self::status(pid)? != status {
        return Err(FactsError::Changed { pid });
    }
    let Status { uid, gid, groups } = status;
    let facts = ProcessFacts {
        pid: Some(pid),
        uid,
        gid,
        groups,
        path,
    };
    Ok(Reading { facts, started })
}

/// The process at the other end of a Unix socket.
pub(super) struct SystemPeer {
    identity: Identity,
}

/// What tells the peer's process from a later one of the same pid.
enum Identity {
    PidFd(OwnedFd),
    StartTime(u64),
    /// It was gone, or could not be proven, when we accepted.
    Unproven,
}

impl SystemPeer {
    /// Takes the proof from a connected socket.
    pub(super) fn of(socket: &impl AsFd, pid: Option<u32>, proof: PidProof) -> Self {
        let by_start_time = || {
            pid.and_then(|pid| start_time(pid).ok())
                .map_or(Identity::Unproven, Identity::StartTime)
        };
        let identity = match proof {
            PidProof::StartTime => by_start_time(),
            PidProof::PidFd => match getsockopt(socket, sockopt::PeerPidfd) {
                Ok(pidfd) => Identity::PidFd(pidfd),
                Err(Errno::ENOPROTOOPT) => by_start_time(),
                Err(_) => Identity::Unproven,
            },
        };
        Self { identity }
    }

    fn check(&self, pid: u32, reading: Option<&Reading>) -> Result<(), FactsError> {
        match &self.identity {
            Identity::PidFd(pidfd) => match pid_of(pidfd) {
                Ok(Some(now)) if now == pid => Ok(()),
                Ok(_) => Err(FactsError::Gone { pid }),
                Err(source) => Err(FactsError::Unreadable { pid, source }),
            },
            Identity::StartTime(then) => match reading {
                Some(reading) if reading.started != *then => Err(FactsError::Gone { pid }),
                _ => Ok(()),
            },
            Identity::Unproven => Err(FactsError::Gone { pid }),
        }
    }
}

impl PeerProcess for SystemPeer {
    fn facts(&self, opened_by: PeerCredentials) -> Result<ProcessFacts, FactsError> {
        let Some(pid) = opened_by.pid else {
            return Ok(ProcessFacts::of_user(opened_by.uid, opened_by.gid));
        };
        self.check(pid, None)?;
        let reading = read(pid)?;
        self.check(pid, Some(&reading))?;
        if (reading.facts.uid, reading.facts.gid) != (opened_by.uid, opened_by.gid) {
            return Err(FactsError::Changed { pid });
        }
        Ok(reading.facts)
    }
}

/// The pid a pidfd stands for; `None` once the process is reaped (`-1`) or not visible (`0`).
fn pid_of(pidfd: &OwnedFd) -> io::Result<Option<u32>> {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd()))?;
    Ok(field(&info, "Pid:")
        .and_then(|pid| pid.trim().parse().ok())
        .filter(|pid| *pid != 0))
}

/// `/proc/PID/stat` field 22; a zombie is gone.
fn start_time(pid: u32) -> Result<u64, FactsError> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).map_err(|e| failed(pid, e))?;
    // Field 2, the command, may hold anything, parentheses too: count from its end.
    let mut fields = stat
        .rsplit_once(')')
        .map(|(_command, rest)| rest.split_ascii_whitespace())
        .ok_or_else(|| unexpected(pid))?;
    if let None | Some("Z" | "X") = fields.next() {
        return Err(FactsError::Gone { pid });
    }
    fields
        .nth(22 - 4)
        .and_then(|ticks| ticks.parse().ok())
        .ok_or_else(|| unexpected(pid))
}

#[derive(PartialEq, Eq)]
struct Status {
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
}

/// Effective ids and groups from `/proc/PID/status`.
fn status(pid: u32) -> Result<Status, FactsError> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).map_err(|e| failed(pid, e))?;
    let numbers = |name| {
        let list = field(&text, name)?.split_ascii_whitespace();
        list.map(|id| id.parse().ok()).collect::<Option<Vec<u32>>>()
    };
    // "Uid:" and "Gid:" list the real, effective, saved and file system id (proc(5)).
    let effective = |name| numbers(name)?.get(1).copied();
    let (Some(uid), Some(gid), Some(mut groups)) =
        (effective("Uid:"), effective("Gid:"), numbers("Groups:"))
    else {
        return Err(unexpected(pid));
    };
    groups.sort_unstable();
    groups.dedup();
    Ok(Status { uid, gid, groups })
}

/// Whether a process is root's in every way (real, effective, saved, file system id).
pub(super) fn is_roots(pid: u32) -> bool {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    field(&text, "Uid:").is_some_and(|ids| ids.split_ascii_whitespace().eq(["0"; 4]))
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name))
}

/// The executable's path, if that path is the running file for us too: the link is text, and a
/// process in a mount namespace of its own, or one that replaced the file, chooses that text.
fn executable(pid: u32) -> Result<Option<PathBuf>, FactsError> {
    let link = PathBuf::from(format!("/proc/{pid}/exe"));
    let running = match identify(&link) {
        Ok(running) => running,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(None),
        Err(error) => return Err(failed(pid, error)),
    };
    let path = fs::read_link(&link).map_err(|e| failed(pid, e))?;
    let same = identify(&path).is_ok_and(|named| named == running);
    Ok(same.then_some(path))
}

/// Device and inode.
fn identify(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|file| (file.dev(), file.ino()))
}

fn failed(pid: u32, source: io::Error) -> FactsError {
    let gone = source.kind() == io::ErrorKind::NotFound
        || source.raw_os_error() == Some(Errno::ESRCH as i32);
    if gone {
        FactsError::Gone { pid }
    } else {
        FactsError::Unreadable { pid, source }
    }
}

fn unexpected(pid: u32) -> FactsError {
    let source = io::Error::new(io::ErrorKind::InvalidData, "unexpected form of /proc");
    FactsError::Unreadable { pid, source }
}
