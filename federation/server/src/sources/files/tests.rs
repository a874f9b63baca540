//! On a real folder, with the kernel's own events.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pelago_runtime::scope::Scope;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::sources::texts::tests::context;
use crate::sources::{Said, Source, Testimony, start};

const SECOND: Duration = Duration::from_secs(10);

async fn until(said: &mut Said, what: impl FnMut(&Arc<Testimony>) -> bool) -> Arc<Testimony> {
    let found = timeout(SECOND, said.wait_for(what))
        .await
        .expect("in time")
        .expect("alive");
    Arc::clone(&found)
}

fn export(name: &str) -> String {
    format!(
        "apiVersion: multicluster.x-k8s.io/v1alpha1\nkind: ServiceExport\nmetadata: {{name: {name}}}\n"
    )
}

fn open(folder: &Path) -> (Said, Scope) {
    let scope = Scope::new("test");
    let said = start(
        (0, Source::Files(folder.to_owned())),
        context(),
        &BTreeMap::new(),
        &Arc::new(Notify::new()),
        &scope,
    );
    (said, scope)
}

#[tokio::test]
async fn files_come_change_break_and_go() {
    let folder = tempfile::tempdir().expect("folder");
    let path = |name: &str| folder.path().join(name);
    fs::write(path("a.yaml"), export("a")).expect("write");
    fs::write(path("notes.txt"), "kind: [").expect("write");
    fs::write(path(".b.yaml"), "kind: [").expect("write");
    let (mut said, _scope) = open(folder.path());
    let first = until(&mut said, |said| said.spoken).await;
    assert_eq!(
        (first.facts.len(), first.settled, first.findings.len()),
        (1, true, 0)
    );

    fs::write(path("b.yml"), export("b")).expect("write");
    until(&mut said, |said| said.facts.len() == 2).await;
    fs::write(path("b.yml"), "kind: [").expect("write");
    let broken = until(&mut said, |said| !said.findings.is_empty()).await;
    assert_eq!(broken.facts.len(), 2);
    assert!(broken.findings[0].source.ends_with("b.yml"));
    fs::rename(path("a.yaml"), path("c.yaml")).expect("rename");
    fs::remove_file(path("b.yml")).expect("remove");
    let gone = until(&mut said, |said| said.facts.len() == 1).await;
    assert_eq!(gone.findings, []);
}

#[tokio::test]
async fn a_folder_that_goes_is_an_error_and_one_that_comes_back_is_read() {
    let parent = tempfile::tempdir().expect("folder");
    let folder = parent.path().join("mesh");
    let (mut said, _scope) = open(&folder);
    let none = until(&mut said, |said| said.spoken).await;
    assert!(!none.settled && !none.findings.is_empty());
    fs::create_dir(&folder).expect("create");
    fs::write(folder.join("a.yaml"), export("a")).expect("write");
    until(&mut said, |said| said.settled && said.facts.len() == 1).await;
    // Moved away at once, as `mv` does it.
    fs::rename(&folder, parent.path().join("old")).expect("rename");
    let kept = until(&mut said, |said| !said.findings.is_empty()).await;
    assert_eq!(kept.facts.len(), 1);
}

/// A pipe would make the reader wait for ever, and a link that leads nowhere for
/// a moment is not gone.
#[tokio::test]
async fn what_is_no_file_now_stops_nothing_and_keeps_what_it_said() {
    let folder = tempfile::tempdir().expect("folder");
    let path = |name: &str| folder.path().join(name);
    fs::write(path("data"), export("a")).expect("write");
    std::os::unix::fs::symlink(path("data"), path("a.yaml")).expect("link");
    let (mut said, _scope) = open(folder.path());
    until(&mut said, |said| said.facts.len() == 1).await;
    nix::unistd::mkfifo(&path("b.yaml"), nix::sys::stat::Mode::S_IRWXU).expect("pipe");
    until(&mut said, |said| said.findings.len() == 1).await;
    fs::remove_file(path("data")).expect("remove");
    let kept = until(&mut said, |said| said.findings.len() == 2).await;
    assert_eq!((kept.facts.len(), kept.texts.len()), (1, 1));
    fs::remove_file(path("a.yaml")).expect("remove");
    until(&mut said, |said| {
        said.facts.is_empty() && said.findings.len() == 1
    })
    .await;
}
