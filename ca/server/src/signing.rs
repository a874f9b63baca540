//! The authorities of this cluster: made at first start, read at the next,
//! intermediates replaced before they end.
//!
//! A key is durable before its certificate is, and the certificate before
//! anything is signed with it; a crash in between leaves a key that the next
//! start uses. Only the cluster's own intermediate rotates here: the trust
//! stays, since the root does.

mod error;
mod key;
mod make;
mod records;

use pelago_ca_core::authority::{active, is_due, next_number};
use pelago_ca_core::{Authority, Kind, State};

use crate::config::CaConfig;
use crate::keys::Keyring;
use crate::tables::Tables;

pub use error::SigningError;
pub(crate) use key::Signing;

use key::with_key;
use make::{check_root, make_intermediate, make_root};
use records::{list, publish_bundle, retire};

/// Opens what is there and makes what is missing; publishes the bundle.
pub(crate) async fn open(
    tables: &Tables,
    keyring: &dyn Keyring,
    config: &CaConfig,
    now: u64,
) -> Result<Signing, SigningError> {
    let mut all = list(tables).await?;
    if active(&all, Kind::Root).is_none() {
        make_root(tables, keyring, config, &all, now).await?;
        all = list(tables).await?;
    }
    let root = active(&all, Kind::Root).ok_or(SigningError::KeyMissing {
        id: Kind::Root.id(1),
    })?;
    check_root(root, config, now)?;
    publish_bundle(tables, config, &all).await?;
    current(tables, keyring, config, &all, now).await
}

/// The intermediate to sign with, replaced if it is due.
pub(crate) async fn refresh(
    tables: &Tables,
    keyring: &dyn Keyring,
    config: &CaConfig,
    now: u64,
) -> Result<Signing, SigningError> {
    let all = list(tables).await?;
    current(tables, keyring, config, &all, now).await
}

/// When the active root ends, Unix seconds.
pub(crate) async fn root_ends(tables: &Tables) -> Result<u64, SigningError> {
    let all = list(tables).await?;
    Ok(active(&all, Kind::Root).map_or(0, |root| root.not_after))
}

/// The authority of this id with its key.
pub(crate) async fn find(
    tables: &Tables,
    keyring: &dyn Keyring,
    id: &str,
) -> Result<Signing, SigningError> {
    let record = tables.authorities.get(id).await?;
    let record = record.ok_or_else(|| SigningError::KeyMissing { id: id.to_owned() })?;
    with_key(keyring, record.value).await
}

async fn current(
    tables: &Tables,
    keyring: &dyn Keyring,
    config: &CaConfig,
    all: &[Authority],
    now: u64,
) -> Result<Signing, SigningError> {
    let lead = config.svid_ttl.as_secs();
    let old = active(all, Kind::Intermediate);
    if let Some(usable) = old.filter(|old| !is_due(old.not_before, old.not_after, now, lead)) {
        retire_before(tables, all, usable.number).await;
        return with_key(keyring, usable.clone()).await;
    }
    make_intermediate(tables, keyring, config, all, now).await?;
    let all = list(tables).await?;
    let made = active(&all, Kind::Intermediate).ok_or_else(|| SigningError::KeyMissing {
        id: Kind::Intermediate.id(next_number(&all, Kind::Intermediate)),
    })?;
    tracing::info!(
        authority = made.id,
        not_after = made.not_after,
        "an intermediate is active"
    );
    retire_before(tables, &all, made.number).await;
    with_key(keyring, made.clone()).await
}

/// Retires the intermediates before this one. The newest signs whatever the
/// records of the others say, so that a failure here holds nothing up: it is
/// made good at the next rotation or start.
async fn retire_before(tables: &Tables, all: &[Authority], number: u32) {
    let older = all.iter().filter(|authority| {
        let signs = authority.kind == Kind::Intermediate && authority.state == State::Active;
        signs && authority.number < number
    });
    for authority in older {
        if let Err(error) = retire(tables, &authority.id).await {
            tracing::warn!(
                authority = authority.id,
                error = &error as &dyn std::error::Error,
                "an intermediate that signs no more is not marked as retiring yet"
            );
        }
    }
}
