//! A store that fails at the n-th write, for every n: what was asked for is done
//! and audited once, or neither, after the next start.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pelago_model::ClusterId;
use pelago_store::{
    AuditRecord, BoxFuture, Expected, Key, Listing, MemoryStore, Outcome, Revision, Store,
    StoreError, Swap, Versioned, Watch,
};
use pelago_wire::admin::RemovePeerRequest;
use pelago_wire::admin::trust_admin_server::TrustAdmin as _;

use super::world::{Site, World, by_root, config, until};

/// A store whose writes fail once so many are done.
pub(super) struct Failing {
    inner: Arc<dyn Store>,
    left: AtomicUsize,
}

impl Failing {
    pub(super) fn new(writes: usize) -> Arc<Self> {
        Arc::new(Self {
            inner: Arc::new(MemoryStore::new()),
            left: AtomicUsize::new(writes),
        })
    }

    pub(super) fn allow(&self, writes: usize) {
        self.left.store(writes, Ordering::SeqCst);
    }
}

impl Store for Failing {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Versioned>, StoreError>> {
        self.inner.get(key)
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Listing, StoreError>> {
        self.inner.list(prefix)
    }

    fn compare_and_swap<'a>(
        &'a self,
        key: &'a Key,
        expected: Expected,
        value: Option<Vec<u8>>,
    ) -> BoxFuture<'a, Result<Swap, StoreError>> {
        let one_less = |left: usize| left.checked_sub(1);
        let left = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less);
        if left.is_err() {
            return Box::pin(async { Err(StoreError::Closed) });
        }
        self.inner.compare_and_swap(key, expected, value)
    }

    fn watch<'a>(
        &'a self,
        prefix: &'a str,
        from: Revision,
    ) -> BoxFuture<'a, Result<Watch, StoreError>> {
        self.inner.watch(prefix, from)
    }
}

async fn site(world: &World, cluster: &str, number: u8, store: &Arc<Failing>) -> Site {
    let mut host = world.host(number);
    host.store = Arc::clone(store) as Arc<dyn Store>;
    host.serve(config(cluster, &format!("{cluster}.example")))
        .await
}

/// The same controller after its process ended and another began.
async fn restarted(site: Site, store: &Failing) -> Site {
    store.allow(0);
    let Site { host, scope, .. } = site;
    scope.drain(Duration::from_secs(1)).await;
    store.allow(usize::MAX);
    let name = if host.ip.to_string() == "10.0.0.1" {
        "east"
    } else {
        "west"
    };
    host.serve(config(name, &format!("{name}.example"))).await
}

fn knows(site: &Site, cluster: &str) -> bool {
    let cluster = ClusterId::parse(cluster).expect("a cluster");
    site.server.ca.view.peers().contains_key(&cluster)
}

fn done(audit: &[AuditRecord], verb: &str) -> usize {
    let of_verb = |entry: &&AuditRecord| entry.verb == verb && entry.outcome == Outcome::Done;
    audit.iter().filter(of_verb).count()
}

async fn nothing_is_pending(site: &Site) {
    let intents = site.server.ca.tables.intents.list().await.expect("read");
    assert!(intents.rows.is_empty(), "{intents:?}");
}

#[tokio::test(start_paused = true)]
async fn a_join_that_was_cut_short_is_whole_and_audited_or_neither() {
    let mut whole = 0;
    for writes in 0..16 {
        let world = World::new();
        let store = Failing::new(usize::MAX);
        let east = site(&world, "east", 1, &store).await;
        let west = world.site("west", 2).await;
        let token = west.peer_token(&[], &[]).await;
        store.allow(writes);
        let joined = east.join(&token).await.is_ok();
        let east = restarted(east, &store).await;
        let audit = east.audit().await;
        assert_eq!(
            usize::from(knows(&east, "west")),
            done(&audit, "peer.join"),
            "after {writes} writes: {audit:?}"
        );
        assert!(!joined || knows(&east, "west"), "what was told is true");
        let bundle = east.bundle_of("west.example");
        assert_eq!(knows(&east, "west"), bundle.is_some());
        if let Some(entry) = audit
            .iter()
            .find(|entry| entry.verb == "peer.join" && entry.outcome == Outcome::Done)
        {
            assert_eq!(entry.actor, "uid/0(root)");
            assert_eq!(entry.reason.as_deref(), Some("test"));
            whole += 1;
        }
        nothing_is_pending(&east).await;
    }
    assert!((1..16).contains(&whole), "both sides of the cut were seen");
}

#[tokio::test(start_paused = true)]
async fn a_removal_that_was_cut_short_is_whole_and_audited_or_neither() {
    let asked = RemovePeerRequest {
        cluster: "east".to_owned(),
        reason: "gone".to_owned(),
    };
    let mut whole = 0;
    for writes in 0..12 {
        let world = World::new();
        let east = world.site("east", 1).await;
        let store = Failing::new(usize::MAX);
        let west = site(&world, "west", 2, &store).await;
        let token = west.peer_token(&[], &[]).await;
        east.join(&token).await.expect("joined");
        store.allow(writes);
        let removed = west.admin().remove_peer(by_root(asked.clone())).await;
        let west = restarted(west, &store).await;
        let audit = west.audit().await;
        assert_eq!(
            usize::from(!knows(&west, "east")),
            done(&audit, "peer.remove"),
            "after {writes} writes: {audit:?}"
        );
        assert!(removed.is_err() || !knows(&west, "east"));
        assert_eq!(
            knows(&west, "east"),
            west.bundle_of("east.example").is_some()
        );
        whole += done(&audit, "peer.remove");
        nothing_is_pending(&west).await;
    }
    assert!((1..12).contains(&whole), "both sides of the cut were seen");
}

#[tokio::test(start_paused = true)]
async fn a_token_redeemed_on_a_failing_store_is_settled_once() {
    for writes in 0..12 {
        let world = World::new();
        let east = world.site("east", 1).await;
        let store = Failing::new(usize::MAX);
        let west = site(&world, "west", 2, &store).await;
        let token = west.peer_token(&[], &[]).await;
        store.allow(writes);
        let _ = east.join(&token).await;
        let west = restarted(west, &store).await;
        let audit = west.audit().await;
        assert_eq!(
            usize::from(knows(&west, "east")),
            done(&audit, "peer.joined"),
            "after {writes} writes: {audit:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_failing_store_left_is_completed_without_a_restart() {
    let world = World::new();
    let store = Failing::new(usize::MAX);
    let east = site(&world, "east", 1, &store).await;
    let west = world.site("west", 2).await;
    let token = west.peer_token(&[], &[]).await;
    // The intent is written, nothing after it.
    store.allow(1);
    let refused = east.join(&token).await.expect_err("refused");
    assert!(
        refused.message().contains("is completed as soon as"),
        "{refused}"
    );
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert!(!knows(&east, "west"));
    store.allow(usize::MAX);
    until("the join is completed", || async {
        knows(&east, "west") && done(&east.audit().await, "peer.join") == 1
    })
    .await;
    // The next change of that peer finds nothing in its way.
    let asked = RemovePeerRequest {
        cluster: "west".to_owned(),
        reason: String::new(),
    };
    let removed = east.admin().remove_peer(by_root(asked)).await;
    removed.expect("removed");
}

#[tokio::test(start_paused = true)]
async fn a_first_start_that_was_cut_short_is_completed() {
    let mut cut = 0;
    for writes in 0..8 {
        let world = World::new();
        let store = Failing::new(writes);
        let mut host = world.host(1);
        host.store = Arc::clone(&store) as Arc<dyn Store>;
        let first = host.open(config("east", "east.example")).await;
        cut += usize::from(first.is_err());
        let root = store.inner.list("authority/").await.expect("read");
        let root = root
            .entries
            .into_iter()
            .find(|(key, _)| key.as_str().ends_with("root-1"));
        store.allow(usize::MAX);
        let again = host.open(config("east", "east.example")).await;
        let (_server, identity) = again.expect("opens");
        let state = identity.current();
        let own = state.own.clone().expect("issued");
        let now = super::world::START;
        pelago_svid::verify(
            own.chain_der(),
            &state.bundles,
            pelago_svid::Usage::Server,
            now,
        )
        .expect("verified");
        if let Some((key, written)) = root {
            let kept = store.inner.get(&key).await.expect("read");
            assert_eq!(kept, Some(written), "the root stays");
        }
    }
    assert!((3..8).contains(&cut), "{cut}");
}
