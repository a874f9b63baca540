//! What a peer showed, as it is stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use pelago_federation_core::export::Shown;
use pelago_model::{ClusterId, ExportedGateway, ExportedService, SpiffeId};
use pelago_store::{Store, TableError};
use serde::{Deserialize, Serialize};

use super::pieces::{self, Pieces};

/// What a peer showed, as far as it was believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Saved {
    /// Who showed it; a peer with another controller shows nothing of it.
    pub(crate) controller: SpiffeId,
    services: Vec<ExportedService>,
    gateways: Vec<ExportedGateway>,
}

impl Saved {
    pub(crate) fn new(controller: SpiffeId, shown: impl Iterator<Item = Shown>) -> Self {
        let mut saved = Self {
            controller,
            services: Vec::new(),
            gateways: Vec::new(),
        };
        for shown in shown {
            match shown {
                Shown::Service(service) => saved.services.push(service),
                Shown::Gateway(gateway) => saved.gateways.push(gateway),
                Shown::Gone(_) => {}
            }
        }
        saved
    }

    pub(crate) fn shown(&self) -> Vec<Shown> {
        let services = self.services.iter().cloned().map(Shown::Service);
        let gateways = self.gateways.iter().cloned().map(Shown::Gateway);
        services.chain(gateways).collect()
    }
}

/// Everything that was saved, by peer; what cannot be read is left out.
pub(crate) async fn load(
    store: &Arc<dyn Store>,
) -> Result<BTreeMap<ClusterId, Arc<Saved>>, TableError> {
    let mut found = BTreeMap::new();
    for (id, kept) in pieces::load(store, PREFIX).await? {
        let saved = serde_json::from_str(&kept.text);
        match (ClusterId::parse(&id), saved) {
            (Ok(cluster), Ok(saved)) => drop(found.insert(cluster, Arc::new(saved))),
            _ => {
                tracing::warn!(peer = %id, "what the peer showed before the restart cannot be read: it is not used");
            }
        }
    }
    Ok(found)
}

/// Writes what peers showed.
pub(super) struct Imports {
    pieces: Pieces,
    /// What the store is known to hold.
    written: BTreeMap<ClusterId, Arc<Saved>>,
}

impl Imports {
    pub(super) fn new(store: &Arc<dyn Store>) -> Self {
        Self {
            pieces: Pieces::new(store, PREFIX),
            written: BTreeMap::new(),
        }
    }

    /// Makes the store hold exactly `wanted`.
    pub(super) async fn sync(
        &mut self,
        wanted: &BTreeMap<ClusterId, Arc<Saved>>,
    ) -> Result<(), TableError> {
        let kept = |id: &str| wanted.keys().any(|peer| peer.as_str() == id);
        self.pieces.retain(kept).await?;
        self.written
            .retain(|cluster, _| wanted.contains_key(cluster));
        for (cluster, saved) in wanted {
            let old = self.written.get(cluster);
            if old.is_some_and(|old| Arc::ptr_eq(old, saved)) {
                continue;
            }
            let text = serde_json::to_string(saved).unwrap_or_default();
            self.pieces.put(cluster.as_str(), "", &text).await?;
            self.written.insert(cluster.clone(), Arc::clone(saved));
        }
        Ok(())
    }
}

const PREFIX: &str = "import";

#[cfg(test)]
mod tests;
