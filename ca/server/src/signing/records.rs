//! The records of authorities and the bundle they publish.

use pelago_ca_core::authority::publish;
use pelago_ca_core::{Authority, Kind, State, Validity};
use pelago_model::Bundle;
use pelago_store::{Change, Expected, TableError, UpdateError};

use super::error::SigningError;
use crate::config::CaConfig;
use crate::tables::Tables;

pub(super) async fn list(tables: &Tables) -> Result<Vec<Authority>, SigningError> {
    let rows = tables.authorities.list().await?;
    Ok(rows.rows.into_iter().map(|row| row.value).collect())
}

/// Writes a new authority unless another replica wrote one of that number.
pub(super) async fn keep(
    tables: &Tables,
    kind: Kind,
    number: u32,
    issuer: Option<String>,
    certificate: Vec<u8>,
    validity: Validity,
) -> Result<(), SigningError> {
    let authority = Authority {
        id: kind.id(number),
        kind,
        number,
        state: State::Active,
        issuer,
        certificate: certificate.into(),
        not_before: validity.not_before,
        not_after: validity.not_after,
    };
    let put = tables
        .authorities
        .put(&authority.id, Expected::Absent, &authority);
    match put.await {
        Ok(_) | Err(TableError::Conflict { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn retire(tables: &Tables, id: &str) -> Result<(), SigningError> {
    let retired = tables
        .authorities
        .update(id, |found| {
            Ok::<_, std::convert::Infallible>(match found {
                Some(authority) if authority.state == State::Active => Change::Put(Authority {
                    state: State::Retiring,
                    ..authority
                }),
                _ => Change::Keep,
            })
        })
        .await;
    match retired {
        Ok(_) => Ok(()),
        Err(UpdateError::Table(error)) => Err(error.into()),
        Err(UpdateError::Refused(never)) => match never {},
    }
}

pub(super) async fn publish_bundle(
    tables: &Tables,
    config: &CaConfig,
    all: &[Authority],
) -> Result<(), SigningError> {
    let domain = &config.trust_domain;
    let hint = config.refresh_hint.as_secs();
    let published = tables
        .bundles
        .update(domain.as_str(), |held: Option<Bundle>| {
            let next = publish(all, held.as_ref(), domain, hint);
            Ok::<_, std::convert::Infallible>(match held {
                Some(held) if held == next => Change::Keep,
                _ => Change::Put(next),
            })
        })
        .await;
    match published {
        Ok(_) => Ok(()),
        Err(UpdateError::Table(error)) => Err(error.into()),
        Err(UpdateError::Refused(never)) => match never {},
    }
}
