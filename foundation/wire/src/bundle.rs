//! Trust bundles on the wire.
//!
//! Decoding keeps the model's limits on number and size of authorities; it
//! does not look into them, nor does it decide whether a bundle may replace
//! another (`model::bundle` does).

use std::sync::Arc;

use pelago_model::{Bundle as Model, TrustDomain};

pub use crate::protos::pelago::v1::Bundle;

use crate::field::Reader;
use crate::limits::MAX_BUNDLES;
use crate::malformed::Malformed;

const READ: Reader = Reader("Bundle");

/// Writes a bundle.
#[must_use]
pub fn encode(bundle: &Model) -> Bundle {
    Bundle {
        trust_domain: bundle.trust_domain.as_str().to_owned(),
        sequence: bundle.sequence,
        refresh_hint_seconds: bundle.refresh_hint,
        x509_authorities: bundle
            .x509_authorities
            .iter()
            .map(|der| der.to_vec())
            .collect(),
    }
}

/// Reads a bundle.
///
/// # Errors
/// [`Malformed`] for a bad trust domain, or no, too many or too large
/// authorities.
pub fn decode(bundle: Bundle) -> Result<Model, Malformed> {
    let field = "x509_authorities";
    READ.count(field, bundle.x509_authorities.len(), Model::MAX_AUTHORITIES)?;
    let bundle = Model {
        trust_domain: READ.id("trust_domain", &bundle.trust_domain, TrustDomain::parse)?,
        sequence: bundle.sequence,
        refresh_hint: bundle.refresh_hint_seconds,
        x509_authorities: bundle.x509_authorities.into_iter().map(Arc::from).collect(),
    };
    bundle
        .check()
        .map_err(|error| READ.bad(field, "…", &error.to_string()))?;
    Ok(bundle)
}

/// Reads a list of bundles, each of another trust domain.
///
/// # Errors
/// [`Malformed`] when one is, when there are too many, or a domain repeats.
pub fn decode_all(bundles: Vec<Bundle>) -> Result<Vec<Model>, Malformed> {
    let all = Reader("Bundles").list("bundles", bundles, MAX_BUNDLES, decode)?;
    let mut domains = std::collections::BTreeSet::new();
    for bundle in &all {
        if !domains.insert(bundle.trust_domain.clone()) {
            return Err(READ.bad(
                "trust_domain",
                bundle.trust_domain.as_str(),
                "one bundle of each trust domain",
            ));
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests;
