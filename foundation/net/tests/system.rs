//! What only the kernel's network can show: other processes, files, permissions.
//!
//! Other processes are this test binary again (see [`caller`]) or `cat` with a socket as its
//! standard input. Tests that need root say so when they are skipped.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "fixtures of tests are test code"
)]

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::unistd::geteuid;
use pelago_net::{
    Connection, FactsError, Holders, ListenOptions, Listener, Net, OwnerError, PidProof, SystemNet,
    UnixError, UnixListenOptions, UnixStream,
};
use tests_suites::skip::skip;
use tokio::sync::Mutex;

const NOBODY: u32 = 65_534;

/// Tests that start processes, or say exactly who holds a socket, run one at a time: between
/// fork and exec a child holds every socket of this process.
static ALONE: Mutex<()> = Mutex::const_new(());

/// A process of this test, ended with it.
struct Process(Child);

impl Process {
    fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    /// This binary, connected to a TCP address or a Unix path.
    fn caller(target: &str) -> Self {
        let binary = std::env::current_exe().unwrap();
        let mut command = Command::new(binary);
        command.args(["caller", "--exact", "--ignored", "--nocapture"]);
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Self::start(pipes);
        writeln!(process.0.stdin.as_ref().unwrap(), "{target}").unwrap();
        let mut lines = BufReader::new(process.0.stdout.as_mut().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().ends_with("connected")));
        process
    }

    /// `cat` with this socket as its standard input.
    fn cat(socket: OwnedFd, user: Option<u32>) -> Self {
        let mut command = Command::new("cat");
        if let Some(uid) = user {
            std::os::unix::process::CommandExt::uid(&mut command, uid);
        }
        Self::start(command.stdin(Stdio::from(socket)).stdout(Stdio::null()))
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn end(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _already_ended = self.0.kill();
        let _already_reaped = self.0.wait();
    }
}

/// Not a test: what [`Process::caller`] runs. Connects where its first line says and holds the
/// connection until its standard input ends.
#[test]
#[ignore = "run by the tests of this file"]
fn caller() {
    let mut input = BufReader::new(std::io::stdin());
    let mut target = String::new();
    input.read_line(&mut target).unwrap();
    let target = target.trim();
    if target.is_empty() {
        return;
    }
    let _held: OwnedFd = match target.parse::<SocketAddr>() {
        Ok(address) => std::net::TcpStream::connect(address).unwrap().into(),
        Err(_path) => std::os::unix::net::UnixStream::connect(target)
            .unwrap()
            .into(),
    };
    println!("connected");
    input.read_to_end(&mut Vec::new()).unwrap();
}

/// Not a test: asks, as whoever runs it, who holds a connection of its own.
#[tokio::test]
#[ignore = "run by the tests of this file"]
async fn asker() {
    let (_socket, accepted) = tcp().await;
    println!(
        "{:?}",
        SystemNet::new().owner(accepted.pair()).await.unwrap()
    );
}

fn is_root(test: &str) -> bool {
    let root = geteuid().is_root();
    if !root {
        skip(test, "needs root");
    }
    root
}

fn directory() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("agent.sock");
    (directory, socket)
}

async fn listen_unix(path: &Path) -> Result<pelago_net::UnixListener, UnixError> {
    SystemNet::new()
        .listen_unix(path, UnixListenOptions::EVERYONE)
        .await
}

/// Accepted from a caller of another process, with this proof.
async fn called(proof: PidProof) -> (Process, UnixStream) {
    let (_directory, path) = directory();
    let net = SystemNet::with_pid_proof(proof);
    let mut listener = net
        .listen_unix(&path, UnixListenOptions::EVERYONE)
        .await
        .unwrap();
    let caller = Process::caller(path.to_str().unwrap());
    (caller, listener.accept().await.unwrap())
}

#[tokio::test]
async fn a_unix_peer_of_another_process_is_that_process() {
    let _alone = ALONE.lock().await;
    for proof in [PidProof::PidFd, PidProof::StartTime] {
        let (caller, stream) = called(proof).await;
        let facts = stream.peer().facts().unwrap();
        assert_eq!(facts.pid, Some(caller.pid()));
        assert_eq!(facts.uid, geteuid().as_raw());
        assert_eq!(facts.path, std::env::current_exe().ok(), "{proof:?}");
        let mut groups: Vec<u32> = nix::unistd::getgroups()
            .unwrap()
            .iter()
            .map(|gid| gid.as_raw())
            .collect();
        groups.sort_unstable();
        groups.dedup();
        assert_eq!(facts.groups, groups);
    }
}

#[tokio::test]
async fn a_unix_peer_that_ended_is_nobody() {
    let _alone = ALONE.lock().await;
    for proof in [PidProof::PidFd, PidProof::StartTime] {
        let (mut caller, stream) = called(proof).await;
        // Ended and not yet reaped, then reaped.
        caller.0.kill().unwrap();
        let mut gone = stream.peer().facts();
        while gone.is_ok() {
            gone = stream.peer().facts();
        }
        assert!(matches!(
            gone,
            Err(FactsError::Gone { .. } | FactsError::Changed { .. })
        ));
        caller.end();
        let gone = stream.peer().facts();
        assert!(
            matches!(gone, Err(FactsError::Gone { .. })),
            "{proof:?}: {gone:?}"
        );
        assert_eq!(stream.peer().credentials().pid, Some(caller.pid()));
    }
}

#[tokio::test]
async fn a_reused_pid_is_not_the_peer() {
    let _alone = ALONE.lock().await;
    if !is_root("a_reused_pid_is_not_the_peer") {
        return;
    }
    for proof in [PidProof::PidFd, PidProof::StartTime] {
        let (mut caller, stream) = called(proof).await;
        stream.peer().facts().unwrap();
        let started = started(caller.pid());
        caller.end();
        let Some(_other) = reuse(caller.pid(), &started) else {
            return skip("a_reused_pid_is_not_the_peer", "pids cannot be chosen here");
        };
        let gone = stream.peer().facts();
        assert!(
            matches!(gone, Err(FactsError::Gone { .. })),
            "{proof:?}: {gone:?}"
        );
    }
}

/// A process with this pid that started in a later tick. Others start processes too, so it may
/// take some attempts.
fn reuse(pid: u32, ended: &str) -> Option<Process> {
    (0..500).find_map(|_attempt| {
        fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string()).ok()?;
        let mut sleep = Command::new("sleep");
        let process = Process::start(sleep.arg("60"));
        (process.pid() == pid && started(pid) != ended).then_some(process)
    })
}

/// Field 22 of `/proc/PID/stat`.
fn started(pid: u32) -> String {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_command, rest) = stat.rsplit_once(") ").unwrap();
    rest.split(' ').nth(19).unwrap().to_owned()
}

#[tokio::test]
async fn a_peer_that_changed_its_user_is_refused() {
    let _alone = ALONE.lock().await;
    let test = "a_peer_that_changed_its_user_is_refused";
    let python = Command::new("python3").arg("--version").output();
    if !is_root(test) || !python.is_ok_and(|python| python.status.success()) {
        return skip(test, "needs root and python3");
    }
    let program = "import os, socket, sys\n\
                   s = socket.socket(socket.AF_UNIX)\n\
                   s.connect(sys.argv[1])\n\
                   os.setgid(65534); os.setuid(65534)\n\
                   print('dropped', flush=True)\n\
                   sys.stdin.read()\n";
    for proof in [PidProof::PidFd, PidProof::StartTime] {
        let (_directory, path) = directory();
        let net = SystemNet::with_pid_proof(proof);
        let mut listener = net
            .listen_unix(&path, UnixListenOptions::EVERYONE)
            .await
            .unwrap();
        let mut python = Command::new("python3");
        let command = python.args(["-c", program]).arg(&path);
        let mut process = Process::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
        let mut line = String::new();
        let output = process.0.stdout.as_mut().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        assert_eq!(line, "dropped\n");
        let stream = listener.accept().await.unwrap();
        assert_eq!(stream.peer().credentials().uid, 0);
        let refused = stream.peer().facts();
        assert!(
            matches!(refused, Err(FactsError::Changed { .. })),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn a_deleted_program_has_no_path() {
    let _alone = ALONE.lock().await;
    let (directory, _socket) = directory();
    let program = directory.path().join("program");
    fs::copy("/bin/cat", &program).unwrap();
    let (socket, accepted) = tcp().await;
    let mut command = Command::new(&program);
    let process = Process::start(
        command
            .stdin(Stdio::from(OwnedFd::from(socket)))
            .stdout(Stdio::null()),
    );
    fs::remove_file(&program).unwrap();
    fs::copy("/bin/ls", &program).unwrap();
    drop(command);
    match SystemNet::new()
        .owner(accepted.pair())
        .await
        .unwrap()
        .holders
    {
        Holders::Known(holders) => {
            assert_eq!(holders.len(), 1, "{holders:?}");
            assert_eq!(holders[0].pid, Some(process.pid()));
            assert_eq!(holders[0].path, None);
        }
        Holders::Unreadable => assert!(!geteuid().is_root()),
    }
}

/// A connection to ourselves: a socket to pass on, and its accepted end.
async fn tcp() -> (std::net::TcpStream, pelago_net::SystemStream) {
    let net = SystemNet::new();
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut listener = net.listen(at, ListenOptions::default()).await.unwrap();
    let socket = std::net::TcpStream::connect(listener.local_addr()).unwrap();
    (socket, listener.accept().await.unwrap().0)
}

async fn holders(accepted: &pelago_net::SystemStream) -> Vec<(u32, u32, Option<PathBuf>)> {
    let owner = SystemNet::new().owner(accepted.pair()).await.unwrap();
    assert_eq!(owner.uid, geteuid().as_raw());
    let Holders::Known(holders) = owner.holders else {
        panic!("root reads every process");
    };
    let known = holders.into_iter();
    known
        .map(|facts| (facts.pid.unwrap(), facts.uid, facts.path))
        .collect()
}

#[tokio::test]
async fn a_tcp_socket_of_another_process_is_that_processes() {
    let _alone = ALONE.lock().await;
    if !is_root("a_tcp_socket_of_another_process_is_that_processes") {
        return;
    }
    let net = SystemNet::new();
    // An IPv6 listener that serves IPv4 too: the address comes mapped, and is shown as IPv4.
    let at = "[::]:0".parse().unwrap();
    let mut listener = net.listen(at, ListenOptions::default()).await.unwrap();
    let target = SocketAddr::from((Ipv4Addr::LOCALHOST, listener.local_addr().port()));
    let caller = Process::caller(&target.to_string());
    let (accepted, peer) = listener.accept().await.unwrap();
    assert!(peer.is_ipv4() && accepted.local_addr() == target);
    let path = std::env::current_exe().ok();
    assert_eq!(holders(&accepted).await, [(caller.pid(), 0, path)]);
}

#[tokio::test]
async fn owners_asked_for_at_once_are_told_apart() {
    let _alone = ALONE.lock().await;
    if !is_root("owners_asked_for_at_once_are_told_apart") {
        return;
    }
    let net = SystemNet::new();
    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    for n in 0..40 {
        let (socket, accepted) = tcp().await;
        if n % 2 == 0 {
            ours.push((socket, accepted));
        } else {
            let cat = Process::cat(socket.into(), Some(NOBODY));
            theirs.push((cat, accepted));
        }
    }
    let (closed, gone) = tcp().await;
    drop(closed);
    let asked = |pair| {
        let net = net.clone();
        async move { net.owner(pair).await }
    };
    let mut asking = tokio::task::JoinSet::new();
    for (index, (_, accepted)) in ours.iter().enumerate() {
        let (owner, pid) = (asked(accepted.pair()), std::process::id());
        asking.spawn(async move { (index, pid, owner.await) });
    }
    for (index, (cat, accepted)) in theirs.iter().enumerate() {
        let (owner, pid) = (asked(accepted.pair()), cat.pid());
        asking.spawn(async move { (index, pid, owner.await) });
    }
    let nobody = net.owner(gone.pair());
    assert!(matches!(nobody.await, Err(OwnerError::NotFound { .. })));
    while let Some(answered) = asking.join_next().await {
        let (index, pid, owner) = answered.unwrap();
        let Holders::Known(holders) = owner.unwrap().holders else {
            panic!("root reads every process");
        };
        let pids: Vec<_> = holders.iter().filter_map(|facts| facts.pid).collect();
        assert_eq!(pids, [pid], "{index}");
    }
}

#[tokio::test]
async fn every_holder_of_a_shared_socket_is_listed() {
    let _alone = ALONE.lock().await;
    if !is_root("every_holder_of_a_shared_socket_is_listed") {
        return;
    }
    let (socket, accepted) = tcp().await;
    let us = std::process::id();
    let cat = Process::cat(socket.try_clone().unwrap().into(), None);
    let nobody = Process::cat(socket.try_clone().unwrap().into(), Some(NOBODY));
    let found = holders(&accepted).await;
    let mut pids: Vec<(u32, u32)> = found.iter().map(|(pid, uid, _)| (*pid, *uid)).collect();
    pids.sort_unstable();
    let mut expected = [(us, 0), (cat.pid(), 0), (nobody.pid(), NOBODY)];
    expected.sort_unstable();
    assert_eq!(pids, expected);

    drop((socket, nobody));
    let found = holders(&accepted).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, cat.pid());
    assert!(found[0].2.is_some());
}

#[test]
fn one_who_cannot_read_all_processes_knows_the_uid_only() {
    let _alone = ALONE.blocking_lock();
    if !is_root("one_who_cannot_read_all_processes_knows_the_uid_only") {
        return;
    }
    let (directory, _socket) = directory();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    let binary = directory.path().join("asker");
    fs::copy(std::env::current_exe().unwrap(), &binary).unwrap();
    let mut command = Command::new(binary);
    command.args(["asker", "--exact", "--ignored", "--nocapture"]);
    std::os::unix::process::CommandExt::uid(&mut command, NOBODY);
    let said = command.current_dir("/").output().unwrap().stdout;
    let said = String::from_utf8(said).unwrap();
    assert!(
        said.contains("Owner { uid: 65534, holders: Unreadable }"),
        "{said}"
    );
}

#[tokio::test]
async fn a_socket_in_the_table_of_one_thread_is_found() {
    let _alone = ALONE.lock().await;
    if !is_root("a_socket_in_the_table_of_one_thread_is_found") {
        return;
    }
    let net = SystemNet::new();
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut listener = net.listen(at, ListenOptions::default()).await.unwrap();
    let to = listener.local_addr();
    let (release, released) = std::sync::mpsc::sync_channel::<()>(1);
    let thread = std::thread::spawn(move || {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_FILES).unwrap();
        let _own = std::net::TcpStream::connect(to).unwrap();
        let _ended = released.recv();
    });
    let (accepted, _peer) = listener.accept().await.unwrap();
    let found = holders(&accepted).await;
    drop(release);
    thread.join().unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, std::process::id());
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_a_live_one_refused() {
    let (_directory, path) = directory();
    let other = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let refused = listen_unix(&path).await;
    assert!(matches!(refused, Err(UnixError::InUse { .. })));
    // Dropped without removing its file.
    drop(other);
    let mut listener = listen_unix(&path).await.unwrap();
    let _dialled = SystemNet::new().dial_unix(&path).await.unwrap();
    listener.accept().await.unwrap();
}

#[tokio::test]
async fn of_many_starters_over_a_stale_socket_one_wins() {
    let (_directory, path) = directory();
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let mut starters = tokio::task::JoinSet::new();
    for _starter in 0..16 {
        let path = path.clone();
        starters.spawn(async move { listen_unix(&path).await });
    }
    let started = starters.join_all().await;
    assert_eq!(
        started.iter().filter(|listener| listener.is_ok()).count(),
        1
    );
    assert!(path.exists());
}

#[tokio::test]
async fn the_file_goes_with_its_listener_and_no_other() {
    let (_directory, path) = directory();
    let listener = listen_unix(&path).await.unwrap();
    drop(listener);
    assert!(!path.exists());
    let listener = listen_unix(&path).await.unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, "another's").unwrap();
    drop(listener);
    assert!(path.exists());
}

#[tokio::test]
async fn what_is_no_socket_of_ours_is_left_alone() {
    let (_directory, path) = directory();
    fs::write(&path, "precious").unwrap();
    let refused = listen_unix(&path).await;
    assert!(matches!(refused, Err(UnixError::NotASocket { .. })));
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/dev/null", &path).unwrap();
    let refused = listen_unix(&path).await;
    assert!(matches!(refused, Err(UnixError::NotASocket { .. })));
}

#[tokio::test]
async fn a_directory_others_can_write_is_refused() {
    let (directory, path) = directory();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o777)).unwrap();
    let refused = listen_unix(&path).await;
    assert!(matches!(
        refused,
        Err(UnixError::WritableDirectory { mode: 0o777, .. })
    ));
    fs::set_permissions(directory.path(), Permissions::from_mode(0o1777)).unwrap();
    listen_unix(&path).await.unwrap();
}

#[tokio::test]
async fn what_belongs_to_another_user_is_refused() {
    if !is_root("what_belongs_to_another_user_is_refused") {
        return;
    }
    let (directory, path) = directory();
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    chown(&path, Some(NOBODY), None).unwrap();
    let refused = listen_unix(&path).await;
    assert!(matches!(
        refused,
        Err(UnixError::ForeignSocket { uid: NOBODY, .. })
    ));
    fs::remove_file(&path).unwrap();
    chown(directory.path(), Some(NOBODY), None).unwrap();
    let refused = listen_unix(&path).await;
    assert!(matches!(
        refused,
        Err(UnixError::ForeignDirectory { uid: NOBODY, .. })
    ));
}

#[tokio::test]
async fn modes_are_as_asked_whatever_the_umask() {
    let directory = tempfile::tempdir().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    for (options, socket, parent) in [
        (UnixListenOptions::EVERYONE, 0o666, 0o755),
        (UnixListenOptions::OWNER, 0o600, 0o700),
    ] {
        let folder = directory.path().join(format!("new-{parent:o}"));
        let path = folder.join("s.sock");
        let _listener = SystemNet::new().listen_unix(&path, options).await.unwrap();
        assert_eq!(mode(&path), socket);
        assert_eq!(mode(&folder), parent);
    }
}
