//! What a caller may have: its identities, and the bundles it verifies others with. Pure.
//!
//! A caller is entitled by the registration entries whose selectors it satisfies, and by nothing
//! else. Answers are whole states in a stable order, so that the first identity stays the
//! default (SPIFFE Workload API, sections 5.2 and 6.2). An answer without the mandatory parts is
//! refused rather than sent thin.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pelago_identity::{State, Svid};
use pelago_model::registration::Facts;
use pelago_model::{Bundle, RegistrationEntry, TrustDomain};
use pelago_wire::workload_api::{X509BundlesResponse, X509svid, X509svidResponse};

/// The longest hint that is passed on, in bytes.
const MAX_HINT: usize = 1024;

/// Why a caller gets nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// The entries were not received since the start: nobody can be told apart yet.
    #[error("registration entries have not been received from the controller yet: try again")]
    NotReady,
    /// No entry's selectors match.
    #[error("no identity is registered for this process: register one with its selectors")]
    NoIdentity,
    /// The CA has not issued what is registered, or all of it expired.
    #[error("an identity is registered for this process, but no valid SVID is held yet: try again")]
    NoSvid,
    /// The roots of our own trust domain are missing.
    #[error("the bundle of our own trust domain has not been received yet: try again")]
    NoBundle,
}

/// The X.509-SVIDs of a caller, and what else it trusts.
#[derive(Debug)]
pub(crate) struct Svids {
    held: Vec<Held>,
    federated: Vec<Arc<Bundle>>,
}

#[derive(Debug)]
struct Held {
    svid: Arc<Svid>,
    hint: String,
    bundle: Arc<Bundle>,
}

/// The bundles of a caller, its own domain's among them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bundles(Vec<Arc<Bundle>>);

/// The identities of a process with these facts, at Unix second `now`.
///
/// # Errors
/// [`Refusal`]; a caller that has some of its SVIDs gets those.
pub(crate) fn svids(state: &State, facts: &Facts, now: u64) -> Result<Svids, Refusal> {
    let entries = entries(state, facts)?;
    let mut held: Vec<Held> = Vec::new();
    let mut hints = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for entry in &entries {
        if !seen.insert(&entry.spiffe_id) {
            continue;
        }
        let svid = state.workloads.get(&entry.spiffe_id);
        let Some(svid) = svid.filter(|svid| now < svid.not_after()) else {
            continue;
        };
        let bundle = state.bundles.get(entry.spiffe_id.trust_domain());
        held.push(Held {
            svid: Arc::clone(svid),
            hint: unique(&entry.hint, &mut hints),
            bundle: Arc::clone(bundle.ok_or(Refusal::NoBundle)?),
        });
    }
    if held.is_empty() {
        return Err(Refusal::NoSvid);
    }
    let own: BTreeSet<_> = entries
        .iter()
        .map(|entry| entry.spiffe_id.trust_domain())
        .collect();
    Ok(Svids {
        federated: others(state, &own),
        held,
    })
}

/// The bundles of a process with these facts; whoever has no identity has no bundle either.
///
/// # Errors
/// [`Refusal`]
pub(crate) fn bundles(state: &State, facts: &Facts, _now: u64) -> Result<Bundles, Refusal> {
    for entry in entries(state, facts)? {
        let own = state.bundles.get(entry.spiffe_id.trust_domain());
        own.ok_or(Refusal::NoBundle)?;
    }
    Ok(Bundles(state.bundles.iter().map(Arc::clone).collect()))
}

fn entries<'a>(state: &'a State, facts: &Facts) -> Result<Vec<&'a RegistrationEntry>, Refusal> {
    let mut entries: Vec<_> = state
        .entries
        .iter()
        .filter(|entry| facts.satisfy(entry))
        .collect();
    entries.sort_by(|a, b| a.id.cmp(&b.id));
    if entries.is_empty() {
        // Entries kept from before serve whom they match; of others they say nothing.
        return Err(if state.entries_received {
            Refusal::NoIdentity
        } else {
            Refusal::NotReady
        });
    }
    Ok(entries)
}

/// Hints are unique in an answer: a second one is cleared, as is one that is too long.
fn unique(hint: &str, seen: &mut BTreeSet<String>) -> String {
    if hint.len() <= MAX_HINT && seen.insert(hint.to_owned()) {
        hint.to_owned()
    } else {
        String::new()
    }
}

fn others(state: &State, own: &BTreeSet<&TrustDomain>) -> Vec<Arc<Bundle>> {
    let bundles = state.bundles.iter();
    bundles
        .filter(|bundle| !own.contains(&bundle.trust_domain))
        .map(Arc::clone)
        .collect()
}

/// Same certificates, hints and bundles. SVIDs are immutable, so that the same one is the same
/// place in memory.
impl PartialEq for Svids {
    fn eq(&self, other: &Self) -> bool {
        let same = |a: &Held, b: &Held| {
            Arc::ptr_eq(&a.svid, &b.svid) && a.hint == b.hint && a.bundle == b.bundle
        };
        self.federated == other.federated
            && self.held.len() == other.held.len()
            && self.held.iter().zip(&other.held).all(|(a, b)| same(a, b))
    }
}

impl From<&Svids> for X509svidResponse {
    fn from(svids: &Svids) -> Self {
        let held = svids.held.iter().map(|held| X509svid {
            spiffe_id: held.svid.id().to_string(),
            x509_svid: held
                .svid
                .chain_der()
                .iter()
                .flat_map(|der| der.iter().copied())
                .collect(),
            x509_svid_key: held.svid.key_der().to_vec(),
            bundle: der(&held.bundle),
            hint: held.hint.clone(),
        });
        Self {
            svids: held.collect(),
            crl: Vec::new(),
            federated_bundles: by_domain(&svids.federated),
        }
    }
}

impl From<&Bundles> for X509BundlesResponse {
    fn from(bundles: &Bundles) -> Self {
        Self {
            crl: Vec::new(),
            bundles: by_domain(&bundles.0),
        }
    }
}

/// Keyed by `spiffe://<trust domain>`.
fn by_domain(bundles: &[Arc<Bundle>]) -> BTreeMap<String, Vec<u8>> {
    let keyed = bundles
        .iter()
        .map(|bundle| (bundle.trust_domain.id().to_string(), der(bundle)));
    keyed.collect()
}

/// Certificates one after the other, as the Workload API wants them.
fn der(bundle: &Bundle) -> Vec<u8> {
    bundle.x509_authorities.concat()
}

#[cfg(test)]
mod tests;
