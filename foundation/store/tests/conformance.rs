//! Both stores keep the contract of `pelago_store::Store`.

#![expect(clippy::unwrap_used, reason = "integration tests are test code")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use pelago_store::{MemoryStore, RedbStore, Store};
use tests_suites::store::conformance;

#[tokio::test(start_paused = true)]
async fn memory_conforms_under_a_paused_clock() {
    conformance(async || Arc::new(MemoryStore::new()) as Arc<dyn Store>).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_conforms_on_many_threads() {
    conformance(async || Arc::new(MemoryStore::new()) as Arc<dyn Store>).await;
}

#[tokio::test]
async fn redb_conforms_on_one_thread() {
    conformance_of_redb().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn redb_conforms_on_many_threads() {
    conformance_of_redb().await;
}

async fn conformance_of_redb() {
    let folder = tempfile::tempdir().unwrap();
    let made = AtomicU32::new(0);
    conformance(async || {
        let number = made.fetch_add(1, Ordering::Relaxed);
        let path = folder.path().join(format!("{number}.redb"));
        Arc::new(RedbStore::open(path).await.unwrap()) as Arc<dyn Store>
    })
    .await;
}
