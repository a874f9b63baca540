use std::convert::Infallible;

use super::*;
use crate::memory::MemoryStore;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Peer {
    address: String,
}

fn peer(address: &str) -> Peer {
    Peer {
        address: address.to_owned(),
    }
}

fn table() -> (Arc<dyn Store>, Table<Peer>) {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let table = Table::new(Arc::clone(&store), "peer");
    (store, table)
}

async fn write(store: &Arc<dyn Store>, key: &str, value: &str) {
    let key = Key::new(key).unwrap();
    let value = Some(value.as_bytes().to_vec());
    store
        .compare_and_swap(&key, Expected::Any, value)
        .await
        .unwrap();
}

#[tokio::test]
async fn keeps_records_below_its_prefix() {
    let (store, peers) = table();
    let revision = peers
        .put("west", Expected::Absent, &peer("w:1"))
        .await
        .unwrap();
    peers
        .put("eu/north", Expected::Absent, &peer("n:1"))
        .await
        .unwrap();
    write(&store, "peers/other", "not ours").await;
    let west = peers.get("west").await.unwrap().unwrap();
    assert_eq!(
        (west.id.as_str(), &west.value, west.revision),
        ("west", &peer("w:1"), revision)
    );
    let ids: Vec<_> = peers
        .list()
        .await
        .unwrap()
        .rows
        .into_iter()
        .map(|row| row.id)
        .collect();
    assert_eq!(ids, ["eu/north", "west"]);
    let raw = store
        .get(&Key::new("peer/west").unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(raw.value, br#"{"v":1,"data":{"address":"w:1"}}"#);
}

#[tokio::test]
async fn conflicts_are_errors_with_the_current_revision() {
    let (_, peers) = table();
    let first = peers
        .put("west", Expected::Absent, &peer("w:1"))
        .await
        .unwrap();
    let error = peers
        .put("west", Expected::Absent, &peer("w:2"))
        .await
        .unwrap_err();
    assert!(matches!(error, TableError::Conflict { current: Some(r), .. } if r == first));
    peers
        .delete("west", Expected::Revision(first))
        .await
        .unwrap();
    let error = peers
        .delete("west", Expected::Revision(first))
        .await
        .unwrap_err();
    assert!(matches!(error, TableError::Conflict { current: None, .. }));
    assert_eq!(peers.get("west").await.unwrap(), None);
}

#[tokio::test]
async fn unreadable_records_are_errors_that_name_their_key() {
    let (store, peers) = table();
    peers
        .put("west", Expected::Absent, &peer("w:1"))
        .await
        .unwrap();
    for bytes in [
        "",
        "{}",
        r#"{"v":1,"data":{}}"#,
        r#"{"v":1,"data":{"address":1}}"#,
        "\u{fffd}",
    ] {
        write(&store, "peer/bad", bytes).await;
        for error in [
            peers.get("bad").await.unwrap_err(),
            peers.list().await.unwrap_err(),
        ] {
            assert!(matches!(&error, TableError::Unreadable { .. }), "{error}");
            assert!(error.to_string().contains("peer/bad"));
        }
        let update = peers
            .update("bad", |_| Ok::<_, Infallible>(Change::Delete))
            .await;
        assert!(matches!(
            update,
            Err(UpdateError::Table(TableError::Unreadable { .. }))
        ));
    }
    write(&store, "peer/bad", r#"{"v":2,"info":{}}"#).await;
    let error = peers.list().await.unwrap_err();
    assert!(matches!(error, TableError::Version { version: 2, .. }));
    let error = peers.get("not valid").await.unwrap_err();
    assert!(matches!(error, TableError::Key(_)));
}

#[tokio::test]
async fn update_puts_keeps_deletes_and_refuses() {
    let (store, peers) = table();
    let update = peers.update("west", |_| Ok::<_, Infallible>(Change::Put(peer("w:1"))));
    assert_eq!(update.await.unwrap(), Some(peer("w:1")));
    let before = store.list("").await.unwrap();
    let kept = peers.update("west", |_| Ok::<_, Infallible>(Change::Keep));
    assert_eq!(kept.await.unwrap(), Some(peer("w:1")));
    let refused = peers.update("west", |_| Err("no")).await;
    assert!(matches!(refused, Err(UpdateError::Refused("no"))));
    assert_eq!(store.list("").await.unwrap(), before);
    let gone = peers.update("west", |_| Ok::<_, Infallible>(Change::Delete));
    assert_eq!(gone.await.unwrap(), None);
    assert_eq!(peers.get("west").await.unwrap(), None);
}

/// Between reading and writing, someone else writes: the closure runs again.
#[tokio::test]
async fn update_asks_again_after_a_conflict() {
    let (store, peers) = table();
    peers
        .put("west", Expected::Absent, &peer("w:1"))
        .await
        .unwrap();
    let mut asked = Vec::new();
    let updated = peers.update("west", |current| {
        let address = current.map(|peer| peer.address).unwrap_or_default();
        asked.push(address.clone());
        if asked.len() == 1 {
            let racing = write(&store, "peer/west", r#"{"v":1,"data":{"address":"w:2"}}"#);
            assert!(futures_util::FutureExt::now_or_never(racing).is_some());
        }
        Ok::<_, Infallible>(Change::Put(peer(&format!("{address}+"))))
    });
    assert_eq!(updated.await.unwrap(), Some(peer("w:2+")));
    assert_eq!(asked, ["w:1", "w:2"]);
}

#[tokio::test]
async fn update_gives_up_when_others_never_stop() {
    let (store, peers) = table();
    let mut asked = 0;
    let updated = peers.update("west", |_| {
        asked += 1;
        let bytes = format!(r#"{{"v":1,"data":{{"address":"{asked}"}}}}"#);
        let racing = write(&store, "peer/west", &bytes);
        assert!(futures_util::FutureExt::now_or_never(racing).is_some());
        Ok::<_, Infallible>(Change::Put(peer("mine")))
    });
    let error = updated.await.unwrap_err();
    assert!(matches!(
        error,
        UpdateError::Table(TableError::Contended { .. })
    ));
    assert_eq!(asked, ATTEMPTS);
}

#[tokio::test]
async fn watch_decodes_and_goes_on_behind_a_bad_record() {
    let (store, peers) = table();
    let start = peers.list().await.unwrap().revision;
    let mut watch = peers.watch(start).await.unwrap();
    write(&store, "peer/bad", "{").await;
    peers
        .put("west", Expected::Absent, &peer("w:1"))
        .await
        .unwrap();
    peers.delete("west", Expected::Any).await.unwrap();
    let bad = watch.next().await.unwrap();
    assert!(matches!(bad, Err(TableError::Unreadable { key, .. }) if key.as_str() == "peer/bad"));
    let put = watch.next().await.unwrap().unwrap();
    assert!(matches!(put, TableEvent::Put(row) if row.id == "west" && row.value == peer("w:1")));
    let gone = watch.next().await.unwrap().unwrap();
    assert!(matches!(gone, TableEvent::Delete(id, _) if id == "west"));
}
