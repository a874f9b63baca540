//! What of the entries and SVIDs kept from before is still of use, and what to keep. Pure.
//!
//! The same rules as for what the controller tells: entries of this node and trust domain only,
//! SVIDs that an entry entitles to and our own bundles vouch for now.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pelago_model::spiffe::Part;
use pelago_model::{BundleSet, RegistrationEntry, SpiffeId};
use pelago_svid::{Usage, verify};

use super::plan::Plan;
use crate::disk::{Kept, Workloads};
use crate::state::State;
use crate::svid::Svid;

/// Sorts the entries that `own` may have by id, each id once; the others, refused.
pub(super) fn sorted(
    entries: Vec<RegistrationEntry>,
    own: &SpiffeId,
) -> (Vec<RegistrationEntry>, Vec<RegistrationEntry>) {
    let name = match own.part() {
        Some(Part::Named { name, .. }) => name,
        _ => "",
    };
    let (mut ours, others): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| {
        entry.node.as_str() == name && entry.spiffe_id.trust_domain() == own.trust_domain()
    });
    ours.sort_by(|a, b| a.id.cmp(&b.id));
    ours.dedup_by(|later, first| later.id == first.id);
    (ours, others)
}

/// What was kept and may be used at Unix second `now`.
pub(super) struct Resumed {
    pub(super) entries: Vec<RegistrationEntry>,
    pub(super) workloads: BTreeMap<SpiffeId, Arc<Svid>>,
    /// When to renew the SVIDs of these entries, Unix seconds.
    pub(super) renewals: Vec<(String, u64)>,
    /// Whether that is all that was kept.
    pub(super) whole: bool,
}

/// Takes what was kept apart.
pub(super) fn resume(kept: Workloads, own: &SpiffeId, bundles: &BundleSet, now: u64) -> Resumed {
    let (held, mut renewals) = (kept.svids.len(), BTreeMap::new());
    let entries = kept.entries.into_iter().map(|Kept { entry, renew_at }| {
        renewals.insert(entry.id.clone(), renew_at);
        entry
    });
    let (entries, others) = sorted(entries.collect(), own);
    let entitled: BTreeSet<_> = entries.iter().map(|entry| &entry.spiffe_id).collect();
    let usable = |svid: &Arc<Svid>| {
        entitled.contains(svid.id())
            && verify(svid.chain_der(), bundles, Usage::Client, now).is_ok()
    };
    let svids = kept.svids.into_iter().filter(usable);
    let workloads: BTreeMap<_, _> = svids.map(|svid| (svid.id().clone(), svid)).collect();
    let renewals = entries.iter().filter_map(|entry| {
        let svid = workloads.get(&entry.spiffe_id)?;
        let latest = now.saturating_add(svid.not_after().saturating_sub(now) / 3 * 2);
        let at = renewals.get(&entry.id)?;
        Some((entry.id.as_str().to_owned(), latest.min(*at)))
    });
    Resumed {
        renewals: renewals.collect(),
        whole: others.is_empty() && workloads.len() == held,
        entries,
        workloads,
    }
}

/// What to keep of this state and plan.
pub(super) fn of(state: &State, plan: &Plan) -> Workloads {
    let entries = state.entries.iter().map(|entry| Kept {
        renew_at: plan.due_at(entry.id.as_str()).unwrap_or_default(),
        entry: entry.clone(),
    });
    Workloads {
        entries: entries.collect(),
        svids: state.workloads.values().map(Arc::clone).collect(),
    }
}
