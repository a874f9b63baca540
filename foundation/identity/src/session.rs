//! A node's side of `Trust.Session`: entries and bundles down, requests up, certificates down.
//!
//! [`Session::new`] puts what was stored into the state, so that a node serves before it reaches
//! its controller; [`Session::run`] keeps one stream open, asks for each entry's SVID, renews in
//! time and stores at each change what the next start needs. It never gives up, never takes an
//! older bundle for a newer one, and never uses a certificate that its own bundles do not vouch for.

mod apply;
mod exchange;
mod kept;
mod plan;

use std::sync::Arc;
use std::time::Duration;

use pelago_model::SpiffeId;
use pelago_runtime::backoff::Backoff;
use pelago_runtime::scope::Drain;
use tokio::time::Instant;

use apply::Keeper;

use crate::channels::{Channels, Target};
use crate::disk::{StateDir, Stored, Workloads};
use crate::peer::Expect;
use crate::state::IdentityWriter;

pub use exchange::SessionError;

/// The trust session of one node or gateway.
pub struct Session {
    keeper: Keeper,
    seed: u64,
}

impl Session {
    /// A session that goes on from what was stored (or just enrolled); the state has own SVID and
    /// bundles when this returns. `seed` spreads renewals and reconnects; give each node its own.
    #[must_use]
    pub fn new(writer: IdentityWriter, disk: StateDir, stored: Stored, seed: u64) -> Self {
        writer.update(|state| {
            state.own = Some(Arc::clone(&stored.svid));
            state.bundles = stored.bundles.clone();
        });
        Self {
            keeper: Keeper::new(writer, disk, &stored, seed),
            seed,
        }
    }

    /// Goes on from the workloads that were kept: their entries and unexpired SVIDs are in the
    /// state when this returns, and count until the controller tells others.
    #[must_use]
    pub fn resuming(mut self, kept: Workloads) -> Self {
        self.keeper.resume(kept);
        self
    }

    /// Runs until the drain begins. `target` is the controller; each loss of the stream is
    /// followed by another attempt after 0.5 to 15 seconds.
    pub async fn run(mut self, channels: Channels, target: Target, drain: Drain) {
        let mut backoff = Backoff::new(FIRST_RETRY, LAST_RETRY, self.seed);
        let mut warnings = Warnings::default();
        loop {
            let exchange = exchange::run(&mut self.keeper, &channels, &target, &mut backoff);
            let error = tokio::select! {
                () = drain.begun() => None,
                error = exchange => Some(error),
            };
            self.keeper.write().await;
            let Some(error) = error else { return };
            self.keeper.disconnected();
            // The controller judged the certificate of this connection, which a renewed one does
            // not change: the next attempt shows that on a new connection.
            if error.is_about_us() {
                channels.forget(&target);
            }
            let first = backoff.failures() == 0;
            let wait = backoff.failed();
            warnings.tell(&error, first, wait);
            tokio::select! {
                () = drain.begun() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }
}

/// Tells of a controller that is away once, and again from time to time; not at each attempt.
#[derive(Default)]
struct Warnings {
    last: Option<Instant>,
}

impl Warnings {
    fn tell(&mut self, error: &SessionError, first: bool, wait: Duration) {
        let retry_in_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let error: &dyn std::error::Error = error;
        if self.is_due(first, Instant::now()) {
            tracing::warn!(
                error,
                retry_in_ms,
                "the trust session ended; it is tried again, and what is held is served meanwhile"
            );
        } else {
            tracing::debug!(error, retry_in_ms, "the trust session ended");
        }
    }

    fn is_due(&mut self, first: bool, now: Instant) -> bool {
        let quiet = if first { FLAPPING } else { REMIND };
        let due = self
            .last
            .is_none_or(|last| now.saturating_duration_since(last) >= quiet);
        if due {
            self.last = Some(now);
        }
        due
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Stored {
    /// The controller this node belongs to, as its own ID names it.
    #[must_use]
    pub fn controller(&self) -> Option<SpiffeId> {
        let own = self.svid.id();
        let cluster = pelago_model::ClusterId::parse(own.part()?.cluster()).ok()?;
        Some(own.trust_domain().controller(&cluster))
    }

    /// The target of this node's trust session and discovery at these addresses.
    #[must_use]
    pub fn target(&self, addresses: Vec<pelago_model::HostPort>) -> Option<Target> {
        Some(Target {
            addresses,
            sni: crate::SNI_CONTROL.to_owned(),
            as_id: self.svid.id().clone(),
            expect: Expect::exactly(self.controller()?),
        })
    }
}

const FIRST_RETRY: Duration = Duration::from_millis(500);
const LAST_RETRY: Duration = Duration::from_secs(15);
/// A session that opens and breaks again and again is told of this often.
const FLAPPING: Duration = Duration::from_secs(60);
/// One that does not open is told of this often.
const REMIND: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests;
