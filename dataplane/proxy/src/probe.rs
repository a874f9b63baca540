//! Gateways under watch: a PING every second on each outer tunnel, and a dial
//! every few seconds while one is down.
//!
//! Silence for a second, or a connection that ends, puts the gateway down at
//! once and breaks the tunnels on it, so that their holders move on. Only a
//! dial that succeeds brings it back.

use std::sync::Arc;
use std::time::Duration;

use pelago_dataplane_hbone::client::Tunnel;
use pelago_dataplane_policy::Hop;
use pelago_model::{GatewayId, SpiffeId};
use pelago_net::Net;
use pelago_runtime::backoff::Backoff;
use tokio::time::{Instant, sleep, timeout};

use crate::dial::{self, Driver};
use crate::settings::ATTEMPT;
use crate::worker::Worker;

/// Moves an outer tunnel and watches its gateway, until the tunnel is over.
pub(crate) async fn watch<N: Net>(
    worker: Arc<Worker<N>>,
    source: SpiffeId,
    id: GatewayId,
    tunnel: Tunnel,
    mut driver: Driver,
) {
    let ended = tokio::select! {
        () = &mut driver => Ended::Silent,
        ended = ping(&worker, &tunnel) => ended,
    };
    drop(tunnel);
    match ended {
        Ended::Silent => {
            // The connection and every tunnel in it go first.
            drop(driver);
            down(&worker, &source, &id);
        }
        Ended::Idle => driver.await,
    }
}

/// The gateway does not answer: says so, and looks for it until it does.
pub(crate) fn down<N: Net>(worker: &Arc<Worker<N>>, source: &SpiffeId, id: &GatewayId) {
    if worker.drain.is_draining() || !worker.gateway_down(id) {
        return;
    }
    let task = revive(Arc::clone(worker), source.clone(), id.clone());
    worker.scope.spawn("gateway probe", task);
}

enum Ended {
    /// It does not answer.
    Silent,
    /// Nobody needs the watch any more.
    Idle,
}

async fn ping<N: Net>(worker: &Worker<N>, tunnel: &Tunnel) -> Ended {
    let mut used = Instant::now();
    loop {
        tokio::select! {
            () = worker.drain.begun() => return Ended::Idle,
            () = sleep(EVERY) => {}
        }
        if !matches!(timeout(WITHIN, tunnel.ping()).await, Ok(Ok(_))) {
            return Ended::Silent;
        }
        if tunnel.streams() > 0 {
            used = Instant::now();
        }
        // The pool has let go of it by then; so do we, and it closes.
        if used.elapsed() >= IDLE || tunnel.is_closed() {
            return Ended::Idle;
        }
    }
}

/// Dials the gateway, wherever it is by now, until it answers, is no gateway
/// any more, or we drain.
async fn revive<N: Net>(worker: Arc<Worker<N>>, source: SpiffeId, id: GatewayId) {
    // Our own SVID where there is one: a workload's may go meanwhile.
    let source = worker.identity.own_id().unwrap_or(source);
    let mut backoff = Backoff::new(EVERY, SLOWEST, fastrand::u64(..));
    loop {
        tokio::select! {
            () = worker.drain.begun() => return,
            () = sleep(backoff.failed()) => {}
        }
        let Some(gateway) = worker.snapshot().gateway(&id).map(Arc::clone) else {
            return worker.gateway_up(&id);
        };
        let hop = Hop::Gateway {
            id: id.clone(),
            identity: gateway.identity.clone(),
            addresses: gateway.addresses.clone(),
        };
        let answered = timeout(ATTEMPT, async {
            let (tunnel, driver) = dial::hop(&worker, &source, &hop).await.ok()?;
            tokio::select! {
                () = driver => None,
                ping = tunnel.ping() => ping.ok(),
            }
        });
        if matches!(answered.await, Ok(Some(_))) {
            return worker.gateway_up(&id);
        }
    }
}

/// How often an outer tunnel is asked.
const EVERY: Duration = Duration::from_secs(1);
/// How long the answer may take.
const WITHIN: Duration = Duration::from_secs(1);
/// The longest pause between dials to a gateway that is down.
const SLOWEST: Duration = Duration::from_secs(5);
/// How long a tunnel without streams is watched.
const IDLE: Duration = Duration::from_mins(5);
