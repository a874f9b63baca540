//! The rules of a [`pelago_store::Store`], checked on whatever implements it.
//!
//! `make` hands out a fresh, empty store each time. A rule waits for the thing it
//! wants, with a deadline so that a store that never answers fails the test
//! rather than hanging it. What only a persistent store can show (reopening,
//! locks, file modes) is tested beside that store.

mod hand;
mod values;
mod watches;

use std::future::Future;
use std::sync::Arc;

use pelago_store::Store;

/// Runs every rule, each on a store of its own.
pub async fn conformance<M, F>(make: M)
where
    M: Fn() -> F,
    F: Future<Output = Arc<dyn Store>>,
{
    values::reads_what_was_written(make().await).await;
    values::swaps_only_what_is_expected(make().await).await;
    values::deletes(make().await).await;
    values::revisions_never_return(make().await).await;
    values::one_of_a_hundred_wins(make().await).await;
    values::increments_are_not_lost(make().await).await;
    values::prefixes_end_at_a_slash(make().await).await;
    values::sizes_are_limited(make().await).await;
    watches::watch_tells_changes_in_order(make().await).await;
    watches::watch_resumes_from_a_revision(make().await).await;
    watches::watch_follows_its_prefix_only(make().await).await;
    watches::listing_and_watch_leave_no_gap(make().await).await;
    watches::slow_watcher_is_told_to_list_again(make().await).await;
    watches::unknown_future_is_told_to_list_again(make().await).await;
    watches::watch_ends_with_its_store(make().await).await;
}
