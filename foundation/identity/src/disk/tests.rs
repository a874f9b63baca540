use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pelago_model::{BundleSet, Name, RegistrationEntry, Selector};

use super::*;
use crate::kit::Domain;

const NEXT: &str = "identity.json.next";

fn stored() -> Stored {
    let (east, west) = (Domain::new("east"), Domain::new("west"));
    let mut bundles = BundleSet::default();
    for domain in [&east, &west] {
        bundles.accept(Arc::new(domain.bundle(3))).unwrap();
    }
    Stored {
        svid: east.svid("pelago/node/east/n1"),
        renew_at: 1234,
        bundles,
    }
}

#[test]
fn what_was_saved_is_loaded() {
    let temporary = tempfile::tempdir().unwrap();
    let disk = StateDir::open(&temporary.path().join("a/b")).unwrap();
    assert!(disk.load().unwrap().is_none());
    for mut stored in [stored(), stored()] {
        stored.renew_at += 1;
        disk.save(&stored).unwrap();
        let loaded = disk.load().unwrap().unwrap();
        assert_eq!(loaded.svid.chain_der(), stored.svid.chain_der());
        assert_eq!(loaded.svid.key_der(), stored.svid.key_der());
        assert_eq!(loaded.renew_at, 1235);
        assert_eq!(loaded.bundles, stored.bundles);
    }
}

#[test]
fn nobody_else_may_read_it() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path().join("state");
    let disk = StateDir::open(&directory).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    // What a crash left behind is not written into, whatever its mode.
    fs::write(directory.join(NEXT), "{}").unwrap();
    fs::set_permissions(directory.join(NEXT), fs::Permissions::from_mode(0o666)).unwrap();
    disk.save(&stored()).unwrap();
    let file = directory.join(FILE);
    assert_eq!(mode(&file), 0o600);
    assert!(!directory.join(NEXT).exists());
    // One that others can read is not trusted with a key any more.
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(disk.load(), Err(DiskError::Exposed { .. })));
    // Nor is a link followed.
    let elsewhere = temporary.path().join("elsewhere");
    fs::rename(&file, &elsewhere).unwrap();
    fs::set_permissions(&elsewhere, fs::Permissions::from_mode(0o600)).unwrap();
    symlink(&elsewhere, &file).unwrap();
    assert!(matches!(disk.load(), Err(DiskError::Io { .. })));
    // A save replaces the link, not what it points to.
    let before = fs::read(&elsewhere).unwrap();
    disk.save(&stored()).unwrap();
    assert_eq!(fs::read(&elsewhere).unwrap(), before);
    assert!(disk.load().unwrap().is_some());
}

#[test]
fn a_damaged_file_is_an_error_never_an_empty_start() {
    let temporary = tempfile::tempdir().unwrap();
    let disk = StateDir::open(temporary.path()).unwrap();
    disk.save(&stored()).unwrap();
    let file = temporary.path().join(FILE);
    let good = fs::read_to_string(&file).unwrap();
    let other_key = {
        let (a, b) = (stored(), stored());
        let key = |stored: &Stored| STANDARD.encode(stored.svid.key_der());
        let text = own::encode(&a, &file).unwrap().to_vec();
        let mixed = String::from_utf8(text).unwrap();
        mixed.replace(&key(&a), &key(&b))
    };
    for bad in [
        String::new(),
        good[..good.len() / 2].to_owned(),
        good.replace("\"format\":1", "\"format\":0"),
        good.replace("\"renew_at\"", "\"renewed\""),
        other_key,
    ] {
        fs::write(&file, &bad).unwrap();
        let error = disk.load().unwrap_err();
        assert!(matches!(
            error,
            DiskError::Damaged { .. } | DiskError::Svid { .. }
        ));
    }
    fs::write(&file, good.replace("\"format\":1", "\"format\":2")).unwrap();
    let error = disk.load().unwrap_err().to_string();
    assert!(error.contains("identity.json is of format 2"), "{error}");
}

#[test]
fn memory_keeps_the_same_for_all_its_clones() {
    let memory = StateDir::memory();
    assert!(memory.load().unwrap().is_none());
    let stored = stored();
    let other = memory.clone();
    other.save(&stored).unwrap();
    let loaded = memory.load().unwrap().unwrap();
    assert!(Arc::ptr_eq(&loaded.svid, &stored.svid));
    assert!(StateDir::memory().load().unwrap().is_none());
}

fn workloads(domain: &Domain, names: &[&str]) -> Workloads {
    let kept = names.iter().map(|name| Kept {
        entry: RegistrationEntry {
            id: Name::parse(&format!("shop.{name}")).unwrap(),
            spiffe_id: domain.id(&format!("ns/shop/sa/{name}")),
            node: Name::parse("n1").unwrap(),
            selectors: vec![Selector::Uid(1)],
            ttl_seconds: Some(60),
            hint: String::new(),
        },
        renew_at: 77,
    });
    let svids = names
        .iter()
        .map(|name| domain.svid(&format!("ns/shop/sa/{name}")));
    Workloads {
        entries: kept.collect(),
        svids: svids.collect(),
    }
}

fn keys(kept: &Workloads) -> Vec<&[u8]> {
    kept.svids.iter().map(|svid| svid.key_der()).collect()
}

#[test]
fn workloads_come_back_with_their_keys_and_only_to_their_node() {
    let temporary = tempfile::tempdir().unwrap();
    let east = Domain::new("east");
    let own = east.id("pelago/node/east/n1");
    for disk in [
        StateDir::open(temporary.path()).unwrap(),
        StateDir::memory(),
    ] {
        assert!(disk.load_workloads(&own).unwrap().is_none());
        for names in [&["web", "api"][..], &["api"], &[]] {
            let kept = workloads(&east, names);
            disk.save_workloads(&own, &kept).unwrap();
            let loaded = disk.load_workloads(&own).unwrap().unwrap();
            assert_eq!(loaded.entries, kept.entries);
            assert_eq!(keys(&loaded), keys(&kept));
        }
        disk.save_workloads(&own, &workloads(&east, &["web"]))
            .unwrap();
        let other = disk.load_workloads(&east.id("pelago/node/east/n2"));
        assert!(other.unwrap().is_none());
    }
    let mode = fs::metadata(temporary.path().join(WORKLOADS)).unwrap();
    assert_eq!(mode.mode() & 0o7777, 0o600);
}

#[test]
fn damaged_or_exposed_workloads_are_left_out_and_written_again() {
    let temporary = tempfile::tempdir().unwrap();
    let (disk, east) = (
        StateDir::open(temporary.path()).unwrap(),
        Domain::new("east"),
    );
    let own = east.id("pelago/node/east/n1");
    let file = temporary.path().join(WORKLOADS);
    let kept = workloads(&east, &["web"]);
    disk.save_workloads(&own, &kept).unwrap();
    let good = fs::read_to_string(&file).unwrap();
    let without_last = good.rsplit_once('\n').unwrap().0;
    for bad in [
        "",
        "\n",
        "{}\n[]",
        "not json",
        &good[..good.len() / 2],
        without_last,
        &good.replace("unix:uid:1", "unix:uid:0"),
        &good.replace("pelago-workloads", "other"),
    ] {
        fs::write(&file, bad).unwrap();
        assert!(disk.load_workloads(&own).unwrap().is_none(), "{bad}");
    }
    fs::write(&file, &good).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(disk.load_workloads(&own).unwrap().is_none());
    disk.save_workloads(&own, &kept).unwrap();
    assert_eq!(
        keys(&disk.load_workloads(&own).unwrap().unwrap()),
        keys(&kept)
    );
}

#[test]
fn workloads_of_a_newer_format_are_refused_by_name_unless_we_may_read_them() {
    let temporary = tempfile::tempdir().unwrap();
    let (disk, east) = (
        StateDir::open(temporary.path()).unwrap(),
        Domain::new("east"),
    );
    let own = east.id("pelago/node/east/n1");
    let file = temporary.path().join(WORKLOADS);
    disk.save_workloads(&own, &workloads(&east, &["web"]))
        .unwrap();
    let text = fs::read_to_string(&file).unwrap();
    let newer = text.replace("\"format\":1", "\"format\":2,\"more\":true");
    fs::write(&file, &newer).unwrap();
    assert!(disk.load_workloads(&own).unwrap().is_some());
    fs::write(
        &file,
        newer.replace("\"oldestReader\":1", "\"oldestReader\":2"),
    )
    .unwrap();
    let error = disk.load_workloads(&own).unwrap_err().to_string();
    assert!(error.contains("workloads.jsonl is of format 2"), "{error}");
}

#[test]
fn a_pipe_in_place_of_a_file_holds_nobody_up() {
    let temporary = tempfile::tempdir().unwrap();
    let disk = StateDir::open(temporary.path()).unwrap();
    let mode = nix::sys::stat::Mode::from_bits_truncate(0o600);
    nix::unistd::mkfifo(&temporary.path().join(FILE), mode).unwrap();
    assert!(matches!(disk.load(), Err(DiskError::Exposed { .. })));
}

#[test]
fn debug_shows_no_key() {
    let memory = StateDir::memory();
    memory.save(&stored()).unwrap();
    let shown = format!("{memory:?} {:?}", workloads(&Domain::new("east"), &["a"]));
    assert!(
        !shown.contains("key") && shown.contains("shop.a"),
        "{shown}"
    );
}

#[test]
fn a_directory_that_others_can_write_to_is_refused() {
    let temporary = tempfile::tempdir().unwrap();
    let refused = |mode| {
        fs::set_permissions(temporary.path(), fs::Permissions::from_mode(mode)).unwrap();
        let opened = StateDir::open(temporary.path());
        matches!(opened, Err(DiskError::Shared { .. }))
    };
    assert!(!refused(0o700) && !refused(0o755) && !refused(0o775));
    assert!(refused(0o1777) && refused(0o702));
    if nix::unistd::Uid::effective().is_root() {
        // Only root can give it to a group that it is not in.
        std::os::unix::fs::chown(temporary.path(), None, Some(65534)).unwrap();
        assert!(refused(0o770) && !refused(0o750));
    }
}

#[test]
fn a_file_that_another_user_put_here_is_refused() {
    if !nix::unistd::Uid::effective().is_root() {
        return; // Only root can give a file away.
    }
    let temporary = tempfile::tempdir().unwrap();
    let disk = StateDir::open(temporary.path()).unwrap();
    disk.save(&stored()).unwrap();
    let file = temporary.path().join(FILE);
    std::os::unix::fs::chown(&file, Some(65534), None).unwrap();
    assert!(matches!(disk.load(), Err(DiskError::Exposed { .. })));
}
