//! A node's side of `Trust.Session`: entries and bundles down, requests up, certificates down.
//!
//! [`Session::new`] puts what was stored into the state, so that a node serves before it reaches
//! its controller; [`Session::run`] keeps one stream open, asks for each entry's SVID, renews in
//! time and stores own key, chain and bundles at each change. It never gives up, never takes an
//! older bundle for a newer one, and never uses a certificate that its own bundles do not vouch for.

mod apply;
mod exchange;
mod plan;

use std::sync::Arc;
use std::time::Duration;

use pelago_model::SpiffeId;
use pelago_runtime::backoff::Backoff;
use pelago_runtime::scope::Drain;

use apply::Keeper;

use crate::channels::{Channels, Target};
use crate::disk::{StateDir, Stored};
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

    /// Runs until the drain begins. `target` is the controller; each loss of the stream is
    /// followed by another attempt after 0.5 to 15 seconds.
    pub async fn run(mut self, channels: Channels, target: Target, drain: Drain) {
        let mut backoff = Backoff::new(FIRST_RETRY, LAST_RETRY, self.seed);
        loop {
            let exchange = exchange::run(&mut self.keeper, &channels, &target, &mut backoff);
            let error = tokio::select! {
                () = drain.begun() => return,
                error = exchange => error,
            };
            self.keeper.disconnected();
            let wait = backoff.failed();
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                retry_in_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
                "the trust session ended"
            );
            tokio::select! {
                () = drain.begun() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
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

#[cfg(test)]
mod tests;
