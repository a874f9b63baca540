//! `gen`: the protobuf code in `foundation/wire/src/gen`.
//!
//! Every `*.proto` under `foundation/wire/proto` is compiled by protox (no
//! `protoc` needed) and written by tonic-prost-build, then formatted. The
//! result is checked in, so that a build needs neither; `check` proves that it
//! is what the protos say. `protos.rs` is the module tree that includes the
//! rest: a file per package, and `workload.rs` for the protos without one.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};

const PROTOS: &str = "foundation/wire/proto";
const GENERATED: &str = "foundation/wire/src/gen";
const SCRATCH: &str = "target/gen";
/// Messages that carry keys, secrets or bearer tokens: no `Debug` is derived,
/// `pelago-wire` writes one that leaves those fields out.
const SECRET: [&str; 8] = [
    ".X509SVID",
    ".JWTSVID",
    ".ValidateJWTSVIDRequest",
    ".pelago.trust.v1.JoinRequest",
    ".pelago.trust.v1.EnrolRequest",
    ".pelago.admin.v1.TokenResponse",
    ".pelago.admin.v1.InspectPeerTokenRequest",
    ".pelago.admin.v1.JoinPeerRequest",
];

/// Replaces the generated folder by what the protos say.
pub(crate) fn write(root: &Path) -> anyhow::Result<()> {
    let fresh = generate(root)?;
    let folder = root.join(GENERATED);
    let stale = read_rust_files(&folder)?;
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    for name in stale.keys().filter(|name| !fresh.contains_key(*name)) {
        fs::remove_file(folder.join(name)).with_context(|| format!("remove stale {name}"))?;
    }
    for (name, text) in fresh
        .iter()
        .filter(|(name, text)| stale.get(*name) != Some(text))
    {
        fs::write(folder.join(name), text).with_context(|| format!("write {name}"))?;
        println!("wrote {GENERATED}/{name}");
    }
    Ok(())
}

/// Fails when the checked-in folder is not what the protos say.
pub(crate) fn check(root: &Path) -> anyhow::Result<()> {
    let fresh = generate(root)?;
    let kept = read_rust_files(&root.join(GENERATED))?;
    let mut names: Vec<&String> = fresh.keys().chain(kept.keys()).collect();
    names.sort();
    names.dedup();
    let differing: Vec<String> = names
        .into_iter()
        .filter(|name| fresh.get(*name) != kept.get(*name))
        .map(|name| format!("{GENERATED}/{name}"))
        .collect();
    ensure!(
        differing.is_empty(),
        "generated code differs from {PROTOS}: {}; run `cargo xtask gen` and commit the result",
        differing.join(", ")
    );
    Ok(())
}

/// Generates into a scratch folder; returns file names and formatted text.
fn generate(root: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let includes = root.join(PROTOS);
    let mut protos = Vec::new();
    find_protos(&includes, &mut protos)?;
    protos.sort();
    ensure!(!protos.is_empty(), "no .proto file under {PROTOS}");

    let scratch = root.join(SCRATCH);
    if scratch.exists() {
        fs::remove_dir_all(&scratch).with_context(|| format!("empty {SCRATCH}"))?;
    }
    fs::create_dir_all(&scratch).with_context(|| format!("create {SCRATCH}"))?;
    compile(&includes, &protos, &scratch)?;
    format(&scratch)?;
    read_rust_files(&scratch)
}

fn compile(includes: &Path, protos: &[PathBuf], out: &Path) -> anyhow::Result<()> {
    let descriptors = protox::Compiler::new([includes])?
        .include_source_info(false) // no comments in the output
        .include_imports(true)
        .open_files(protos)
        .map_err(|error| anyhow::anyhow!("{error:?}"))?
        .file_descriptor_set();
    let mut config = tonic_prost_build::Config::new();
    config.default_package_filename("workload");
    config.skip_debug(SECRET);
    tonic_prost_build::configure()
        .build_client(true)
        .build_server(true)
        .btree_map(".")
        .include_file("protos.rs")
        .emit_rerun_if_changed(false)
        .out_dir(out)
        .compile_fds_with_config(descriptors, config)
        .context("generate code")
}

fn format(folder: &Path) -> anyhow::Result<()> {
    let files = read_rust_files(folder)?;
    let status = Command::new("rustfmt")
        .args(["--edition", "2024"])
        .args(files.keys().map(|name| folder.join(name)))
        .status()
        .context("run rustfmt")?;
    if !status.success() {
        bail!("rustfmt failed on the generated code: {status}");
    }
    Ok(())
}

fn find_protos(folder: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            find_protos(&path, found)?;
        } else if path.extension().is_some_and(|ending| ending == "proto") {
            found.push(path);
        }
    }
    Ok(())
}

/// The Rust files directly in `folder` by name; none when it does not exist.
fn read_rust_files(folder: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    if !folder.exists() {
        return Ok(files);
    }
    let entries = fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if let Some(name) = name.filter(|name| name.ends_with(".rs")) {
            let text = fs::read_to_string(&path).with_context(|| format!("read {name}"))?;
            files.insert(name.to_owned(), text);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests;
