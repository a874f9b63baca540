//! The suite of the seam, run by the kernel's network, by the one in memory, and by both boxed.

#![expect(clippy::unwrap_used, reason = "a test's own fixtures")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use pelago_net::{BoxNet, Fabric, MemoryNet, PeerCredentials, ProcessFacts, SystemNet};
use tempfile::TempDir;
use tests_suites::net::{self, Room};

fn us() -> PeerCredentials {
    PeerCredentials {
        pid: Some(std::process::id()),
        uid: nix::unistd::geteuid().as_raw(),
        gid: nix::unistd::getegid().as_raw(),
    }
}

fn system(ip: IpAddr) -> (Room<SystemNet>, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let room = Room {
        net: SystemNet::new(),
        ip,
        directory: directory.path().to_path_buf(),
        us: us(),
    };
    (room, directory)
}

fn memory() -> Room<MemoryNet> {
    let facts = ProcessFacts {
        pid: Some(7),
        uid: 1000,
        gid: 100,
        groups: vec![100, 200],
        path: Some(PathBuf::from("/usr/bin/caller")),
    };
    let ip = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    Room {
        net: Fabric::new().host([ip], facts),
        ip,
        directory: PathBuf::from("/run/pelago"),
        us: PeerCredentials {
            pid: Some(7),
            uid: 1000,
            gid: 100,
        },
    }
}

fn boxed<N: pelago_net::Net>(room: Room<N>) -> Room<BoxNet> {
    Room {
        net: BoxNet::new(room.net),
        ip: room.ip,
        directory: room.directory,
        us: room.us,
    }
}

macro_rules! every_network {
    ($($behaviour:ident)*) => {
        mod system_v4 {
            use super::*;
            $(#[tokio::test]
            async fn $behaviour() {
                let (room, _directory) = system(Ipv4Addr::LOCALHOST.into());
                net::$behaviour(room).await;
            })*
        }
        mod system_v6 {
            use super::*;
            $(#[tokio::test]
            async fn $behaviour() {
                let ip = IpAddr::V6(Ipv6Addr::LOCALHOST);
                if std::net::TcpListener::bind((ip, 0)).is_err() {
                    return tests_suites::skip::skip(stringify!($behaviour), "no IPv6 loopback");
                }
                let (room, _directory) = system(ip);
                net::$behaviour(boxed(room)).await;
            })*
        }
        mod in_memory {
            use super::*;
            $(#[tokio::test(start_paused = true)]
            async fn $behaviour() {
                net::$behaviour(memory()).await;
            })*
        }
        mod in_memory_boxed {
            use super::*;
            $(#[tokio::test(start_paused = true)]
            async fn $behaviour() {
                net::$behaviour(boxed(memory())).await;
            })*
        }
    };
}

every_network! {
    echoes_and_knows_both_ends
    half_closes_each_way
    a_closed_direction_takes_nothing
    a_dropped_peer_is_noticed
    a_broken_off_connection_is_no_end
    nobody_there_is_refused
    a_port_in_use_is_named
    workers_share_a_port_nobody_else_gets
    a_foreign_address_is_not_ours
    many_in_parallel
    a_big_transfer_meets_backpressure
    unix_peers_are_known
    a_unix_path_has_one_listener
    a_long_unix_path_is_refused
    the_owner_of_our_connection_is_us
    no_connection_has_no_owner
    resolves
}
