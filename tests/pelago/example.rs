//! `examples/multicluster/README.md`, run as written.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use crate::process::{errors, has};

#[test]
fn the_example_runs_as_written() {
    if !has("curl", "examples/multicluster")
        || !has("python3", "examples/multicluster")
        || !has("bash", "examples/multicluster")
    {
        return;
    }
    let _lock = lock();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/multicluster");
    let folder = tempfile::tempdir().unwrap();
    copy(&source, folder.path());
    let readme = std::fs::read_to_string(source.join("README.md")).unwrap();

    let binary = Path::new(env!("CARGO_BIN_EXE_pelago")).parent().unwrap();
    let output = Command::new("timeout")
        .args([
            "--kill-after=5",
            "60",
            "bash",
            "-c",
            &script(binary, &readme),
        ])
        .current_dir(folder.path())
        .env_remove("PELAGO_CONTEXTS")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{:?}\n{said}\n{}",
        output.status,
        errors(&output)
    );
    assert!(
        said.contains("\norders in west\n"),
        "{said}\n{}",
        errors(&output)
    );
    let caller = "\"verified_source\":\"spiffe://east.example/ns/shop/sa/frontend\"";
    assert!(said.contains(caller), "{said}");
}

/// Every block of shell, in order; what it starts ends with it.
fn script(binary: &Path, readme: &str) -> String {
    let mut script = format!(
        "set -euo pipefail\nexport PATH=\"{}:$PATH\"\ntrap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT\n",
        binary.display()
    );
    for block in readme.split("```sh\n").skip(1) {
        let _ = writeln!(script, "{}", block.split("```").next().unwrap());
    }
    script
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The example's addresses, 127.65.0.0/24, are for one run at a time; the
/// kernel frees the lock when the test ends, however it ends.
fn lock() -> std::os::unix::net::UnixListener {
    use std::os::linux::net::SocketAddrExt as _;
    let name = std::os::unix::net::SocketAddr::from_abstract_name("pelago-127.65.0.0").unwrap();
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(120);
    loop {
        match std::os::unix::net::UnixListener::bind_addr(&name) {
            Ok(lock) => return lock,
            Err(error) => assert!(
                tokio::time::Instant::now() < deadline,
                "another run holds 127.65.0.0/24: {error}"
            ),
        }
        std::thread::yield_now();
    }
}
