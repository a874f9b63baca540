//! The rules of watching.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "suites are test code"
)]

use std::sync::Arc;
use std::time::Duration;

use pelago_store::{Event, Expected, MAX_VALUE, MemoryStore, Store, Swap};
use tokio::task::JoinSet;

use super::hand::{key, list, next, number, put, swap, watch, written};

pub(super) async fn watch_tells_changes_in_order(store: Arc<dyn Store>) {
    let start = list(&store, "").await.revision;
    let mut early = watch(&store, "", start).await;
    let mut expected = Vec::new();
    for n in 0..50_u32 {
        let path = format!("k{}", n % 7);
        let value = n.to_string();
        let revision = put(&store, &path, value.as_bytes()).await;
        expected.push(written(&path, value.as_bytes(), revision));
    }
    let mut late = watch(&store, "", start).await;
    for event in expected {
        assert_eq!(next(&mut early).await.as_ref(), Some(&event));
        assert_eq!(next(&mut late).await, Some(event));
    }
    // An idle watch waits, and then hears of the next change.
    let waiting = tokio::time::timeout(Duration::from_millis(20), early.next()).await;
    assert!(waiting.is_err(), "nothing has changed: {waiting:?}");
    let revision = put(&store, "k", b"x").await;
    assert_eq!(next(&mut early).await, Some(written("k", b"x", revision)));
}

pub(super) async fn watch_resumes_from_a_revision(store: Arc<dyn Store>) {
    let first = put(&store, "a", b"1").await;
    let second = put(&store, "b", b"2").await;
    let third = put(&store, "a", b"3").await;
    let mut from_first = watch(&store, "", first).await;
    assert_eq!(
        next(&mut from_first).await,
        Some(written("b", b"2", second))
    );
    assert_eq!(next(&mut from_first).await, Some(written("a", b"3", third)));
    let mut from_second = watch(&store, "", second).await;
    assert_eq!(
        next(&mut from_second).await,
        Some(written("a", b"3", third))
    );
}

pub(super) async fn watch_follows_its_prefix_only(store: Arc<dyn Store>) {
    let start = list(&store, "").await.revision;
    let mut watch = watch(&store, "peer/", start).await;
    put(&store, "peers/a", b"x").await;
    put(&store, "peer", b"x").await;
    let inside = put(&store, "peer/a", b"1").await;
    put(&store, "token/a", b"x").await;
    let again = put(&store, "peer/a", b"2").await;
    assert_eq!(
        next(&mut watch).await,
        Some(written("peer/a", b"1", inside))
    );
    assert_eq!(next(&mut watch).await, Some(written("peer/a", b"2", again)));
}

pub(super) async fn listing_and_watch_leave_no_gap(store: Arc<dyn Store>) {
    const WRITES: u32 = 200;
    let writer = Arc::clone(&store);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        for n in 1..=WRITES {
            put(&writer, "n/last", n.to_string().as_bytes()).await;
            tokio::task::yield_now().await;
        }
    });
    for _ in 0..5 {
        let reader = Arc::clone(&store);
        tasks.spawn(async move {
            // What the listing says and what the watch adds is every number once.
            let listing = list(&reader, "n/").await;
            let mut last = listing
                .entries
                .first()
                .map_or(0, |(_, held)| number(&held.value));
            let mut watch = watch(&reader, "n/", listing.revision).await;
            while last < WRITES {
                let Some(Event::Put(_, seen)) = next(&mut watch).await else {
                    panic!("the watch ended after {last}");
                };
                assert_eq!(number(&seen.value), last + 1);
                last += 1;
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.expect("a task panicked");
    }
}

pub(super) async fn slow_watcher_is_told_to_list_again(store: Arc<dyn Store>) {
    let start = put(&store, "big", b"").await;
    let mut slow = watch(&store, "", start).await;
    // Far more than a store may keep for a watcher that does not read.
    for n in 0..80_u8 {
        let value = vec![n; MAX_VALUE];
        let swap = swap(&store, "big", Expected::Any, Some(value)).await;
        assert!(matches!(swap, Swap::Done(_)));
    }
    let mut events = 0;
    loop {
        match next(&mut slow).await {
            Some(Event::Relist) => break,
            Some(_) => events += 1,
            None => panic!("a watch that fell behind ends with Relist"),
        }
        assert!(
            events < 80,
            "40 MiB were kept for a watcher that did not read"
        );
    }
    assert_eq!(next(&mut slow).await, None, "Relist is the last event");
    // The old revision is gone for newcomers as well; the listing's is not.
    let mut late = watch(&store, "", start).await;
    assert_eq!(next(&mut late).await, Some(Event::Relist));
    let listing = list(&store, "").await;
    assert_eq!(listing.entries[0].1.value, vec![79; MAX_VALUE]);
    let mut fresh = watch(&store, "", listing.revision).await;
    let revision = put(&store, "small", b"1").await;
    assert_eq!(
        next(&mut fresh).await,
        Some(written("small", b"1", revision))
    );
}

/// A revision this store has not reached comes from another one (a restored
/// backup): waiting for it would miss everything until then.
pub(super) async fn unknown_future_is_told_to_list_again(store: Arc<dyn Store>) {
    let other = MemoryStore::new();
    let path = key("k");
    let mut ahead = None;
    for _ in 0..50 {
        let swap = other
            .compare_and_swap(&path, Expected::Any, Some(vec![]))
            .await;
        let Ok(Swap::Done(revision)) = swap else {
            panic!("a memory store does not fail: {swap:?}");
        };
        ahead = Some(revision);
    }
    let mut watch = watch(&store, "", ahead.expect("fifty writes")).await;
    assert_eq!(next(&mut watch).await, Some(Event::Relist));
    assert_eq!(next(&mut watch).await, None);
}

pub(super) async fn watch_ends_with_its_store(store: Arc<dyn Store>) {
    let start = list(&store, "").await.revision;
    let mut watch = watch(&store, "", start).await;
    let revision = put(&store, "k", b"1").await;
    drop(store);
    assert_eq!(next(&mut watch).await, Some(written("k", b"1", revision)));
    assert_eq!(next(&mut watch).await, None);
}
