//! A workspace as the rules see it, read from `cargo metadata` and `cargo tree`.
//!
//! Crates with their normal and build dependencies, their sources, and what
//! some of them link on Linux. Dev-dependencies are left
//! out: the rules do not bind them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use cargo_metadata::{DependencyKind, MetadataCommand, Package, TargetKind};

use crate::source::{self, Room};

const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// A Cargo workspace.
pub struct Workspace {
    /// Its members, by name.
    pub crates: Vec<Crate>,
    trees: BTreeMap<String, Vec<(usize, String)>>,
}

/// A member of the workspace.
pub struct Crate {
    /// The package's name.
    pub name: String,
    /// Names of its normal and build dependencies, renamed ones by their own.
    pub dependencies: Vec<String>,
    /// The files in which its library and its programs begin.
    pub roots: Vec<PathBuf>,
    /// Every source file, test files included.
    pub rooms: Vec<Room>,
}

impl Workspace {
    /// Asks Cargo about the workspace of `manifest`, and for all that the
    /// members named in `closures` link, and reads the sources.
    ///
    /// # Errors
    ///
    /// When Cargo refuses, or a source cannot be read or parsed.
    pub fn load(manifest: &Path, closures: &[&str]) -> anyhow::Result<Self> {
        let metadata = MetadataCommand::new()
            .manifest_path(manifest)
            .no_deps()
            .exec()
            .with_context(|| format!("cargo metadata for {}", manifest.display()))?;
        let root = metadata.workspace_root.as_std_path();
        let mut crates = metadata
            .workspace_packages()
            .into_iter()
            .map(|package| Crate::read(package, root))
            .collect::<anyhow::Result<Vec<_>>>()?;
        crates.sort_by(|a, b| a.name.cmp(&b.name));
        let members = crates.iter().map(|member| member.name.as_str());
        let trees = members
            .filter(|name| closures.contains(name))
            .map(|name| Ok((name.to_owned(), tree(name, root)?)))
            .collect::<anyhow::Result<_>>()?;
        Ok(Self { crates, trees })
    }

    /// A way from one crate to another through normal dependencies.
    ///
    /// Known from the crates that [`Workspace::load`] was told of.
    #[must_use]
    pub fn way(&self, from: &str, to: &str) -> Option<Vec<&str>> {
        let mut way = Vec::new();
        for (depth, name) in self.trees.get(from)? {
            way.truncate(*depth);
            way.push(name.as_str());
            if name == to {
                return Some(way);
            }
        }
        None
    }
}

impl Crate {
    fn read(package: &Package, root: &Path) -> anyhow::Result<Self> {
        let bound = [DependencyKind::Normal, DependencyKind::Build];
        let mut dependencies: Vec<String> = package
            .dependencies
            .iter()
            .filter(|dependency| bound.contains(&dependency.kind))
            .map(|dependency| dependency.name.clone())
            .collect();
        dependencies.sort();
        dependencies.dedup();
        let roots = package
            .targets
            .iter()
            .filter(|target| target.kind.iter().any(is_product))
            .map(|target| source::relative(target.src_path.as_std_path(), root))
            .collect();
        let folder = package.manifest_path.as_std_path().with_file_name("");
        let rooms = source::read(&folder, root)
            .with_context(|| format!("read the sources of {}", package.name))?;
        Ok(Self {
            name: package.name.to_string(),
            dependencies,
            roots,
            rooms,
        })
    }
}

fn is_product(kind: &TargetKind) -> bool {
    matches!(kind, TargetKind::Lib | TargetKind::Bin)
}

/// The normal dependencies of a member, each with its depth, parents first.
///
/// `cargo metadata` would name crates that no feature asks for; `cargo tree`
/// resolves features as a build of this member alone does.
fn tree(member: &str, root: &Path) -> anyhow::Result<Vec<(usize, String)>> {
    let output = Command::new("cargo")
        .args(["tree", "--package", member, "--target", PLATFORM])
        .args(["--edges", "normal,no-proc-macro"])
        .args(["--prefix", "depth", "--format", " {p}"])
        .current_dir(root)
        .output()
        .context("run cargo tree")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        anyhow::bail!("cargo tree for {member}: {said}");
    }
    let text = String::from_utf8(output.stdout).context("cargo tree's answer")?;
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let depth = words.next()?.parse().ok()?;
        Some((depth, words.next()?.to_owned()))
    };
    Ok(text.lines().filter_map(line).collect())
}
