//! The client side towards peers: joining them, and a trust session to each
//! that keeps its bundle current.

mod join;
mod session;

use std::collections::BTreeMap;
use std::sync::Arc;

use pelago_model::{ClusterId, Peer};
use pelago_runtime::scope::Scope;

use crate::ca::Ca;

pub(crate) use join::{JoinError, Plan, join, plan};

/// Keeps one session to every peer, for ever: a peer that changes gets a new
/// one, a peer that is removed loses its own at once.
pub(crate) async fn keep(ca: Arc<Ca>, scope: Scope) {
    let drain = scope.shutdown();
    let mut changes = ca.view.watch_peers();
    let mut running: BTreeMap<ClusterId, (Peer, Scope)> = BTreeMap::new();
    loop {
        let peers = Arc::clone(&changes.borrow_and_update());
        running.retain(|cluster, (peer, _)| peers.get(cluster) == Some(peer));
        for (cluster, peer) in peers.iter() {
            if running.contains_key(cluster) {
                continue;
            }
            // Dropping the scope cuts the session.
            let own = scope.supervised(cluster.as_str());
            let (ca, told, drain) = (Arc::clone(&ca), peer.clone(), own.shutdown());
            own.spawn("trust", async move {
                tokio::select! {
                    () = session::run(ca, told) => {}
                    () = drain.begun() => {}
                }
            });
            running.insert(cluster.clone(), (peer.clone(), own));
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = drain.begun() => return,
        }
    }
}
