//! The floor plan as a test.
//!
//! A room per rule looks at a [`Workspace`] (its crates, what they depend on,
//! their sources) and returns [`Finding`]s; no finding means that the house
//! stands as `docs/ARCHITECTURE.md` draws it. Nothing here compiles or runs
//! what it looks at. Start at [`inspect`]; the plan itself is in [`floors`].

pub mod closures;
pub mod doors;
pub mod finding;
pub mod floors;
pub mod purity;
pub mod rings;
pub mod scope;
pub mod sizes;
pub mod source;
pub mod wings;
pub mod workspace;

use std::path::Path;

pub use finding::Finding;
pub use workspace::Workspace;

/// Every rule, on the workspace of `manifest`; in the order of the rules.
///
/// # Errors
///
/// When the workspace cannot be read.
pub fn inspect(manifest: &Path) -> anyhow::Result<Vec<Finding>> {
    let workspace = Workspace::load(manifest, &closures::roots())?;
    let findings = [
        floors::check(&workspace),
        wings::check(&workspace),
        purity::check(&workspace),
        doors::check(&workspace),
        closures::check(&workspace),
        rings::check(&workspace),
        sizes::check(&workspace),
    ];
    Ok(findings.concat())
}
