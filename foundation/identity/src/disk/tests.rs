use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;
use crate::kit::Domain;

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
        let mixed = String::from_utf8(encode(&a).unwrap().to_vec()).unwrap();
        mixed.replace(&key(&a), &key(&b))
    };
    for bad in [
        String::new(),
        good[..good.len() / 2].to_owned(),
        good.replace("\"format\":1", "\"format\":2"),
        good.replace("\"renew_at\"", "\"renewed\""),
        other_key,
    ] {
        fs::write(&file, &bad).unwrap();
        let error = disk.load().unwrap_err();
        assert!(matches!(
            error,
            DiskError::Damaged { .. } | DiskError::Svid { .. }
        ));
        assert!(!format!("{error:?}").contains("BEGIN"));
    }
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
