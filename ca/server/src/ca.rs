//! What every room of the CA shares: configuration, records, the view, limits.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use pelago_ca_core::Realm;
use pelago_identity::Channels;
use pelago_net::BoxNet;
use pelago_runtime::clock::Clock;
use pelago_runtime::telemetry::Gauge;
use pelago_store::{Actor, AuditEntry, AuditError, Outcome};
use tokio::sync::watch;

use crate::config::CaConfig;
use crate::counters::Counters;
use crate::issuance::Issuance;
use crate::limit::Limiter;
use crate::tables::Tables;
use crate::view::View;

/// The CA's shared parts.
pub(crate) struct Ca {
    pub(crate) config: CaConfig,
    pub(crate) realm: Realm,
    pub(crate) tables: Arc<Tables>,
    pub(crate) issuance: Issuance,
    pub(crate) view: View,
    pub(crate) channels: Channels,
    pub(crate) net: BoxNet,
    pub(crate) clock: Clock,
    pub(crate) counters: Arc<Counters>,
    pub(crate) seats: Seats,
    /// Requests of one verified caller for certificates, and acknowledgements.
    pub(crate) requests: Limiter<String>,
    /// Secrets presented from one source.
    pub(crate) guesses: Limiter<IpAddr>,
    /// Held while what follows from a redeemed token or an intent is written.
    pub(crate) settling: tokio::sync::Mutex<()>,
    /// Whether some of that could not be written, and should be tried again.
    pub(crate) unfinished: AtomicBool,
    /// Whether sessions should end.
    pub(crate) closing: watch::Sender<bool>,
}

impl Ca {
    /// Unix seconds now.
    pub(crate) fn now(&self) -> u64 {
        self.clock.now().as_secs()
    }

    /// Writes an audit entry; what it is about is not done until it is written.
    pub(crate) async fn record(
        &self,
        actor: Actor,
        verb: &str,
        object: String,
        outcome: Outcome,
        reason: Option<String>,
    ) -> Result<(), AuditError> {
        let entry = AuditEntry {
            time: self.clock.now(),
            actor,
            verb: verb.to_owned(),
            object,
            outcome,
            reason,
        };
        self.tables.audit.record(entry).await.map(drop)
    }
}

/// Who has a trust session open, and how many.
#[derive(Clone)]
pub(crate) struct Seats {
    taken: Arc<Mutex<HashMap<String, usize>>>,
    /// All of them.
    open: Gauge,
}

/// One open session; gives its seat back when dropped.
pub(crate) struct Seat {
    seats: Seats,
    who: String,
}

impl Seats {
    pub(crate) fn new(open: Gauge) -> Self {
        Self {
            taken: Arc::default(),
            open,
        }
    }

    /// A seat for `who`, unless it or all together have too many.
    pub(crate) fn take(&self, who: &str) -> Option<Seat> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = taken.values().sum();
        let own = taken.get(who).copied().unwrap_or(0);
        if own >= MAX_SESSIONS_OF_ONE || all >= MAX_SESSIONS {
            return None;
        }
        taken.insert(who.to_owned(), own + 1);
        self.open.inc();
        Some(Seat {
            seats: self.clone(),
            who: who.to_owned(),
        })
    }

    /// Whether `who` has a session open.
    pub(crate) fn has(&self, who: &str) -> bool {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.contains_key(who)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self
            .seats
            .taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.seats.open.dec();
        match taken.get_mut(&self.who) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                taken.remove(&self.who);
            }
        }
    }
}

const MAX_SESSIONS: usize = 8192;
/// A reconnecting caller may overlap with itself for a moment.
const MAX_SESSIONS_OF_ONE: usize = 4;
