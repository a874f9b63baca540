//! Making authorities: the root at first start, intermediates whenever one is
//! due. The key is durable before the certificate, the certificate before use.

use pelago_ca_core::authority::{active, next_number};
use pelago_ca_core::issue::{Signed, to_be_signed};
use pelago_ca_core::{Authority, Kind, Serial, Template, Validity};
use pelago_svid::IssuerExtension;

use super::error::SigningError;
use super::key::with_key;
use super::records::keep;
use crate::config::CaConfig;
use crate::entropy::random;
use crate::keys::Keyring;
use crate::tables::Tables;

pub(super) async fn make_root(
    tables: &Tables,
    keyring: &dyn Keyring,
    config: &CaConfig,
    all: &[Authority],
    now: u64,
) -> Result<(), SigningError> {
    let number = next_number(all, Kind::Root);
    let id = Kind::Root.id(number);
    let signer = keyring.create(&id).await?;
    let template = Template::Root {
        trust_domain: config.trust_domain.clone(),
        name: id.clone(),
    };
    let validity = Validity::starting(now, config.root_ttl.as_secs());
    let key = signer.public_key();
    let tbs = to_be_signed(&template, key, validity, serial()?, Signed::ByItself)?;
    let certificate = tbs.assemble(&signer.sign(tbs.bytes()).await?);
    let validity = tbs.validity();
    keep(tables, Kind::Root, number, None, certificate, validity).await
}

pub(super) async fn make_intermediate(
    tables: &Tables,
    keyring: &dyn Keyring,
    config: &CaConfig,
    all: &[Authority],
    now: u64,
) -> Result<(), SigningError> {
    let root = active(all, Kind::Root).ok_or(SigningError::KeyMissing {
        id: Kind::Root.id(1),
    })?;
    check_root(root, config, now)?;
    let root = with_key(keyring, root.clone()).await?;
    let number = next_number(all, Kind::Intermediate);
    let id = Kind::Intermediate.id(number);
    let key = keyring.create(&id).await?;
    let template = Template::Intermediate {
        trust_domain: config.trust_domain.clone(),
        name: id,
        issuer: IssuerExtension {
            cluster: config.cluster.clone(),
            prefixes: vec![config.trust_domain.id()],
        },
    };
    let validity = Validity::starting(now, config.intermediate_ttl.as_secs());
    let by = Signed::By(&root.authority.certificate);
    let tbs = to_be_signed(&template, key.public_key(), validity, serial()?, by)?;
    let certificate = tbs.assemble(&root.signer.sign(tbs.bytes()).await?);
    let issuer = Some(root.authority.id);
    let validity = tbs.validity();
    keep(
        tables,
        Kind::Intermediate,
        number,
        issuer,
        certificate,
        validity,
    )
    .await
}

pub(super) fn check_root(
    root: &Authority,
    config: &CaConfig,
    now: u64,
) -> Result<(), SigningError> {
    let stored = pelago_svid::bundle::authority(&root.certificate)
        .ok()
        .and_then(|root| root.trust_domain);
    if let Some(stored) = stored.filter(|stored| *stored != config.trust_domain) {
        return Err(SigningError::OtherTrustDomain {
            stored,
            configured: config.trust_domain.clone(),
        });
    }
    if now < root.not_before {
        return Err(SigningError::RootNotBegun {
            id: root.id.clone(),
            not_before: root.not_before,
            now,
        });
    }
    if root.not_after <= now {
        return Err(SigningError::RootEnded {
            id: root.id.clone(),
            not_after: root.not_after,
        });
    }
    Ok(())
}

fn serial() -> Result<Serial, SigningError> {
    random().map(Serial::new).map_err(|_| SigningError::Entropy)
}
