//! Purity: the crates that decide touch nothing.
//!
//! A pure crate imports pure crates only, depends on no runtime, socket or
//! source of randomness, and its product code names no file, socket,
//! environment, process, thread or clock of the standard library. Addresses
//! and durations are data and welcome; `now` and randomness are arguments.

use crate::Finding;
use crate::floors::plan;
use crate::scope::{Import, Scope, scopes};
use crate::source::Room;
use crate::workspace::{Crate, Workspace};

const RULE: &str = "purity";

/// Finds impure imports, dependencies and paths in pure crates.
#[must_use]
pub fn check(workspace: &Workspace) -> Vec<Finding> {
    let pure = workspace
        .crates
        .iter()
        .filter(|member| plan(&member.name).is_some_and(|plan| plan.pure));
    pure.flat_map(|member| {
        let mut findings = dependencies(member);
        let product = member
            .rooms
            .iter()
            .filter(|room| room.is_in("src") && !room.is_test());
        findings.extend(product.flat_map(impure_paths));
        findings
    })
    .collect()
}

fn dependencies(member: &Crate) -> Vec<Finding> {
    let findings = member.dependencies.iter().filter_map(|name| {
        let sentence = if plan(name).is_some_and(|plan| !plan.pure) {
            format!("is pure and imports {name}, which is not")
        } else if IMPURE_CRATES.contains(&name.as_str()) {
            format!("is pure and depends on {name}; keep it in a crate that acts")
        } else {
            return None;
        };
        Some(Finding::new(RULE, &member.name, sentence))
    });
    findings.collect()
}

fn impure_paths(room: &Room) -> Vec<Finding> {
    let mut found: Vec<String> = scopes(&room.syntax)
        .iter()
        .flat_map(full_paths)
        .filter_map(|path| impurity(&path))
        .collect();
    found.sort();
    found.dedup();
    found
        .into_iter()
        .map(|path| {
            let sentence = format!("a pure crate uses {path}; take the value as an argument");
            Finding::new(RULE, room.path.display().to_string(), sentence)
        })
        .collect()
}

/// Every path of a scope, with its first name replaced by what it stands for.
fn full_paths(scope: &Scope) -> Vec<Vec<String>> {
    let mentions = scope.mentions.iter().map(|path| {
        let (first, rest) = path.split_first()?;
        let named = |import: &&Import| import.name.as_ref() == Some(first);
        let import = scope.imports.iter().find(named)?;
        Some([import.path.as_slice(), rest].concat())
    });
    let mentions: Vec<Vec<String>> = mentions
        .zip(&scope.mentions)
        .map(|(expanded, path)| expanded.unwrap_or_else(|| path.clone()))
        .collect();
    let imports = scope.imports.iter().map(|import| {
        let mut path = import.path.clone();
        if import.name.is_none() {
            path.push("*".to_owned());
        }
        path
    });
    imports.chain(mentions).collect()
}

/// The impure part of a path, if it has one.
fn impurity(path: &[String]) -> Option<String> {
    let names: Vec<&str> = path.iter().map(String::as_str).collect();
    let shown = match names.as_slice() {
        ["std", part @ ("fs" | "env" | "process" | "thread"), ..] => format!("std::{part}"),
        ["std", "net", name, ..] if is_socket(name) => format!("std::net::{name}"),
        ["std", "os", "unix", "net", ..] => "std::os::unix::net".to_owned(),
        [.., clock @ ("SystemTime" | "Instant"), "now"] => format!("{clock}::now"),
        _ => return None,
    };
    Some(shown)
}

fn is_socket(name: &str) -> bool {
    name.starts_with("Tcp") || name.starts_with("Udp") || ["ToSocketAddrs", "*"].contains(&name)
}

const IMPURE_CRATES: &[&str] = &[
    "async-std",
    "axum",
    "fastrand",
    "futures-timer",
    "getrandom",
    "h2",
    "hyper",
    "hyper-util",
    "libc",
    "mio",
    "nix",
    "notify",
    "rand",
    "reqwest",
    "rustix",
    "smol",
    "socket2",
    "tempfile",
    "tokio",
    "tokio-stream",
    "tokio-util",
    "tonic",
];
