//! Fixtures: workspaces described in one text each, laid out where Cargo can
//! read them.
//!
//! A fixture lists its crates, `crate NAME: IMPORTED ...; build: ...; dev: ...`
//! (`external` for those outside of the workspace), then its sources, each
//! under a line `=== PATH`. A crate without a source gets a documented
//! `src/lib.rs`. Nobody compiles them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

const WORKSPACE: &str =
    "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"]\nexclude = [\"external\"]\n";

/// Lays out the fixture of this name in a fresh folder.
pub(crate) fn lay_out(name: &str) -> tempfile::TempDir {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let text = fs::read_to_string(fixtures.join(name).with_extension("txt")).unwrap();
    let mut parts = text.split("\n=== ");
    let crates = parts.next().unwrap();

    let root = tempfile::tempdir().unwrap();
    put(root.path(), "Cargo.toml", WORKSPACE);
    let folders = folders(crates);
    for line in crates.lines() {
        let (name, dependencies) = declaration(line);
        let folder = &folders[name];
        put(
            root.path(),
            &format!("{folder}/Cargo.toml"),
            &manifest(name, dependencies, &folders),
        );
        put(
            root.path(),
            &format!("{folder}/src/lib.rs"),
            &format!("//! {name}.\n"),
        );
    }
    for part in parts {
        let (path, source) = part.split_once('\n').unwrap();
        put(root.path(), path, &format!("{}\n", source.trim_end()));
    }
    root
}

/// Each crate's folder, by its name.
fn folders(crates: &str) -> BTreeMap<&str, String> {
    let folder = |line: &'_ str| match line.split_once(' ').unwrap().0 {
        "external" => "external",
        "crate" => "crates",
        other => panic!("a fixture lists `crate` and `external`, not {other}"),
    };
    let named = crates.lines().map(|line| {
        let name = declaration(line).0;
        (name, format!("{}/{name}", folder(line)))
    });
    named.collect()
}

/// The name in a line, and the text of its dependencies.
fn declaration(line: &str) -> (&str, &str) {
    let rest = line.split_once(' ').unwrap().1;
    let end = rest.find([':', ';']).unwrap_or(rest.len());
    rest.split_at(end)
}

fn manifest(name: &str, dependencies: &str, folders: &BTreeMap<&str, String>) -> String {
    let mut text =
        format!("[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n");
    for group in dependencies.split(';').filter(|group| !group.is_empty()) {
        let (kind, names) = group.split_once(':').unwrap();
        let prefix = match kind.trim() {
            "" => "",
            "build" => "build-",
            "dev" => "dev-",
            other => panic!("a fixture's dependencies are plain, build or dev, not {other}"),
        };
        writeln!(text, "\n[{prefix}dependencies]").unwrap();
        for imported in names.split_whitespace() {
            let folder = &folders[imported];
            writeln!(text, "{imported} = {{ path = \"../../{folder}\" }}").unwrap();
        }
    }
    text
}

fn put(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}
