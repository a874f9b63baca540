//! Source files: finding them, parsing them, and telling tests from product.
//!
//! A crate's files are those under `src`, `tests`, `benches` and `examples`
//! and its `build.rs`. A folder with a `Cargo.toml` of its own belongs to
//! another crate, and a folder called `fixtures` to nobody.

use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::Context as _;
use syn::punctuated::Punctuated;
use syn::{Attribute, Item, Meta, Token};

/// One source file.
pub struct Room {
    /// Its path, from the workspace's folder.
    pub path: PathBuf,
    /// Its path, from its crate's folder.
    pub within: PathBuf,
    /// Its text.
    pub text: String,
    /// The same, parsed.
    pub syntax: syn::File,
}

impl Room {
    /// Whether the whole file is test code: `tests.rs`, or in a `tests` folder.
    #[must_use]
    pub fn is_test(&self) -> bool {
        self.within
            .file_name()
            .is_some_and(|name| name == "tests.rs")
            || self.is_in("tests")
    }

    /// Whether the file was written by a program.
    #[must_use]
    pub fn is_generated(&self) -> bool {
        self.is_in("gen")
    }

    /// Whether a folder called `name` lies between the crate and the file.
    #[must_use]
    pub fn is_in(&self, name: &str) -> bool {
        let folders = self.within.parent().into_iter().flat_map(Path::components);
        folders
            .into_iter()
            .any(|part| part == Component::Normal(name.as_ref()))
    }
}

/// Reads every source file of the crate in `folder`, sorted by path.
///
/// # Errors
///
/// When a file cannot be read or parsed.
pub fn read(folder: &Path, root: &Path) -> anyhow::Result<Vec<Room>> {
    let mut paths = vec![folder.join("build.rs")];
    paths.retain(|path| path.exists());
    for name in ["src", "tests", "benches", "examples"] {
        let part = folder.join(name);
        if part.is_dir() {
            find(&part, &mut paths)?;
        }
    }
    paths.sort();
    paths
        .into_iter()
        .map(|path| room(&path, folder, root))
        .collect()
}

/// `path` as seen from `root`; unchanged when it is not below it.
#[must_use]
pub fn relative(path: &Path, root: &Path) -> PathBuf {
    path.strip_prefix(root).unwrap_or(path).to_owned()
}

/// Whether an item with these attributes is compiled for tests only.
#[must_use]
pub fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let cfg = attribute.path().is_ident("cfg");
        let condition = attribute.parse_args::<Meta>().ok();
        attribute.path().is_ident("test")
            || cfg && condition.is_some_and(|condition| needs_test(&condition))
    })
}

/// The attributes of an item; none for what cannot be told apart.
#[must_use]
pub fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn needs_test(condition: &Meta) -> bool {
    let parts = |list: &syn::MetaList| {
        list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
            .unwrap_or_default()
    };
    match condition {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("all") => parts(list).iter().any(needs_test),
        Meta::List(list) if list.path.is_ident("any") => {
            let parts = parts(list);
            !parts.is_empty() && parts.iter().all(needs_test)
        }
        _ => false,
    }
}

fn room(path: &Path, folder: &Path, root: &Path) -> anyhow::Result<Room> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let syntax = syn::parse_file(&text).map_err(|error| {
        let line = error.span().start().line;
        anyhow::anyhow!("{}:{line}: {error}", relative(path, root).display())
    })?;
    Ok(Room {
        path: relative(path, root),
        within: relative(path, folder),
        text,
        syntax,
    })
}

fn find(folder: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            let foreign = path.join("Cargo.toml").exists() || path.ends_with("fixtures");
            if !foreign {
                find(&path, found)?;
            }
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
    Ok(())
}
