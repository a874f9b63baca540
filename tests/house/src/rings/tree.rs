//! The modules of a crate, and where a path in one of them leads.
//!
//! Follows `mod` declarations from the crate's first file, then resolves
//! names as the compiler would, as far as that needs no macro expansion:
//! children, own items, imports, globs. A path that leads out of the crate
//! leads nowhere here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::scope::{Import, Scope, scopes};
use crate::source::Room;

/// How often an import may lead to another before it is given up.
const DEPTH: usize = 16;

/// A crate's modules by their paths; the root's path is empty.
pub struct Tree<'a> {
    modules: BTreeMap<Vec<String>, Module<'a>>,
}

/// One module.
pub struct Module<'a> {
    /// The file that holds it.
    pub file: &'a Path,
    /// What it declares, imports and mentions.
    pub scope: Scope,
}

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// To a module itself.
    Module(Vec<String>),
    /// To something that this module defines.
    Item(Vec<String>),
}

impl<'a> Tree<'a> {
    /// The modules that begin in the file `root`; generated ones are left out.
    #[must_use]
    pub fn grow(rooms: &'a [Room], root: &Path) -> Self {
        let mut tree = Self {
            modules: BTreeMap::new(),
        };
        let folder = root.parent().unwrap_or(root).to_owned();
        tree.add(rooms, root, Vec::new(), folder);
        tree
    }

    /// Every module with its path.
    pub fn modules(&self) -> impl Iterator<Item = (&Vec<String>, &Module<'a>)> {
        self.modules.iter()
    }

    /// The file that holds a module.
    #[must_use]
    pub fn file(&self, module: &[String]) -> Option<&'a Path> {
        self.modules.get(module).map(|module| module.file)
    }

    /// Where `path`, written in the module `from`, leads.
    #[must_use]
    pub fn resolve(&self, from: &[String], path: &[String]) -> Option<Place> {
        self.follow(from, path, DEPTH)
    }

    fn add(&mut self, rooms: &'a [Room], file: &Path, path: Vec<String>, folder: PathBuf) {
        let Some(room) = rooms.iter().find(|room| room.path == file) else {
            return;
        };
        if room.is_generated() {
            return;
        }
        for scope in scopes(&room.syntax) {
            let own = [path.as_slice(), &scope.inside].concat();
            let below = scope
                .inside
                .iter()
                .fold(folder.clone(), |at, name| at.join(name));
            for (name, explicit) in &scope.files {
                let child = [own.as_slice(), std::slice::from_ref(name)].concat();
                let beside = file.parent().unwrap_or(file);
                let candidates = match explicit {
                    Some(explicit) => vec![beside.join(explicit)],
                    None => vec![
                        below.join(format!("{name}.rs")),
                        below.join(name).join("mod.rs"),
                    ],
                };
                for candidate in candidates {
                    self.add(rooms, &candidate, child.clone(), below.join(name));
                }
            }
            self.modules.insert(
                own,
                Module {
                    file: &room.path,
                    scope,
                },
            );
        }
    }

    fn follow(&self, from: &[String], path: &[String], depth: usize) -> Option<Place> {
        let (first, mut rest) = path.split_first()?;
        let mut here = match first.as_str() {
            "crate" => Vec::new(),
            "self" => from.to_vec(),
            "super" => from.split_last()?.1.to_vec(),
            name => match self.lookup(from, name, depth)? {
                Place::Module(module) => module,
                item @ Place::Item(_) => return Some(item),
            },
        };
        while let Some((name, further)) = rest.split_first() {
            rest = further;
            if name == "super" {
                here.pop()?;
                continue;
            }
            match self.lookup(&here, name, depth) {
                Some(Place::Module(module)) => here = module,
                Some(item @ Place::Item(_)) => return Some(item),
                // Made by a macro, or from elsewhere: the module answers for it.
                None => return self.unseen(&here, name),
            }
        }
        Some(Place::Module(here))
    }

    /// A name that `module` has and the sources do not show, unless the module
    /// imports it from another crate.
    fn unseen(&self, module: &[String], name: &str) -> Option<Place> {
        let scope = &self.modules.get(module)?.scope;
        let foreign = scope
            .imports
            .iter()
            .any(|import| import.name.as_deref() == Some(name));
        (!foreign).then(|| Place::Item(module.to_vec()))
    }

    fn lookup(&self, module: &[String], name: &str, depth: usize) -> Option<Place> {
        let depth = depth.checked_sub(1)?;
        let child = [module, &[name.to_owned()]].concat();
        if self.modules.contains_key(&child) {
            return Some(Place::Module(child));
        }
        let scope = &self.modules.get(module)?.scope;
        if scope.items.contains(name) {
            return Some(Place::Item(module.to_vec()));
        }
        let named = |import: &&Import| import.name.as_deref() == Some(name);
        if let Some(import) = scope.imports.iter().find(named) {
            return self.follow(module, &import.path, depth);
        }
        let mut globs = scope.imports.iter().filter(|import| import.name.is_none());
        globs.find_map(|glob| match self.follow(module, &glob.path, depth)? {
            Place::Module(source) => self.lookup(&source, name, depth),
            Place::Item(_) => None,
        })
    }
}
