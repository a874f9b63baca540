//! What a peer showed, in pieces that fit the store.
//!
//! A head names one of two slots; its pieces are written first, so that a crash
//! leaves the old state whole. A state that is not whole is no state.

use std::collections::BTreeMap;
use std::sync::Arc;

use pelago_federation_core::export::Shown;
use pelago_model::{ClusterId, ExportedGateway, ExportedService, SpiffeId, Version};
use pelago_store::{Expected, Store, Table, TableError};
use serde::{Deserialize, Serialize};

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

/// Everything that was saved, by peer; what is not whole is left out.
pub(crate) async fn load(
    store: &Arc<dyn Store>,
) -> Result<BTreeMap<ClusterId, Arc<Saved>>, TableError> {
    let rows: BTreeMap<String, Row> = table(store)
        .list()
        .await?
        .rows
        .into_iter()
        .map(|row| (row.id, row.value))
        .collect();
    let mut found = BTreeMap::new();
    for (id, row) in &rows {
        let (Row::Head(head), Ok(cluster)) = (row, ClusterId::parse(id)) else {
            continue;
        };
        let mut text = String::new();
        for piece in 0..head.pieces {
            if let Some(Row::Piece(part)) = rows.get(&piece_id(&cluster, head.slot, piece)) {
                text.push_str(part);
            }
        }
        let whole = Version::of_bytes(text.as_bytes()) == head.version;
        match serde_json::from_str(&text) {
            Ok(saved) if whole => drop(found.insert(cluster, Arc::new(saved))),
            _ => {
                tracing::warn!(peer = %cluster, "what the peer showed before the restart is not whole: it is not used")
            }
        }
    }
    Ok(found)
}

/// Makes the store hold exactly `wanted`; `written` is what it is known to hold.
pub(super) async fn sync(
    store: &Arc<dyn Store>,
    wanted: &BTreeMap<ClusterId, Arc<Saved>>,
    written: &mut BTreeMap<ClusterId, Arc<Saved>>,
) -> Result<(), TableError> {
    let table = table(store);
    for row in table.list().await?.rows {
        let cluster = row.id.split('.').next().unwrap_or_default();
        if !wanted.keys().any(|peer| peer.as_str() == cluster) {
            table.delete(&row.id, Expected::Any).await?;
        }
    }
    written.retain(|cluster, _| wanted.contains_key(cluster));
    for (cluster, saved) in wanted {
        if written
            .get(cluster)
            .is_some_and(|old| Arc::ptr_eq(old, saved))
        {
            continue;
        }
        save(&table, cluster, saved).await?;
        written.insert(cluster.clone(), Arc::clone(saved));
    }
    Ok(())
}

async fn save(table: &Table<Row>, cluster: &ClusterId, saved: &Saved) -> Result<(), TableError> {
    let text = serde_json::to_string(saved).unwrap_or_default();
    let version = Version::of_bytes(text.as_bytes());
    let old = match table.get(cluster.as_str()).await? {
        Some(record) => match record.value {
            Row::Head(head) => Some(head),
            Row::Piece(_) => None,
        },
        None => None,
    };
    if old.as_ref().is_some_and(|old| old.version == version) {
        return Ok(());
    }
    let slot = old.as_ref().map_or(0, |old| 1 - old.slot.min(1));
    let mut pieces = 0;
    for part in cut(&text) {
        let id = piece_id(cluster, slot, pieces);
        table
            .put(&id, Expected::Any, &Row::Piece(part.to_owned()))
            .await?;
        pieces += 1;
    }
    let head = Row::Head(Head {
        slot,
        pieces,
        version,
    });
    table.put(cluster.as_str(), Expected::Any, &head).await?;
    if let Some(old) = old {
        for piece in 0..old.pieces {
            table
                .delete(&piece_id(cluster, old.slot, piece), Expected::Any)
                .await?;
        }
    }
    Ok(())
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Row {
    Head(Head),
    Piece(String),
}

#[derive(Debug, Serialize, Deserialize)]
struct Head {
    slot: u8,
    pieces: u32,
    version: Version,
}

fn table(store: &Arc<dyn Store>) -> Table<Row> {
    Table::new(Arc::clone(store), "import")
}

/// A cluster id has no dot, so that no piece is taken for a head.
fn piece_id(cluster: &ClusterId, slot: u8, piece: u32) -> String {
    format!("{cluster}.{slot}.{piece}")
}

/// Pieces of at most [`PIECE`] bytes, cut between characters.
fn cut(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (piece, next) = rest.split_at(rest.floor_char_boundary(PIECE));
        rest = next;
        (!piece.is_empty()).then_some(piece)
    })
}

/// JSON inside JSON grows by its quotes; twice this is still below what a store
/// takes.
const PIECE: usize = 200 * 1024;

#[cfg(test)]
mod tests;
