use std::os::unix::fs::symlink;

use super::*;

async fn keyring(folder: &Path) -> DiskKeyring {
    DiskKeyring::open(folder.join("keys")).await.expect("opens")
}

#[tokio::test]
async fn a_key_survives_and_is_never_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = keyring(folder.path()).await;
    assert!(
        Keyring::open(&first, "root-1")
            .await
            .expect("reads")
            .is_none()
    );
    let made = first.create("root-1").await.expect("made");
    let again = keyring(folder.path())
        .await
        .create("root-1")
        .await
        .expect("opened");
    assert_eq!(made.public_key(), again.public_key());
    let file = folder.path().join("keys/root-1.pk8");
    let mode = std::fs::metadata(&file)
        .expect("there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let left = std::fs::read_dir(folder.path().join("keys")).expect("reads");
    assert_eq!(left.count(), 1, "nothing stays aside");
}

#[tokio::test]
async fn concurrent_makers_get_one_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let one = keyring(folder.path()).await;
    let two = keyring(folder.path()).await;
    let (one, two) = tokio::join!(one.make("root-1"), two.make("root-1"));
    let (one, two) = (one.expect("made"), two.expect("made"));
    assert_eq!(one.public_key(), two.public_key());
}

#[tokio::test]
async fn wider_modes_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let keys = keyring(folder.path()).await;
    keys.create("root-1").await.map(drop).expect("made");
    let file = folder.path().join("keys/root-1.pk8");
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("set");
    };
    mode(&file, 0o640);
    let refused = Keyring::open(&keys, "root-1").await.map(drop);
    assert!(matches!(refused, Err(KeyError::Mode { mode: 0o640, .. })));
    mode(&file, 0o600);
    mode(&folder.path().join("keys"), 0o750);
    let refused = DiskKeyring::open(folder.path().join("keys")).await;
    assert!(matches!(refused, Err(KeyError::Mode { wanted: 0o700, .. })));
}

#[tokio::test]
async fn links_junk_and_paths_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let keys = keyring(folder.path()).await;
    symlink("/dev/null", folder.path().join("keys/linked.pk8")).expect("linked");
    let refused = keys.create("linked").await.map(drop);
    assert!(matches!(refused, Err(KeyError::Kind { .. })));
    for name in ["", "..", "a/b", "A", "a.b"] {
        let refused = keys.create(name).await.map(drop);
        assert!(matches!(refused, Err(KeyError::Name { .. })), "{name:?}");
    }
    keys.create("junk").await.map(drop).expect("made");
    std::fs::write(folder.path().join("keys/junk.pk8"), b"junk").expect("written");
    let refused = Keyring::open(&keys, "junk").await.map(drop);
    assert!(matches!(refused, Err(KeyError::Malformed { .. })));
}
