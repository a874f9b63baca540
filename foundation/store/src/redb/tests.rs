use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::contract::MAX_VALUE;
use crate::schema::{Schema, SchemaError};

async fn put(store: &RedbStore, key: &str, value: &[u8]) -> Revision {
    let key = Key::new(key).unwrap();
    let swap = store
        .compare_and_swap(&key, Expected::Any, Some(value.to_vec()))
        .await;
    match swap.unwrap() {
        Swap::Done(revision) => revision,
        Swap::Conflict(_) => panic!("any value was expected"),
    }
}

fn scratch() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.redb");
    (folder, path)
}

#[tokio::test]
async fn reopening_keeps_everything_and_revisions_go_on() {
    let (_folder, path) = scratch();
    let store = RedbStore::open(&path).await.unwrap();
    let first = put(&store, "a", b"1").await;
    let second = put(&store, "b/c", b"2").await;
    let before = store.list("").await.unwrap();
    drop(store);

    let store = RedbStore::open(&path).await.unwrap();
    assert_eq!(store.list("").await.unwrap(), before);
    assert_eq!(before.revision, second);
    let stale = store
        .compare_and_swap(&Key::new("b/c").unwrap(), Expected::Revision(first), None)
        .await;
    assert!(matches!(stale, Ok(Swap::Conflict(Some(_)))));
    let third = put(&store, "a", b"3").await;
    assert!(third.0 > second.0);
}

#[tokio::test]
async fn watch_resumes_across_a_restart() {
    let (_folder, path) = scratch();
    let store = RedbStore::open(&path).await.unwrap();
    let first = put(&store, "a", b"1").await;
    put(&store, "a", b"2").await;
    let key = Key::new("a").unwrap();
    store
        .compare_and_swap(&key, Expected::Any, None)
        .await
        .unwrap();
    drop(store);

    let store = RedbStore::open(&path).await.unwrap();
    let mut watch = store.watch("", first).await.unwrap();
    put(&store, "a", b"3").await;
    assert!(matches!(watch.next().await, Some(Event::Put(_, held)) if held.value == b"2"));
    assert!(matches!(watch.next().await, Some(Event::Delete(gone, _)) if gone == key));
    assert!(matches!(watch.next().await, Some(Event::Put(_, held)) if held.value == b"3"));
}

#[tokio::test]
async fn what_was_forgotten_stays_forgotten_and_the_log_stays_small() {
    let (_folder, path) = scratch();
    let store = RedbStore::open(&path).await.unwrap();
    let start = put(&store, "big", b"").await;
    for n in 0..40_u8 {
        put(&store, "big", &vec![n; MAX_VALUE]).await;
    }
    drop(store);

    let store = RedbStore::open(&path).await.unwrap();
    let mut watch = store.watch("", start).await.unwrap();
    assert_eq!(watch.next().await, Some(Event::Relist));
    let logged = tables::past(&store.database).unwrap().changes;
    assert!(
        logged.len() < 20,
        "{} changes of 512 KiB are logged",
        logged.len()
    );
}

/// What was acknowledged is in the file at that moment, not only after a tidy
/// close: a copy taken then opens and holds it.
#[tokio::test]
async fn acknowledged_writes_survive_a_crash() {
    let (folder, path) = scratch();
    let store = RedbStore::open(&path).await.unwrap();
    for n in 0..5_u8 {
        put(&store, "k", &[n]).await;
        let copy = folder.path().join(format!("crashed-{n}"));
        fs::copy(&path, &copy).unwrap();
        let after = RedbStore::open(&copy).await.unwrap();
        let held = after.get(&Key::new("k").unwrap()).await.unwrap().unwrap();
        assert_eq!(held.value, [n]);
    }
}

#[tokio::test]
async fn refuses_a_newer_format_after_reopening() {
    let (_folder, path) = scratch();
    let store = RedbStore::open(&path).await.unwrap();
    Schema::open(&store, "east").await.unwrap();
    let header = br#"{"format":7,"oldest_reader":5,"writer":"w","cluster":"east"}"#;
    put(&store, "meta/schema", header).await;
    drop(store);
    let store = RedbStore::open(&path).await.unwrap();
    let error = Schema::open(&store, "east").await.unwrap_err();
    assert!(matches!(
        error,
        SchemaError::TooNew {
            format: 7,
            oldest_reader: 5,
            ..
        }
    ));
}

#[tokio::test]
async fn refuses_a_newer_layout() {
    let (_folder, path) = scratch();
    drop(RedbStore::open(&path).await.unwrap());
    let database = ::redb::Database::open(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction
        .open_table(tables::META)
        .unwrap()
        .insert("layout", 2)
        .unwrap();
    transaction.commit().unwrap();
    drop(database);
    let error = RedbStore::open(&path).await.unwrap_err();
    assert!(
        matches!(
            error,
            OpenError::Layout {
                layout: 2,
                known: 1,
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_file_in_use_is_named_with_what_to_do() {
    let (_folder, path) = scratch();
    let store = RedbStore::open(&path).await.unwrap();
    let error = RedbStore::open(&path).await.unwrap_err();
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains(&path.display().to_string()) && text.contains("stop that one"));
    drop(store);
    RedbStore::open(&path).await.unwrap();
}

#[tokio::test]
async fn the_file_is_private_and_refused_when_it_is_not() {
    let (_folder, path) = scratch();
    drop(RedbStore::open(&path).await.unwrap());
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let error = RedbStore::open(&path).await.unwrap_err();
    assert!(
        matches!(error, OpenError::Exposed { mode: 0o640, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("0640"));
}

#[tokio::test]
async fn what_is_no_store_is_refused() {
    let (folder, path) = scratch();
    fs::write(&path, vec![b'x'; 100_000]).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let error = RedbStore::open(&path).await.unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
    let error = RedbStore::open(folder.path().join("none/state"))
        .await
        .unwrap_err();
    assert!(matches!(error, OpenError::Io { .. }), "{error:?}");
    let error = RedbStore::open(folder.path()).await.unwrap_err();
    assert!(matches!(error, OpenError::Io { .. }), "{error:?}");
}

/// While the disk is busy the runtime is not: a timer fires between the writes.
#[tokio::test]
async fn writing_does_not_stall_a_runtime_of_one_thread() {
    let (_folder, path) = scratch();
    let store = RedbStore::open(&path).await.unwrap();
    let writes = async {
        for n in 0..20_u8 {
            put(&store, "k", &[n]).await;
        }
    };
    let mut turns = 0_u32;
    let others = async {
        loop {
            tokio::task::yield_now().await;
            turns += 1;
        }
    };
    tokio::select! {
        () = writes => {}
        () = others => {}
    }
    assert!(turns > 20, "others had {turns} turns during 20 commits");
}
