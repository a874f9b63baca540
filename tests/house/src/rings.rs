//! Rings: the files of a crate never use each other in a circle.
//!
//! A file uses another when its product code names something that the other
//! defines, wherever it is re-exported. That a parent declares a child, or
//! re-exports from it, is not use: a child may build on its parent as long as
//! the parent does not build on the child. Generated files are left out.

pub mod graph;
pub mod tree;

use std::path::Path;

use crate::Finding;
use crate::workspace::{Crate, Workspace};
use graph::Graph;
use tree::Tree;

const RULE: &str = "rings";

/// Finds rings of files, one finding for each with a way around it.
#[must_use]
pub fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for member in &workspace.crates {
        for root in &member.roots {
            findings.extend(inspect(member, root));
        }
    }
    findings
}

fn inspect(member: &Crate, root: &Path) -> Vec<Finding> {
    let tree = Tree::grow(&member.rooms, root);
    let graph = Graph::of(&tree);
    let ring = |ring: Vec<graph::Use<'_>>| {
        let mut files: Vec<String> = ring.iter().map(|used| shown(used.from)).collect();
        files.extend(ring.first().map(|used| shown(used.from)));
        let because: Vec<String> = ring
            .iter()
            .map(|used| format!("{} names {}", shown(used.from), used.path))
            .collect();
        let sentence = format!(
            "uses itself in a ring: {} ({}); move what they share into a room of its own",
            files.join(" -> "),
            because.join("; ")
        );
        Finding::new(RULE, &member.name, sentence)
    };
    graph.rings().into_iter().map(ring).collect()
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
