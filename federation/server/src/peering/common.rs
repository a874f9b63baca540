//! What every peer's task needs, and what it tells.

use std::sync::Arc;
use std::time::Duration;

use pelago_federation_core::export::Shown;
use pelago_federation_core::session::Settings;
use pelago_identity::Channels;
use pelago_model::{ClusterId, Snapshot, SpiffeId, Version};
use tokio::sync::{mpsc, watch};

/// What a peer's task tells the one who reconciles.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) cluster: ClusterId,
    /// Whom the connection proved; a report of a peer that was replaced since
    /// is not believed.
    pub(crate) controller: SpiffeId,
    pub(crate) heard: Heard,
}

/// What was heard of a peer.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A session is open.
    Opened,
    /// All it shows.
    Full(Vec<Shown>),
    /// Changes of what it shows, each thing once.
    Changes(Vec<Shown>),
    /// It speaks, and asks to be believed for so long.
    Alive {
        lease: Duration,
        /// Over what we show it.
        ours: Version,
        /// Over what it shows us.
        theirs: Version,
    },
    /// No session any more, or none could be opened.
    Closed(String),
}

/// What every peer's task needs.
#[derive(Clone)]
pub(crate) struct Common {
    pub(crate) cluster: ClusterId,
    /// Our controller.
    pub(crate) ours: SpiffeId,
    pub(crate) settings: Settings,
    pub(crate) channels: Channels,
    pub(crate) snapshot: watch::Receiver<Arc<Snapshot>>,
    pub(crate) reports: mpsc::Sender<Report>,
}
