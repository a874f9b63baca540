//! `deny`: licences, banned crates and sources of everything that is linked.
//!
//! Reads the part of cargo-deny's `deny.toml` that this project uses and
//! refuses the rest. cargo-deny itself takes long to build from source; this
//! needs nothing installed. It looks at what `cargo tree` resolves for the
//! targets in `[graph]`, so a crate that is only locked does not count. It
//! knows no advisories.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};
use cargo_metadata::{MetadataCommand, Package};
use serde::Deserialize;

use crate::command::cargo;

const FILE: &str = "deny.toml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    graph: Graph,
    licenses: Licences,
    bans: Bans,
    sources: Sources,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Graph {
    targets: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Licences {
    allow: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bans {
    deny: Vec<Ban>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ban {
    #[serde(rename = "crate")]
    name: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Sources {
    unknown_registry: Deny,
    unknown_git: Deny,
    allow_registry: Vec<String>,
}

/// Unknown sources are denied; no weaker word is accepted.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Deny {
    Deny,
}

/// What the rules look at in a package.
struct Linked {
    name: String,
    version: String,
    licence: Option<String>,
    /// Cargo's name of the place it came from; none for a path.
    source: Option<String>,
    member: bool,
}

/// Fails and names each package that breaks `deny.toml`.
pub(crate) fn check(root: &Path) -> anyhow::Result<()> {
    let text = fs::read_to_string(root.join(FILE)).with_context(|| format!("read {FILE}"))?;
    let rules: Rules = basic_toml::from_str(&text).with_context(|| format!("understand {FILE}"))?;
    let packages = linked(root, &rules.graph.targets)?;
    let refusals = refusals(&rules, &packages);
    for refusal in &refusals {
        println!("{refusal}");
    }
    ensure!(refusals.is_empty(), "{} refused by {FILE}", refusals.len());
    println!("{} packages, all admitted by {FILE}", packages.len());
    Ok(())
}

fn linked(root: &Path, targets: &[String]) -> anyhow::Result<Vec<Linked>> {
    let resolved = resolved(root, targets)?;
    let metadata = MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .exec()
        .context("cargo metadata")?;
    let members = &metadata.workspace_members;
    let packages = metadata.packages.iter().filter(|package| {
        resolved.contains(&(package.name.to_string(), format!("v{}", package.version)))
    });
    let linked = |package: &Package| Linked {
        name: package.name.to_string(),
        version: package.version.to_string(),
        licence: package.license.clone(),
        source: package.source.as_ref().map(|source| source.repr.clone()),
        member: members.contains(&package.id),
    };
    Ok(packages.map(linked).collect())
}

/// Names and versions of what is built for `targets`, tests included.
fn resolved(root: &Path, targets: &[String]) -> anyhow::Result<BTreeSet<(String, String)>> {
    let mut tree = cargo(
        root,
        "tree --workspace --edges normal,build,dev --prefix none",
    );
    for target in targets {
        tree.args(["--target", target]);
    }
    let output = tree.output().context("run cargo tree")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cargo tree: {said}");
    let text = String::from_utf8(output.stdout).context("cargo tree's answer")?;
    let line = |line: &str| {
        let mut words = line.split(' ');
        Some((words.next()?.to_owned(), words.next()?.to_owned()))
    };
    Ok(text.lines().filter_map(line).collect())
}

fn refusals(rules: &Rules, packages: &[Linked]) -> Vec<String> {
    let mut refusals = Vec::new();
    for package in packages {
        let complaints = [
            licence(&rules.licenses, package),
            ban(&rules.bans, package),
            source(&rules.sources, package),
        ];
        let named = |complaint| format!("{} {}: {complaint}", package.name, package.version);
        refusals.extend(complaints.into_iter().flatten().map(named));
    }
    refusals
}

fn licence(rules: &Licences, package: &Linked) -> Option<String> {
    let Some(text) = &package.licence else {
        return Some("names no licence".to_owned());
    };
    let expression = match spdx::Expression::parse_mode(text, spdx::ParseMode::LAX) {
        Ok(expression) => expression,
        Err(error) => return Some(format!("licence {text:?} is not SPDX: {}", error.reason)),
    };
    let admitted = expression.evaluate(|needed| rules.allow.contains(&needed.to_string()));
    (!admitted).then(|| format!("licence {text:?} is not covered by licenses.allow"))
}

fn ban(rules: &Bans, package: &Linked) -> Option<String> {
    let ban = rules.deny.iter().find(|ban| ban.name == package.name)?;
    Some(format!("is banned: {}", ban.reason))
}

fn source(rules: &Sources, package: &Linked) -> Option<String> {
    let (Deny::Deny, Deny::Deny) = (&rules.unknown_registry, &rules.unknown_git);
    match &package.source {
        None if package.member => None,
        None => Some("comes from a path outside of the workspace".to_owned()),
        Some(source) => {
            let registry = source.strip_prefix("registry+");
            let allowed = registry.is_some_and(|at| rules.allow_registry.iter().any(|ok| ok == at));
            (!allowed)
                .then(|| format!("comes from {source}, which is not in sources.allow-registry"))
        }
    }
}

#[cfg(test)]
mod tests;
