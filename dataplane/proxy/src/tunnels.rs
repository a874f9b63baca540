//! Tunnels that are open, and dials under way: one at a time for each key.
//!
//! Whoever wants a tunnel that is just being dialled waits for that dial and
//! shares its outcome, a failure too. Nothing dials here; the dial is an
//! argument.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pelago_dataplane_hbone::client::Tunnel;
use pelago_dataplane_hbone::pool::{Limits, Pool};
use pelago_dataplane_policy::Route;
use pelago_model::{ClusterId, GatewayId, SpiffeId, WorkloadUid};
use tokio::time::Instant;

use crate::failure::Failure;

/// The tunnels of one worker.
#[derive(Debug)]
pub(crate) struct Tunnels {
    pool: Mutex<Kept>,
    gates: Mutex<BTreeMap<Key, Arc<Gate>>>,
}

/// What two tunnels must have in common for one to stand in for the other: one
/// caller's never carries another's, and one verified for less never serves
/// where more is expected.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    /// Whose SVID our side showed.
    pub(crate) source: SpiffeId,
    /// Who had to answer.
    pub(crate) expected: Vec<SpiffeId>,
    /// The cluster that had to have issued it.
    pub(crate) issuer_cluster: Option<ClusterId>,
    /// Where it leads.
    pub(crate) via: Via,
}

/// Where a tunnel leads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Via {
    /// To a gateway, whichever of its addresses answers.
    Gateway(GatewayId),
    /// To an endpoint, directly or inside a gateway's tunnel.
    Endpoint(WorkloadUid),
}

/// Held by whoever dials; holds the last failure for those who waited.
type Gate = tokio::sync::Mutex<Option<(Instant, Failure)>>;

#[derive(Debug)]
struct Kept {
    pool: Pool<Key, Tunnel>,
    closed: bool,
}

/// A tunnel to use.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) tunnel: Tunnel,
    /// It was there before: it may have died unnoticed.
    pub(crate) reused: bool,
    /// It ends elsewhere than the route asked for.
    pub(crate) elsewhere: Option<Route>,
}

/// What a dial made.
#[derive(Debug)]
pub(crate) struct Dialled {
    pub(crate) tunnel: Tunnel,
    /// The route it really took, if not the one asked for: such a tunnel is
    /// used once.
    pub(crate) elsewhere: Option<Route>,
}

impl Tunnels {
    /// A tunnel for `key`: one that is open, or what `dial` makes.
    pub(crate) async fn get(
        &self,
        key: &Key,
        dial: impl Future<Output = Result<Dialled, Failure>>,
    ) -> Result<Got, Failure> {
        if let Some(got) = self.open(key) {
            return Ok(got);
        }
        let asked = Instant::now();
        let waiting = self.wait(key);
        let mut last = waiting.gate.lock().await;
        if let Some(got) = self.open(key) {
            return Ok(got);
        }
        if let Some((_, failure)) = last.as_ref().filter(|(at, _)| *at >= asked) {
            return Err(failure.clone());
        }
        let dialled = dial.await;
        *last = dialled
            .as_ref()
            .err()
            .map(|failure| (Instant::now(), failure.clone()));
        dialled.map(|dialled| self.keep(key, dialled))
    }

    /// Lets go of what is closed or long idle.
    pub(crate) fn sweep(&self) {
        self.pool().pool.evict(Instant::now());
    }

    /// Lets go of every tunnel: open streams go on, new ones dial anew.
    pub(crate) fn renew(&self) {
        self.pool().pool.retain(|_, _| false);
    }

    /// Lets go of every tunnel and keeps none from now on.
    pub(crate) fn close(&self) {
        let mut kept = self.pool();
        kept.closed = true;
        kept.pool.retain(|_, _| false);
    }

    fn open(&self, key: &Key) -> Option<Got> {
        let tunnel = self.pool().pool.get(key, Instant::now())?;
        Some(Got {
            tunnel,
            reused: true,
            elsewhere: None,
        })
    }

    fn keep(&self, key: &Key, dialled: Dialled) -> Got {
        let Dialled { tunnel, elsewhere } = dialled;
        let mut kept = self.pool();
        if elsewhere.is_none() && !kept.closed {
            kept.pool
                .insert(key.clone(), tunnel.clone(), Instant::now());
        }
        Got {
            tunnel,
            reused: false,
            elsewhere,
        }
    }

    fn wait<'a>(&'a self, key: &'a Key) -> Waiting<'a> {
        let gate = Arc::clone(self.gates().entry(key.clone()).or_default());
        Waiting {
            tunnels: self,
            key,
            gate,
        }
    }

    fn pool(&self) -> MutexGuard<'_, Kept> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn gates(&self) -> MutexGuard<'_, BTreeMap<Key, Arc<Gate>>> {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who waits at a gate; the last one out takes the gate away, however it
/// leaves.
struct Waiting<'a> {
    tunnels: &'a Tunnels,
    key: &'a Key,
    gate: Arc<Gate>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut gates = self.tunnels.gates();
        // The map's and ours: nobody else waits.
        if Arc::strong_count(&self.gate) <= 2 {
            gates.remove(self.key);
        }
    }
}

impl Default for Tunnels {
    fn default() -> Self {
        Self {
            pool: Mutex::new(Kept {
                pool: Pool::new(Limits::default()),
                closed: false,
            }),
            gates: Mutex::default(),
        }
    }
}
