//! Discovery: the delta stream to the controller, and the snapshot that outlives it.
//!
//! Serves from the kept snapshot until the controller answers. A first start has none and waits
//! until every kind was told once, since a part could miss the policy that denies. It never adds a
//! root or a key.

use std::sync::Arc;
use std::time::Duration;

use pelago_identity::{Channels, Target};
use pelago_model::{Snapshot, SpiffeId};
use pelago_runtime::admin::Condition;
use pelago_runtime::backoff::Backoff;
use pelago_runtime::scope::{Drain, Scope};
use pelago_wire::ads::Client;
use pelago_wire::hello::ours;
use pelago_xds::client::{Outlet, Status, run};
use tokio::sync::watch;

use crate::settings::Settings;
use crate::snapshots::Snapshots;

/// Discovery of one process.
pub(crate) struct Discovery {
    outlet: Outlet,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    status: watch::Receiver<Status>,
    /// Whether a snapshot was kept from before.
    resumed: bool,
}

impl Discovery {
    /// Begins with the snapshot kept from before, if there is one.
    pub(crate) fn new(kept: Option<Snapshot>) -> Self {
        let resumed = kept.is_some();
        let (snapshot, snapshots) = watch::channel(Arc::new(kept.unwrap_or_default()));
        let (status, told) = watch::channel(Status::default());
        Self {
            outlet: Outlet { snapshot, status },
            snapshots,
            status: told,
            resumed,
        }
    }

    /// The snapshots as they are published.
    pub(crate) fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.clone()
    }

    /// Starts the stream, and keeping what it brings; `ready` is met once there is a snapshot to
    /// serve from.
    pub(crate) fn start(
        self,
        scope: &Scope,
        stream: Stream,
        keep: Snapshots,
        ready: Condition,
    ) -> Usable {
        let Stream {
            channels,
            target,
            client,
            seed,
        } = stream;
        let own = client.id.clone();
        let backoff = Backoff::new(FIRST_RETRY, LAST_RETRY, seed);
        let drain = scope.shutdown();
        let outlet = self.outlet;
        scope.spawn_critical("discovery", async move {
            let channel = move || channels.channel(&target);
            tokio::select! {
                () = drain.begun() => {}
                () = run(channel, client, outlet, backoff) => {}
            }
        });
        let drain = scope.shutdown();
        let (snapshots, status) = (self.snapshots, self.status.clone());
        scope.spawn(
            "snapshots",
            keep_what_is_whole(keep, own, snapshots, status, drain),
        );
        if self.resumed {
            ready.met();
        }
        let usable = Usable {
            status: self.status.clone(),
            resumed: self.resumed,
        };
        let drain = scope.shutdown();
        scope.spawn(
            "discovery-ready",
            follow(self.status, self.resumed, ready, drain),
        );
        usable
    }
}

/// Whom to ask, and as whom.
pub(crate) struct Stream {
    pub(crate) channels: Channels,
    pub(crate) target: Target,
    pub(crate) client: Client,
    pub(crate) seed: u64,
}

/// Tells when there is a snapshot to serve from.
pub(crate) struct Usable {
    status: watch::Receiver<Status>,
    resumed: bool,
}

impl Usable {
    /// Resolves once there is; at once with a kept one. Never, if discovery ended before.
    pub(crate) async fn wait(mut self) {
        if self.resumed {
            return;
        }
        if self.status.wait_for(|status| status.synced).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// What this process says about itself to the controller.
pub(crate) fn client(id: SpiffeId, settings: &Settings) -> Client {
    Client {
        id,
        hello: ours(&[]),
        advertise: settings.part.advertise().to_vec(),
        network: Some(settings.network.clone()),
        locality: settings.locality.clone(),
    }
}

/// A snapshot of which some kind was never told is not kept: it could miss a policy.
async fn keep_what_is_whole(
    keep: Snapshots,
    own: SpiffeId,
    mut snapshots: watch::Receiver<Arc<Snapshot>>,
    mut status: watch::Receiver<Status>,
    drain: Drain,
) {
    let synced = tokio::select! {
        () = drain.begun() => return,
        synced = status.wait_for(|status| status.synced) => synced.is_ok(),
    };
    if synced {
        // The first whole one is kept even though it was published before now.
        snapshots.mark_changed();
        keep.keep(own, snapshots, drain).await;
    }
}

async fn follow(
    mut status: watch::Receiver<Status>,
    resumed: bool,
    ready: Condition,
    drain: Drain,
) {
    loop {
        let told = status.borrow_and_update().clone();
        if resumed || told.synced {
            ready.met();
        } else if told.last_error.is_empty() {
            ready.unmet("nothing received from the controller yet");
        } else {
            ready.unmet(&told.last_error);
        }
        tokio::select! {
            () = drain.begun() => return,
            changed = status.changed() => if changed.is_err() { return },
        }
    }
}

const FIRST_RETRY: Duration = Duration::from_millis(250);
const LAST_RETRY: Duration = Duration::from_secs(15);
