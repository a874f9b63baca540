//! Whether this process may be sent work, kept up to date from what it holds.

use std::time::Duration;

use pelago_identity::{Identity, State};
use pelago_runtime::admin::Condition;
use pelago_runtime::scope::Drain;
use pelago_runtime::telemetry::Gauge;

/// Follows the identity until the drain: the condition, and when the own SVID expires.
pub(crate) async fn follow_identity(
    mut identity: Identity,
    serves_workloads: bool,
    condition: Condition,
    expires: Gauge,
    drain: Drain,
) {
    loop {
        let state = identity.current();
        let own = state.own.as_ref().map_or(0, |own| own.not_after());
        expires.set(i64::try_from(own).unwrap_or(i64::MAX));
        match lacks(&state, serves_workloads, identity.now()) {
            None => condition.met(),
            Some(reason) => condition.unmet(reason),
        }
        tokio::select! {
            () = drain.begun() => return,
            () = identity.changed() => {}
            // Certificates expire without a change.
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }
}

fn lacks(state: &State, serves_workloads: bool, now: u64) -> Option<&'static str> {
    match &state.own {
        Some(own) if now < own.not_after() => {}
        Some(_) => return Some("our own SVID has expired: check the way to the controller"),
        None => return Some("no SVID of our own yet"),
    }
    if !serves_workloads {
        return None;
    }
    if !state.entries_received && state.entries.is_empty() {
        return Some("registration entries have not been received from the controller yet");
    }
    let mut held = state.workloads.values();
    let any = state.entries.is_empty() || held.any(|svid| now < svid.not_after());
    (!any).then_some("no valid SVID of any registered workload yet")
}

const LOOK_AGAIN: Duration = Duration::from_secs(10);
