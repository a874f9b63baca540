//! The rules of reading and swapping single keys.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "suites are test code"
)]

use std::sync::Arc;

use pelago_store::{Event, Expected, MAX_KEY, MAX_VALUE, Store, StoreError, Swap, Versioned};
use tokio::task::JoinSet;

use super::hand::{get, key, keys, list, next, number, put, put_if, swap, watch, written};

pub(super) async fn reads_what_was_written(store: Arc<dyn Store>) {
    assert_eq!(get(&store, "a/b").await, None);
    let empty = list(&store, "").await;
    assert_eq!(empty.entries, vec![]);
    let revision = put(&store, "a/b", b"one").await;
    let found = get(&store, "a/b").await.expect("just written");
    assert_eq!(
        (found.value.as_slice(), found.revision),
        (&b"one"[..], revision)
    );
    assert_ne!(empty.revision, revision);
    put(&store, "a/a", b"").await;
    assert_eq!(keys(&list(&store, "").await), ["a/a", "a/b"]);
    assert_eq!(
        get(&store, "a/a")
            .await
            .expect("an empty value is a value")
            .value,
        b""
    );
}

pub(super) async fn swaps_only_what_is_expected(store: Arc<dyn Store>) {
    let first = put_if(&store, "k", Expected::Absent, b"1").await;
    let Swap::Done(first) = first else {
        panic!("the key was absent: {first:?}");
    };
    let held = Some(Versioned {
        value: b"1".to_vec(),
        revision: first,
    });
    let again = put_if(&store, "k", Expected::Absent, b"2").await;
    assert_eq!(again, Swap::Conflict(held));
    let second = put_if(&store, "k", Expected::Revision(first), b"2").await;
    let Swap::Done(second) = second else {
        panic!("the revision was current: {second:?}");
    };
    assert_ne!(first, second);
    let stale = put_if(&store, "k", Expected::Revision(first), b"3").await;
    assert!(matches!(stale, Swap::Conflict(Some(held)) if held.revision == second));
    let nothing = put_if(&store, "other", Expected::Revision(second), b"3").await;
    assert_eq!(nothing, Swap::Conflict(None));
    assert!(matches!(
        put_if(&store, "k", Expected::Any, b"4").await,
        Swap::Done(_)
    ));
    assert_eq!(get(&store, "k").await.expect("held").value, b"4");
}

pub(super) async fn deletes(store: Arc<dyn Store>) {
    let revision = put(&store, "k", b"1").await;
    let mut watch = watch(&store, "", revision).await;
    let stale = swap(&store, "k", Expected::Absent, None).await;
    assert!(matches!(stale, Swap::Conflict(Some(_))));
    let gone = swap(&store, "k", Expected::Revision(revision), None).await;
    let Swap::Done(gone) = gone else {
        panic!("the revision was current: {gone:?}");
    };
    assert_eq!(get(&store, "k").await, None);
    assert_eq!(keys(&list(&store, "").await), Vec::<String>::new());
    assert_eq!(next(&mut watch).await, Some(Event::Delete(key("k"), gone)));
    // Deleting what is not there succeeds and tells nobody.
    for expected in [Expected::Any, Expected::Absent] {
        assert!(matches!(
            swap(&store, "k", expected, None).await,
            Swap::Done(_)
        ));
    }
    let stale = swap(&store, "k", Expected::Revision(revision), None).await;
    assert_eq!(stale, Swap::Conflict(None));
    let back = put(&store, "k", b"2").await;
    assert_eq!(next(&mut watch).await, Some(written("k", b"2", back)));
}

pub(super) async fn revisions_never_return(store: Arc<dyn Store>) {
    let first = put(&store, "k", b"same").await;
    swap(&store, "k", Expected::Any, None).await;
    let second = put(&store, "k", b"same").await;
    assert_ne!(first, second, "a deleted and rewritten key is another");
    let stale = put_if(&store, "k", Expected::Revision(first), b"x").await;
    assert!(matches!(stale, Swap::Conflict(Some(_))));
}

pub(super) async fn one_of_a_hundred_wins(store: Arc<dyn Store>) {
    let base = put(&store, "race", b"base").await;
    let mut racers = JoinSet::new();
    for racer in 0..100_u32 {
        let store = Arc::clone(&store);
        racers.spawn(async move {
            let value = racer.to_string();
            let swap = put_if(&store, "race", Expected::Revision(base), value.as_bytes()).await;
            (value, swap)
        });
    }
    let mut winners = Vec::new();
    while let Some(racer) = racers.join_next().await {
        match racer.expect("a racer panicked") {
            (value, Swap::Done(revision)) => winners.push((value, revision)),
            (_, Swap::Conflict(held)) => assert!(held.is_some()),
        }
    }
    assert_eq!(winners.len(), 1, "{winners:?}");
    let held = get(&store, "race").await.expect("held");
    assert_eq!(held.value, winners[0].0.as_bytes());
    assert_eq!(held.revision, winners[0].1);
}

pub(super) async fn increments_are_not_lost(store: Arc<dyn Store>) {
    let start = list(&store, "").await.revision;
    let mut adders = JoinSet::new();
    for _ in 0..20 {
        let store = Arc::clone(&store);
        adders.spawn(async move {
            loop {
                let (expected, count) = match get(&store, "count").await {
                    None => (Expected::Absent, 0),
                    Some(held) => (Expected::Revision(held.revision), number(&held.value)),
                };
                let value = (count + 1).to_string();
                let swap = put_if(&store, "count", expected, value.as_bytes()).await;
                if matches!(swap, Swap::Done(_)) {
                    return;
                }
            }
        });
    }
    while let Some(adder) = adders.join_next().await {
        adder.expect("an adder panicked");
    }
    assert_eq!(number(&get(&store, "count").await.expect("held").value), 20);
    // And the watchers have seen every one of them, in order.
    let mut watch = watch(&store, "", start).await;
    for count in 1..=20_u32 {
        let Some(Event::Put(_, seen)) = next(&mut watch).await else {
            panic!("the watch ended at {count}");
        };
        assert_eq!(number(&seen.value), count);
    }
}

pub(super) async fn prefixes_end_at_a_slash(store: Arc<dyn Store>) {
    for path in ["peer/a", "peer/b/c", "peers/a", "peer", "peer-x/a", "peer0"] {
        put(&store, path, b"x").await;
    }
    assert_eq!(keys(&list(&store, "peer/").await), ["peer/a", "peer/b/c"]);
    assert_eq!(keys(&list(&store, "peer/b/").await), ["peer/b/c"]);
    assert_eq!(keys(&list(&store, "none/").await), Vec::<String>::new());
    assert_eq!(list(&store, "").await.entries.len(), 6);
    let long = format!("{}/", "p".repeat(MAX_KEY + 1));
    for prefix in ["peer", "/", "peer//", "a b/", long.as_str()] {
        let listed = store.list(prefix).await;
        assert!(
            matches!(listed, Err(StoreError::Prefix { .. })),
            "{prefix:?}"
        );
        let watched = store.watch(prefix, list(&store, "").await.revision).await;
        assert!(
            matches!(watched, Err(StoreError::Prefix { .. })),
            "{prefix:?}"
        );
    }
}

pub(super) async fn sizes_are_limited(store: Arc<dyn Store>) {
    let long = key(&"k".repeat(MAX_KEY));
    let swap = store
        .compare_and_swap(&long, Expected::Absent, Some(vec![7; MAX_VALUE]))
        .await;
    assert!(matches!(swap, Ok(Swap::Done(_))), "{swap:?}");
    let found = store.get(&long).await.expect("read").expect("held");
    assert!(found.value == vec![7; MAX_VALUE], "{found:?}");
    let refused = store
        .compare_and_swap(&long, Expected::Any, Some(vec![8; MAX_VALUE + 1]))
        .await;
    assert!(
        matches!(&refused, Err(StoreError::ValueTooLarge { key, size })
            if *key == long && *size == MAX_VALUE + 1),
        "{refused:?}"
    );
    let found = store.get(&long).await.expect("read").expect("held");
    assert_eq!(found.value[0], 7, "the refused value was not written");
}
