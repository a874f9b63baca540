use std::sync::Arc;

use pelago_model::{Delta, Gateway, GatewayId, Resource};

use super::*;

fn own() -> SpiffeId {
    SpiffeId::parse("spiffe://east.example/pelago/node/east/web").unwrap()
}

fn snapshot(gateways: &[&str]) -> Snapshot {
    let upserts = gateways.iter().map(|name| {
        let gateway: Gateway = serde_json::from_value(serde_json::json!({
            "id": format!("east/{name}"),
            "network": "east/east-net",
            "identity": format!("spiffe://east.example/pelago/gateway/east/{name}"),
            "addresses": ["127.0.0.1:15443"],
            "standing": "fresh",
        }))
        .unwrap();
        Resource::Gateway(Arc::new(gateway))
    });
    let mut snapshot = Snapshot::default();
    snapshot.apply(&Delta {
        upserts: upserts.collect(),
        removals: Vec::new(),
    });
    snapshot
}

#[test]
fn what_is_kept_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    for kept in [
        Snapshots::directory(directory.path().to_path_buf()),
        Snapshots::memory(),
    ] {
        assert!(kept.load(&own()).unwrap().is_none());
        for names in [&["a", "b"][..], &["b"]] {
            kept.save(&own(), &snapshot(names)).unwrap();
            assert_eq!(kept.load(&own()).unwrap().unwrap(), snapshot(names));
        }
    }
}

#[test]
fn only_we_may_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let kept = Snapshots::directory(directory.path().to_path_buf());
    kept.save(&own(), &snapshot(&["a"])).unwrap();
    let mode = fs::metadata(directory.path().join(FILE))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o600);
}

#[test]
fn damaged_cut_or_foreign_ones_are_left_out() {
    let directory = tempfile::tempdir().unwrap();
    let kept = Snapshots::directory(directory.path().to_path_buf());
    let file = directory.path().join(FILE);
    kept.save(&own(), &snapshot(&["a", "b"])).unwrap();
    let text = fs::read_to_string(&file).unwrap();
    let without_last = text.trim_end().rsplit_once('\n').unwrap().0;
    for damaged in [
        "",
        "{}",
        "not json",
        &text[..text.len() / 2],
        without_last,
        &text.replace("15443", "15444"),
        &text.replace("pelago-snapshot", "other"),
    ] {
        fs::write(&file, damaged).unwrap();
        assert!(kept.load(&own()).unwrap().is_none(), "{damaged}");
    }
    fs::write(&file, &text).unwrap();
    let other = SpiffeId::parse("spiffe://east.example/pelago/node/east/api").unwrap();
    assert!(kept.load(&other).unwrap().is_none());
    assert!(kept.load(&own()).unwrap().is_some());
}

#[test]
fn a_newer_format_is_refused_by_name_unless_we_may_read_it() {
    let directory = tempfile::tempdir().unwrap();
    let kept = Snapshots::directory(directory.path().to_path_buf());
    let file = directory.path().join(FILE);
    kept.save(&own(), &snapshot(&["a"])).unwrap();
    let text = fs::read_to_string(&file).unwrap();
    let newer = text.replace("\"format\":1", "\"format\":2,\"more\":true");
    fs::write(&file, &newer).unwrap();
    assert_eq!(kept.load(&own()).unwrap().unwrap(), snapshot(&["a"]));
    let unreadable = newer.replace("\"oldestReader\":1", "\"oldestReader\":2");
    fs::write(&file, unreadable).unwrap();
    let error = kept.load(&own()).unwrap_err().to_string();
    assert!(error.contains("snapshot.jsonl is of format 2"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_is_published_is_kept_and_the_last_one_at_the_drain() {
    let scope = pelago_runtime::scope::Scope::new("test");
    let kept = Snapshots::memory();
    let (publish, published) = watch::channel(Arc::new(Snapshot::default()));
    scope.spawn(
        "keep",
        kept.clone().keep(own(), published, scope.shutdown()),
    );
    publish.send_replace(Arc::new(snapshot(&["a"])));
    while kept.load(&own()).unwrap().is_none() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    publish.send_replace(Arc::new(snapshot(&["a", "b"])));
    scope.drain(Duration::from_secs(5)).await;
    assert_eq!(kept.load(&own()).unwrap().unwrap(), snapshot(&["a", "b"]));
    let id: GatewayId = serde_json::from_value("east/b".into()).unwrap();
    assert!(kept.load(&own()).unwrap().unwrap().gateway(&id).is_some());
}
