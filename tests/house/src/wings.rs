//! Wings: `ca`, `federation`, `dataplane` and `dns` never import each other.
//!
//! In one process they share `model`, over the network `wire`. They meet in
//! `dataplane/node` and in the root only.

use crate::Finding;
use crate::workspace::Workspace;

const RULE: &str = "wings";
const WINGS: [&str; 4] = ["ca", "federation", "dataplane", "dns"];
const MEETING_PLACE: &str = "pelago-dataplane-node";

/// Finds imports from one wing into another.
#[must_use]
pub fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for member in &workspace.crates {
        let Some(home) = wing(&member.name).filter(|_| member.name != MEETING_PLACE) else {
            continue;
        };
        for imported in &member.dependencies {
            if let Some(other) = wing(imported).filter(|other| *other != home) {
                findings.push(Finding::new(
                    RULE,
                    &member.name,
                    format!("of the wing {home} imports {imported} of the wing {other}; wings meet in dataplane/node and in the root only"),
                ));
            }
        }
    }
    findings
}

/// The wing a crate belongs to; none for the foundation and the root.
fn wing(name: &str) -> Option<&'static str> {
    let rest = name.strip_prefix("pelago-")?;
    WINGS.into_iter().find(|wing| {
        let room = rest.strip_prefix(wing);
        room.is_some_and(|room| room.is_empty() || room.starts_with('-'))
    })
}
