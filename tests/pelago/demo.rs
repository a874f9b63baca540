//! The demo, whole: every step must show.

use std::path::Path;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::process::{Running, errors, has, pelago, run};

#[test]
fn every_step_shows() {
    has("curl", "demo: callers by curl");
    has("python3", "demo: callees by python3 -m http.server");
    let output = run(&["demo", "--check", "-o", "json"]);
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let report: Value = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {text}\n{}", errors(&output)));
    let steps = report["steps"].as_array().unwrap();
    for step in steps {
        assert_eq!(step["ok"], true, "{step:#}");
    }
    assert_eq!(steps.len(), 11, "{report:#}");
    assert!(output.status.success());
}

#[test]
fn interrupted_it_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = Running::start(pelago().args(["demo", "--dir"]).arg(folder.path()));
    demo.says("Ctrl-C drains it");
    let index: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("demo.json")).unwrap()).unwrap();
    let pids = pids(&index);
    assert!(pids.len() >= 10, "{index:#}");
    demo.signal(Signal::SIGINT);
    assert!(demo.child.wait().unwrap().success());
    for pid in pids {
        assert!(!is_alive(pid), "process {pid} is still there");
    }
}

#[test]
fn killed_it_leaves_no_process_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = Running::start(pelago().args(["demo", "--dir"]).arg(folder.path()));
    demo.says("Ctrl-C drains it");
    let index: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("demo.json")).unwrap()).unwrap();
    demo.child.kill().unwrap();
    demo.child.wait().unwrap();
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    for pid in pids(&index) {
        while is_alive(pid) {
            assert!(
                tokio::time::Instant::now() < deadline,
                "process {pid} outlives its demo"
            );
            std::thread::yield_now();
        }
    }
}

#[test]
fn what_is_not_served_yet_is_refused_by_name() {
    for (arguments, name) in [
        (
            &["demo", "--check", "--trust", "share"][..],
            "--trust share",
        ),
        (&["run", "dns", "--config", "x.yaml"], "run dns"),
        (&["peer", "token", "--trust", "share"], "--trust share"),
        (&["vm", "token", "web-1"], "pelago vm"),
        (&["enroll", "-"], "pelago enroll"),
        (&["dns", "query", "web"], "pelago dns"),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(
            errors(&output).contains(name),
            "{arguments:?}: {}",
            errors(&output)
        );
    }
}

fn pids(index: &Value) -> Vec<u64> {
    index["processes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|process| process["pid"].as_u64().unwrap())
        .collect()
}

/// Alive, or a zombie that nobody reaps: not ours then.
fn is_alive(pid: u64) -> bool {
    let status = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"))
        .unwrap_or_default();
    !status.is_empty() && !status.contains(") Z ")
}
