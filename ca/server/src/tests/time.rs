//! Time that passes, stands still for the store, or jumps.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use pelago_runtime::clock::{Clock, UnixTime, WallClock};
use pelago_runtime::telemetry::Metrics;
use pelago_svid::Usage;

use super::world::{Host, START, Site, World, config, until};
use crate::{CaConfig, OpenError, SigningError};

/// A clock that can be set.
struct Settable {
    clock: Clock,
    ahead: AtomicI64,
}

impl WallClock for Settable {
    fn now(&self) -> UnixTime {
        let ahead = self.ahead.load(Ordering::SeqCst);
        UnixTime::from_secs(self.clock.now().as_secs().saturating_add_signed(ahead))
    }
}

fn settable(world: &World, host: &mut Host) -> Arc<Settable> {
    let clock = Arc::new(Settable {
        clock: Arc::clone(&world.clock),
        ahead: AtomicI64::new(0),
    });
    host.clock = Arc::clone(&clock) as Clock;
    clock
}

fn is_verified(site: &Site, now: u64) -> bool {
    let state = site.identity.current();
    let own = state.own.clone().expect("issued");
    pelago_svid::verify(own.chain_der(), &state.bundles, Usage::Server, now).is_ok()
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_was_ahead_for_a_while_leaves_no_certificates_of_the_future() {
    let world = World::new();
    let mut host = world.host(1);
    let clock = settable(&world, &mut host);
    let east = host.serve(config("east", "east.example")).await;
    let ahead = 25 * 24 * 3600;
    clock.ahead.store(ahead, Ordering::SeqCst);
    until("the intermediate of the future signs", || async {
        east.server.ca.issuance.active().authority.id == "intermediate-2"
    })
    .await;
    assert!(is_verified(&east, START + 25 * 24 * 3600 + 60));
    clock.ahead.store(0, Ordering::SeqCst);
    until("what we show is good now", || async {
        is_verified(&east, clock.now().as_secs())
    })
    .await;
    assert_eq!(
        east.server.ca.issuance.active().authority.id,
        "intermediate-3"
    );
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_was_two_hours_ahead_leaves_an_svid_that_is_good() {
    let world = World::new();
    let mut host = world.host(1);
    let clock = settable(&world, &mut host);
    let east = host.serve(config("east", "east.example")).await;
    let first = east.identity.current().own.clone().expect("issued");
    clock.ahead.store(2 * 3600, Ordering::SeqCst);
    until("the SVID is renewed", || async {
        let own = east.identity.current().own.clone().expect("issued");
        own.not_before() > first.not_before()
    })
    .await;
    clock.ahead.store(0, Ordering::SeqCst);
    assert!(!is_verified(&east, clock.now().as_secs()));
    until("what we show is good now", || async {
        is_verified(&east, clock.now().as_secs())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_root_of_the_future_is_refused_by_name() {
    let world = World::new();
    let mut host = world.host(1);
    let clock = settable(&world, &mut host);
    clock.ahead.store(3600, Ordering::SeqCst);
    host.open(config("east", "east.example"))
        .await
        .expect("opens");
    clock.ahead.store(0, Ordering::SeqCst);
    let refused = host.open(config("east", "east.example")).await.map(drop);
    assert!(matches!(
        refused,
        Err(OpenError::Signing(SigningError::RootNotBegun { .. }))
    ));
}

#[tokio::test(start_paused = true)]
async fn own_svid_is_renewed_while_the_intermediate_cannot_be() {
    let world = World::new();
    let store = super::crash::Failing::new(usize::MAX);
    let mut host = world.host(1);
    host.store = Arc::clone(&store) as Arc<dyn pelago_store::Store>;
    let short = CaConfig {
        svid_ttl: Duration::from_secs(600),
        renew_every: Duration::from_secs(200),
        intermediate_ttl: Duration::from_secs(7200),
        ..config("east", "east.example")
    };
    let east = host.serve(short).await;
    store.allow(0);
    // Past two thirds of the intermediate's life, before its end.
    tokio::time::sleep(Duration::from_secs(6000)).await;
    assert!(is_verified(&east, world.clock.now().as_secs()));
    assert_eq!(
        east.server.ca.issuance.active().authority.id,
        "intermediate-1"
    );
    store.allow(usize::MAX);
    until("the intermediate is replaced", || async {
        east.server.ca.issuance.active().authority.id == "intermediate-2"
    })
    .await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(is_verified(&east, world.clock.now().as_secs()));
}

#[tokio::test(start_paused = true)]
async fn metrics_tell_of_certificates_and_sessions() {
    let world = World::new();
    let (east, west) = (world.site("east", 1).await, world.site("west", 2).await);
    let metrics = Metrics::new();
    east.server.register(&metrics);
    let value = |name: &str| -> Option<u64> {
        let text = metrics.encode();
        let line = text
            .lines()
            .find(|line| line.split(' ').next() == Some(name))?;
        line.split(' ').nth(1)?.parse().ok()
    };
    let day = 24 * 3600;
    assert_eq!(value("pelago_ca_svid_not_after_seconds"), Some(START + day));
    assert_eq!(
        value("pelago_ca_intermediate_not_after_seconds"),
        Some(START + 30 * day)
    );
    assert_eq!(
        value("pelago_ca_root_not_after_seconds"),
        Some(START + 3650 * day)
    );
    assert_eq!(value("pelago_ca_sessions"), Some(0));
    west.join(&east.peer_token(&[], &[]).await)
        .await
        .expect("joined");
    until("the peer's session is counted", || async {
        value("pelago_ca_sessions") == Some(1)
    })
    .await;
    drop(west);
    until("and no more when it is gone", || async {
        value("pelago_ca_sessions") == Some(0)
    })
    .await;
    for name in ["issued", "refused", "bundles_refused"] {
        assert_eq!(value(&format!("pelago_ca_{name}_total")), Some(0), "{name}");
    }
    tokio::time::sleep(Duration::from_secs(7200)).await;
    assert!(value("pelago_ca_svid_not_after_seconds") > Some(START + day));
}
