//! Texts of any length below one prefix, in pieces that fit the store.
//!
//! A head names one of two slots; its pieces are written first, so that a crash
//! leaves the old text whole. A text that is not whole is no text. What the
//! store holds is listed once, and again after each failure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pelago_model::Version;
use pelago_store::{Expected, Store, Table, TableError};
use serde::{Deserialize, Serialize};

/// A text that was stored.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) label: String,
    pub(super) text: String,
}

/// Every whole text below `prefix`, by id.
pub(super) async fn load(
    store: &Arc<dyn Store>,
    prefix: &str,
) -> Result<BTreeMap<String, Kept>, TableError> {
    let table = Table::new(Arc::clone(store), prefix);
    let rows = table.list().await?.rows.into_iter();
    let rows: BTreeMap<String, Row> = rows.map(|row| (row.id, row.value)).collect();
    let mut found = BTreeMap::new();
    for (id, row) in &rows {
        let Row::Head(head) = row else {
            continue;
        };
        let mut text = String::new();
        for piece in head.ids(id) {
            if let Some(Row::Piece(part)) = rows.get(&piece) {
                text.push_str(part);
            }
        }
        if Version::of_bytes(text.as_bytes()) != head.version {
            tracing::warn!(
                prefix,
                id,
                "what was stored before the restart is not whole: it is not used"
            );
            continue;
        }
        let label = head.label.clone();
        found.insert(id.clone(), Kept { label, text });
    }
    Ok(found)
}

/// Writes texts below one prefix; its only writer.
pub(super) struct Pieces {
    table: Table<Row>,
    held: Option<Held>,
}

/// What the store holds.
#[derive(Debug, Default)]
struct Held {
    heads: BTreeMap<String, Head>,
    /// Rows that belong to no head: a crash or a failure left them.
    strays: BTreeSet<String>,
}

impl Pieces {
    pub(super) fn new(store: &Arc<dyn Store>, prefix: &str) -> Self {
        Self {
            table: Table::new(Arc::clone(store), prefix),
            held: None,
        }
    }

    /// Makes `id` (without a dot) hold `text`.
    pub(super) async fn put(
        &mut self,
        id: &str,
        label: &str,
        text: &str,
    ) -> Result<(), TableError> {
        let mut held = self.held().await?;
        let outcome = put(&self.table, &mut held, id, label, text).await;
        self.held = outcome.is_ok().then_some(held);
        outcome
    }

    /// Deletes every text that is not to be kept, and what belongs to none.
    pub(super) async fn retain(
        &mut self,
        keep: impl Fn(&str) -> bool + Send,
    ) -> Result<(), TableError> {
        let mut held = self.held().await?;
        let outcome = retain(&self.table, &mut held, keep).await;
        self.held = outcome.is_ok().then_some(held);
        outcome
    }

    async fn held(&mut self) -> Result<Held, TableError> {
        if let Some(held) = self.held.take() {
            return Ok(held);
        }
        let mut held = Held::default();
        for row in self.table.list().await?.rows {
            match row.value {
                Row::Head(head) => drop(held.heads.insert(row.id, head)),
                Row::Piece(_) => drop(held.strays.insert(row.id)),
            }
        }
        for (id, head) in &held.heads {
            for piece in head.ids(id) {
                held.strays.remove(&piece);
            }
        }
        Ok(held)
    }
}

async fn put(
    table: &Table<Row>,
    held: &mut Held,
    id: &str,
    label: &str,
    text: &str,
) -> Result<(), TableError> {
    let version = Version::of_bytes(text.as_bytes());
    let old = held.heads.get(id).cloned();
    if let Some(old) = &old
        && old.version == version
        && old.label == label
    {
        return Ok(());
    }
    let slot = old.as_ref().map_or(0, |old| 1 - old.slot.min(1));
    let parts: Vec<&str> = cut(text).collect();
    let head = Head {
        slot,
        pieces: u32::try_from(parts.len()).unwrap_or(u32::MAX),
        version,
        label: label.to_owned(),
    };
    for (piece, part) in head.ids(id).zip(parts) {
        held.strays.remove(&piece);
        let row = Row::Piece(part.to_owned());
        table.put(&piece, Expected::Any, &row).await?;
    }
    held.strays.extend(old.iter().flat_map(|old| old.ids(id)));
    table
        .put(id, Expected::Any, &Row::Head(head.clone()))
        .await?;
    held.heads.insert(id.to_owned(), head);
    sweep(table, held).await
}

async fn retain(
    table: &Table<Row>,
    held: &mut Held,
    keep: impl Fn(&str) -> bool,
) -> Result<(), TableError> {
    let gone: Vec<String> = held.heads.keys().filter(|id| !keep(id)).cloned().collect();
    for id in gone {
        table.delete(&id, Expected::Any).await?;
        let head = held.heads.remove(&id);
        held.strays
            .extend(head.iter().flat_map(|head| head.ids(&id)));
    }
    sweep(table, held).await
}

async fn sweep(table: &Table<Row>, held: &mut Held) -> Result<(), TableError> {
    while let Some(id) = held.strays.first().cloned() {
        table.delete(&id, Expected::Any).await?;
        held.strays.remove(&id);
    }
    Ok(())
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Row {
    Head(Head),
    Piece(String),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Head {
    slot: u8,
    pieces: u32,
    version: Version,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    label: String,
}

impl Head {
    /// The ids of its pieces; an id has no dot, so that none is taken for a head.
    fn ids<'a>(&self, id: &'a str) -> impl Iterator<Item = String> + use<'a> {
        let slot = self.slot;
        (0..self.pieces).map(move |piece| format!("{id}.{slot}.{piece}"))
    }
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

/// As JSON a control character takes six bytes; six times this is still below
/// what a store takes.
const PIECE: usize = 80 * 1024;

#[cfg(test)]
mod tests;
