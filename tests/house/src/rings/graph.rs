//! Who uses whom among the files of a crate, and the rings in that.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use super::tree::{Module, Place, Tree};
use crate::scope::Import;

/// Files and the files they use, each with a path that shows it.
pub struct Graph<'a> {
    uses: BTreeMap<&'a Path, BTreeMap<&'a Path, String>>,
}

/// One file naming something of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use<'a> {
    /// The file that names it.
    pub from: &'a Path,
    /// The file that defines it.
    pub to: &'a Path,
    /// How it is written in `from`.
    pub path: String,
}

impl<'a> Graph<'a> {
    /// The graph of a module tree.
    #[must_use]
    pub fn of(tree: &Tree<'a>) -> Self {
        let mut graph = Self {
            uses: BTreeMap::new(),
        };
        for (path, module) in tree.modules() {
            for import in &module.scope.imports {
                if let Some(definer) = definer_of_import(tree, path, import) {
                    graph.add(tree, module, &definer, &import.path);
                }
            }
            for mention in &module.scope.mentions {
                if let Some(Place::Item(definer)) = tree.resolve(path, mention) {
                    graph.add(tree, module, &definer, mention);
                }
            }
        }
        graph
    }

    /// For each ring its shortest way around, from its first file.
    #[must_use]
    pub fn rings(&self) -> Vec<Vec<Use<'a>>> {
        let mut seen: BTreeSet<&Path> = BTreeSet::new();
        let mut rings = Vec::new();
        for file in self.uses.keys() {
            if seen.contains(file) {
                continue;
            }
            if let Some(ring) = self.way_around(file) {
                let reached = self.reach(file);
                let mutual = reached
                    .into_iter()
                    .filter(|other| self.reach(other).contains(file));
                seen.extend(mutual);
                rings.push(ring);
            }
        }
        rings
    }

    fn add(&mut self, tree: &Tree<'a>, module: &Module<'a>, definer: &[String], path: &[String]) {
        let Some(to) = tree.file(definer).filter(|to| *to != module.file) else {
            return;
        };
        let uses = self.uses.entry(module.file).or_default();
        uses.entry(to).or_insert_with(|| path.join("::"));
    }

    fn reach(&self, from: &Path) -> BTreeSet<&'a Path> {
        let mut reached = BTreeSet::new();
        let mut queue = VecDeque::from([from]);
        while let Some(file) = queue.pop_front() {
            for next in self.uses.get(file).into_iter().flat_map(BTreeMap::keys) {
                if reached.insert(*next) {
                    queue.push_back(next);
                }
            }
        }
        reached
    }

    /// The shortest way from a file back to itself.
    fn way_around(&self, start: &'a Path) -> Option<Vec<Use<'a>>> {
        let mut ways: BTreeMap<&Path, Vec<Use<'a>>> = BTreeMap::new();
        let mut queue = VecDeque::from([start]);
        while let Some(from) = queue.pop_front() {
            let so_far = ways.get(from).cloned().unwrap_or_default();
            for (to, path) in self.uses.get(from).into_iter().flatten() {
                let step = Use {
                    from,
                    to,
                    path: path.clone(),
                };
                let way = [so_far.as_slice(), &[step]].concat();
                if *to == start {
                    return Some(way);
                }
                if !ways.contains_key(to) {
                    ways.insert(to, way);
                    queue.push_back(to);
                }
            }
        }
        None
    }
}

/// The module that defines what an import brings in; nothing for modules,
/// which are used only when something of theirs is, and for re-exports from
/// below.
fn definer_of_import(tree: &Tree<'_>, module: &[String], import: &Import) -> Option<Vec<String>> {
    let definer = match tree.resolve(module, &import.path)? {
        Place::Item(definer) => definer,
        Place::Module(source) if import.name.is_none() => source,
        Place::Module(_) => return None,
    };
    let from_below = definer.len() > module.len() && definer.starts_with(module);
    (!(import.reexport && from_below)).then_some(definer)
}
