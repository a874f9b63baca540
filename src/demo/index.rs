//! `demo.json`: every process of the demo, for other programs to attach.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Serialize;

use super::layout::{Layout, MEMBERS, port};
use super::process::Process;
use crate::failure::Failure;

/// Writes the index of what runs now.
///
/// # Errors
/// Exit code 1 when the file cannot be written.
pub(super) fn write(layout: &Layout, processes: &BTreeMap<String, Process>) -> Result<(), Failure> {
    let processes = processes
        .iter()
        .map(|(name, process)| entry(layout, name, process))
        .collect();
    let index = Index {
        contexts: layout.contexts(),
        processes,
    };
    let text = serde_json::to_string_pretty(&index).map_err(Failure::failed)?;
    std::fs::write(layout.dir.join("demo.json"), text).map_err(Failure::failed)
}

fn entry(layout: &Layout, name: &str, process: &Process) -> Entry {
    let (cluster, part) = name.split_once('/').unwrap_or((name, ""));
    let member = MEMBERS
        .iter()
        .find(|member| member.cluster == cluster && part.trim_end_matches("-app") == member.name);
    let (kind, address, metrics) = match (part, member) {
        ("controller", _) => {
            let ip = layout.controller(cluster);
            (
                "controller",
                SocketAddr::new(ip, port::CONTROL),
                Some(SocketAddr::new(ip, port::CONTROLLER_METRICS)),
            )
        }
        (part, Some(member)) if part.ends_with("-app") => {
            ("workload", layout.member(member, port::APP), None)
        }
        (_, Some(member)) => (
            "node",
            layout.member(member, port::SOCKS),
            Some(layout.member(member, port::METRICS)),
        ),
        _ => {
            let address = layout.gateway(cluster);
            (
                "gateway",
                address,
                Some(SocketAddr::new(address.ip(), port::METRICS)),
            )
        }
    };
    Entry {
        name: name.to_owned(),
        cluster: cluster.to_owned(),
        kind,
        pid: process.pid(),
        address,
        metrics,
        socket: matches!(kind, "controller" | "node").then(|| layout.socket(name)),
        log: process.recipe.log.clone(),
    }
}

#[derive(Debug, Serialize)]
struct Index {
    contexts: PathBuf,
    processes: Vec<Entry>,
}

#[derive(Debug, Serialize)]
struct Entry {
    name: String,
    cluster: String,
    kind: &'static str,
    pid: Option<u32>,
    address: SocketAddr,
    metrics: Option<SocketAddr>,
    socket: Option<PathBuf>,
    log: PathBuf,
}
