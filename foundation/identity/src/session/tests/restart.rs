//! Workloads over a restart.

use std::os::unix::fs::MetadataExt as _;

use super::*;
use crate::disk::{Kept, Workloads};
use crate::kit::svid;
use crate::svid::Svid;

fn session(world: &World, scope: &Scope, stored: Stored, kept: Option<Workloads>) -> Identity {
    let (writer, identity) = channel(clock());
    let target = stored.target(vec![world.address.clone()]).unwrap();
    let channels = Channels::new(world.node.clone(), identity.clone());
    let session = Session::new(writer, world.disk(), stored, 1);
    let session = match kept {
        Some(kept) => session.resuming(kept),
        None => session,
    };
    scope.spawn("session", session.run(channels, target, scope.shutdown()));
    identity
}

async fn written(world: &World, svids: usize) -> Workloads {
    let deadline = Instant::now() + Duration::from_secs(300);
    loop {
        assert!(
            Instant::now() < deadline,
            "{svids} SVIDs were never written"
        );
        let own = world.east.id("pelago/node/east/n1");
        let kept = world.disk().load_workloads(&own).unwrap();
        if let Some(kept) = kept.filter(|kept| kept.svids.len() == svids) {
            return kept;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn inode(world: &World) -> u64 {
    let path = world.directory.path().join("workloads.jsonl");
    std::fs::metadata(path).unwrap().ino()
}

#[tokio::test(start_paused = true)]
async fn workloads_are_served_as_kept_and_asked_for_only_when_due() {
    let world = world().await;
    let stored = enrol(&world.node, &clock(), &world.token()).await.unwrap();
    let before = Scope::new("before");
    let identity = session(&world, &before, stored.clone(), None);
    world.controller.told.send_modify(|told| {
        told.entries = vec![world.entry("a", "ns/a/sa/a"), world.entry("b", "ns/b/sa/b")];
    });
    until(&identity, |state| state.workloads.len() == 2).await;
    let held = identity.current();
    let kept = written(&world, 2).await;
    assert!(kept.entries.iter().all(|kept| kept.renew_at > NOW + 3000));
    before.drain(Duration::from_secs(1)).await;

    let file = inode(&world);
    let again = session(&world, &world.scope, stored, Some(kept));
    // At once, and without the controller.
    let state = again.current();
    assert!(!state.entries_received);
    assert_eq!(state.entries, held.entries);
    for (id, svid) in &held.workloads {
        assert_eq!(state.svid(id).unwrap().key_der(), svid.key_der());
    }
    until(&again, |state| state.entries_received).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.controller.heard.borrow().issued, ["a", "b"]);
    assert_eq!(inode(&world), file, "nothing changed, nothing is written");

    // What the controller no longer lists goes, from the disk too.
    world
        .controller
        .told
        .send_modify(|told| told.entries.truncate(1));
    until(&again, |state| state.workloads.len() == 1).await;
    let kept = written(&world, 1).await;
    assert_eq!(kept.entries.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_drain_finds_unwritten_is_written() {
    let world = world().await;
    let stored = enrol(&world.node, &clock(), &world.token()).await.unwrap();
    let identity = session(&world, &world.scope, stored, None);
    world
        .controller
        .told
        .send_modify(|told| told.entries = vec![world.entry("a", "ns/a/sa/a")]);
    until(&identity, |state| state.workloads.len() == 1).await;
    world.scope.drain(Duration::from_secs(1)).await;
    let own = world.east.id("pelago/node/east/n1");
    let kept = world.disk().load_workloads(&own).unwrap().unwrap();
    assert_eq!(kept.svids.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_of_no_use_any_more_is_not_taken_up() {
    let world = world().await;
    let stored = enrol(&world.node, &clock(), &world.token()).await.unwrap();
    let leaf = |domain: &Domain, name: &str, until: u64| -> Arc<Svid> {
        let spec = Spec::leaf(domain.id(&format!("ns/a/sa/{name}")).as_str());
        svid(domain.intermediate.leaf(&spec.valid(NOW - 100, until)))
    };
    let mut elsewhere = world.entry("elsewhere", "ns/a/sa/elsewhere");
    elsewhere.node = Name::parse("n2").unwrap();
    let entries = ["good", "late", "expired", "unvouched"]
        .map(|name| world.entry(name, &format!("ns/a/sa/{name}")));
    let entries = entries.into_iter().chain([elsewhere]);
    let kept = Workloads {
        entries: entries
            .map(|entry| Kept {
                entry,
                renew_at: u64::MAX,
            })
            .collect(),
        svids: vec![
            leaf(&world.east, "good", NOW + 900),
            leaf(&world.east, "expired", NOW - 1),
            leaf(&Domain::new("east"), "unvouched", NOW + 900),
            leaf(&world.east, "elsewhere", NOW + 900),
            leaf(&world.east, "nobodys", NOW + 900),
        ],
    };
    world.controller.told.send_modify(|told| {
        told.entries = kept.entries.iter().map(|k| k.entry.clone()).collect();
    });
    let identity = session(&world, &world.scope, stored, Some(kept));
    let state = identity.current();
    let served: Vec<_> = state.workloads.keys().map(ToString::to_string).collect();
    assert_eq!(served, ["spiffe://east.example/ns/a/sa/good"]);
    let listed: Vec<_> = state.entries.iter().map(|e| e.id.as_str()).collect();
    assert_eq!(listed, ["expired", "good", "late", "unvouched"]);
    // The others are asked for at once, and what is served before it expires.
    until(&identity, |state| state.workloads.len() == 4).await;
    world
        .controller
        .hears(|heard| heard.issued.contains(&"good".to_owned()))
        .await;
    assert!(identity.now() <= NOW + 700, "{}", identity.now() - NOW);
}
