//! A store's methods with a deadline, for rules that expect them to succeed.

#![expect(clippy::expect_used, clippy::panic, reason = "suites are test code")]

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use pelago_store::{Event, Expected, Key, Listing, Revision, Store, Swap, Versioned, Watch};

pub(super) async fn get(store: &Arc<dyn Store>, path: &str) -> Option<Versioned> {
    let path = key(path);
    in_time(store.get(&path)).await.expect("get")
}

pub(super) async fn list(store: &Arc<dyn Store>, prefix: &str) -> Listing {
    in_time(store.list(prefix)).await.expect("list")
}

pub(super) async fn watch(store: &Arc<dyn Store>, prefix: &str, from: Revision) -> Watch {
    in_time(store.watch(prefix, from)).await.expect("watch")
}

pub(super) async fn swap(
    store: &Arc<dyn Store>,
    path: &str,
    expected: Expected,
    value: Option<Vec<u8>>,
) -> Swap {
    let path = key(path);
    in_time(store.compare_and_swap(&path, expected, value))
        .await
        .expect("swap")
}

pub(super) async fn put_if(
    store: &Arc<dyn Store>,
    path: &str,
    expected: Expected,
    value: &[u8],
) -> Swap {
    swap(store, path, expected, Some(value.to_vec())).await
}

pub(super) async fn put(store: &Arc<dyn Store>, path: &str, value: &[u8]) -> Revision {
    match put_if(store, path, Expected::Any, value).await {
        Swap::Done(revision) => revision,
        Swap::Conflict(held) => panic!("any value was expected: {held:?}"),
    }
}

pub(super) async fn next(watch: &mut Watch) -> Option<Event> {
    in_time(watch.next()).await
}

pub(super) async fn in_time<T>(answer: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), answer)
        .await
        .expect("the store did not answer")
}

pub(super) fn keys(listing: &Listing) -> Vec<String> {
    let keys = listing.entries.iter();
    keys.map(|(key, _)| key.as_str().to_owned()).collect()
}

pub(super) fn written(path: &str, value: &[u8], revision: Revision) -> Event {
    let value = value.to_vec();
    Event::Put(key(path), Versioned { value, revision })
}

pub(super) fn key(path: &str) -> Key {
    Key::new(path).expect("a valid key")
}

pub(super) fn number(value: &[u8]) -> u32 {
    let text = std::str::from_utf8(value).expect("digits");
    text.parse().expect("digits")
}
