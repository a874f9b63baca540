//! What to ask the CA for, and when. Pure: times are Unix seconds given by the caller.
//!
//! One want per registration entry and one, with the empty name, for the node itself. Renewals
//! and retries carry jitter, so that a mesh does not renew in step.

use std::collections::BTreeMap;

use pelago_model::{RegistrationEntry, SpiffeId};
use zeroize::Zeroizing;

/// The want of the node itself.
pub(crate) const OWN: &str = "";

/// What is wanted and asked for.
pub(crate) struct Plan {
    wants: BTreeMap<String, Want>,
    asked: BTreeMap<u64, Asked>,
    next_id: u64,
    random: fastrand::Rng,
}

struct Want {
    id: SpiffeId,
    ttl: Option<u64>,
    due: u64,
    failures: u32,
    asked: bool,
}

/// A request on its way.
pub(crate) struct Asked {
    /// The entry, or [`OWN`].
    pub(crate) entry: String,
    /// The ID that must come back.
    pub(crate) id: SpiffeId,
    /// The key of the request.
    pub(crate) key: Zeroizing<Vec<u8>>,
    /// When it was asked, Unix seconds.
    pub(crate) at: u64,
}

impl Plan {
    /// A plan for the node alone.
    pub(crate) fn new(own: SpiffeId, due: u64, seed: u64) -> Self {
        let want = Want::new(own, None, due);
        Self {
            wants: BTreeMap::from([(OWN.to_owned(), want)]),
            asked: BTreeMap::new(),
            next_id: 1,
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// Takes the full set of entries: new and changed ones are due at once, absent ones gone.
    pub(crate) fn entries(&mut self, entries: &[RegistrationEntry], now: u64) {
        let mut before = std::mem::take(&mut self.wants);
        self.wants.extend(before.remove_entry(OWN));
        for entry in entries {
            let name = entry.id.as_str();
            let same = before
                .remove(name)
                .filter(|want| want.id == entry.spiffe_id && want.ttl == entry.ttl_seconds);
            let want =
                same.unwrap_or_else(|| Want::new(entry.spiffe_id.clone(), entry.ttl_seconds, now));
            self.wants.insert(name.to_owned(), want);
        }
        let wants = &self.wants;
        // An answer for what changed meanwhile is not waited for.
        self.asked.retain(|_, asked| {
            wants
                .get(&asked.entry)
                .is_some_and(|want| want.asked && want.id == asked.id)
        });
    }

    /// The entry has an SVID that is to be renewed at `due`.
    pub(crate) fn held(&mut self, entry: &str, due: u64) {
        if let Some(want) = self.wants.get_mut(entry) {
            want.due = due;
        }
    }

    /// When the entry is asked for next, Unix seconds.
    pub(crate) fn due_at(&self, entry: &str) -> Option<u64> {
        self.wants.get(entry).map(|want| want.due)
    }

    /// The next entry to ask for now, if any and if not too much is on its way.
    pub(crate) fn due(&self, now: u64) -> Option<&str> {
        if self.asked.len() >= WINDOW {
            return None;
        }
        let mut wants = self.wants.iter();
        wants
            .find(|(_, want)| !want.asked && want.due <= now)
            .map(|(entry, _)| entry.as_str())
    }

    /// Notes that this entry is being asked for; the id of the request. `None` for an entry
    /// that is gone.
    pub(crate) fn ask(&mut self, entry: &str, key: Zeroizing<Vec<u8>>, now: u64) -> Option<u64> {
        let want = self.wants.get_mut(entry)?;
        want.asked = true;
        let request = self.next_id;
        self.next_id += 1;
        let asked = Asked {
            entry: entry.to_owned(),
            id: want.id.clone(),
            key,
            at: now,
        };
        self.asked.insert(request, asked);
        Some(request)
    }

    /// The request that this answers; `None` for one never asked or no longer wanted.
    pub(crate) fn answered(&mut self, request: u64) -> Option<Asked> {
        let asked = self.asked.remove(&request)?;
        self.wants.get_mut(&asked.entry)?.asked = false;
        Some(asked)
    }

    /// The entry got its SVID: the time of the next renewal, after `renew_after` seconds ±10%
    /// and before two thirds of its remaining lifetime have passed.
    pub(crate) fn renewed(
        &mut self,
        entry: &str,
        renew_after: u64,
        not_after: u64,
        now: u64,
    ) -> u64 {
        let spread = 0.9 + 0.2 * self.random.f64();
        let latest = not_after.saturating_sub(now) / 3 * 2;
        let wait = scaled(renew_after, spread).min(latest).max(1);
        let due = now.saturating_add(wait);
        if let Some(want) = self.wants.get_mut(entry) {
            want.due = due;
            want.failures = 0;
        }
        due
    }

    /// The entry got nothing: asked again after 1 to 60 seconds, or 10 minutes where retrying is
    /// said not to help. How often it was refused since it last got something, up to
    /// [`MANY`].
    pub(crate) fn refused(&mut self, entry: &str, retry: bool, now: u64) -> u32 {
        let spread = 0.5 + 0.5 * self.random.f64();
        let Some(want) = self.wants.get_mut(entry) else {
            return 0;
        };
        let step = 1_u64
            .checked_shl(want.failures.saturating_add(1))
            .map_or(LAST_RETRY, |step| step.min(LAST_RETRY));
        want.failures = want.failures.saturating_add(1).min(MANY);
        let wait = if retry { step } else { HOPELESS_RETRY };
        want.due = now.saturating_add(scaled(wait, spread).max(1));
        want.failures
    }

    /// Nothing that was asked will be answered.
    pub(crate) fn forget_asked(&mut self) {
        self.asked.clear();
        for want in self.wants.values_mut() {
            want.asked = false;
        }
    }

    /// When there will be something to do: the earliest due time, or the deadline of the oldest
    /// request.
    pub(crate) fn next(&self) -> u64 {
        let window = self.asked.len() < WINDOW;
        let wants = self.wants.values();
        let due = wants
            .filter(|want| !want.asked && window)
            .map(|want| want.due);
        let deadlines = self.asked.values().map(|asked| asked.at + ANSWER_LIMIT);
        due.chain(deadlines).min().unwrap_or(u64::MAX)
    }

    /// Whether a request has waited too long for its answer.
    pub(crate) fn is_stalled(&self, now: u64) -> bool {
        let mut asked = self.asked.values();
        asked.any(|asked| asked.at.saturating_add(ANSWER_LIMIT) <= now)
    }
}

impl Want {
    const fn new(id: SpiffeId, ttl: Option<u64>, due: u64) -> Self {
        Self {
            id,
            ttl,
            due,
            failures: 0,
            asked: false,
        }
    }
}

fn scaled(seconds: u64, factor: f64) -> u64 {
    std::time::Duration::from_secs(seconds.min(MAX_SECONDS))
        .mul_f64(factor)
        .as_secs()
}

/// Requests on their way at once.
const WINDOW: usize = 32;
/// Seconds an answer may take.
pub(crate) const ANSWER_LIMIT: u64 = 30;
const LAST_RETRY: u64 = 60;
/// Refusals are not counted further.
const MANY: u32 = 33;
const HOPELESS_RETRY: u64 = 600;
/// Ten years: what exceeds it is no renewal.
const MAX_SECONDS: u64 = 10 * 365 * 86_400;

#[cfg(test)]
mod tests;
