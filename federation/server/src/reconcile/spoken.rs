//! What all sources say together.
//!
//! Of two that speak of one object the first is believed and the other is
//! named; policies of all of them hold as `repeat` of the core says.

use std::sync::Arc;

use pelago_federation_core::repeat;
use pelago_federation_core::view::{FactKey, View};
use pelago_resources::{Finding, Severity};

use crate::persist::Texts;
use crate::sources::{Said, Testimony};

/// What all sources say together.
#[derive(Debug, Default)]
pub(super) struct Spoken {
    pub(super) findings: Vec<Finding>,
    /// Each source's own, together.
    pub(super) settled: bool,
    pub(super) spoken: bool,
    pub(super) readable: bool,
    pub(super) texts: Texts,
    /// Grows whenever a source speaks.
    pub(super) revision: u64,
}

impl Spoken {
    /// Asks all sources: each tells its own view, all together the one of
    /// policies.
    pub(super) fn reread(&mut self, sources: &mut [Said], views: &mut [View], policies: usize) {
        let mut changed = self.revision == 0;
        let mut all: Vec<Arc<Testimony>> = Vec::new();
        for (view, said) in views.iter_mut().zip(sources) {
            let news = said.has_changed().unwrap_or(false);
            let testimony = said.borrow_and_update().clone();
            if news {
                view.replace(testimony.facts.clone());
            }
            changed |= news;
            all.push(testimony);
        }
        if changed {
            let stated = all.iter().flat_map(|one| &one.policies);
            let (facts, repeated) = repeat::policies(stated);
            if let Some(view) = views.get_mut(policies) {
                view.replace(facts);
            }
            self.sum(&all, repeated);
        }
    }

    fn sum(&mut self, all: &[Arc<Testimony>], repeated: Vec<Finding>) {
        self.revision += 1;
        self.settled = all.iter().all(|one| one.settled);
        self.spoken = all.iter().all(|one| one.spoken);
        self.readable = all.iter().all(|one| one.readable);
        let texts = all.iter().flat_map(|one| &one.texts);
        self.texts = texts
            .map(|(name, text)| (name.clone(), Arc::clone(text)))
            .collect();
        let own = all.iter().flat_map(|one| one.findings.iter().cloned());
        self.findings = repeated;
        self.findings.extend(own);
        self.findings.extend(outspoken(all));
    }
}

/// What a source says and an earlier one says too.
fn outspoken(all: &[Arc<Testimony>]) -> impl Iterator<Item = Finding> {
    all.iter().enumerate().flat_map(|(index, one)| {
        let earlier = all.get(..index).unwrap_or_default();
        let again = one.facts.keys().filter(|key| {
            let mut earlier = earlier.iter();
            earlier.any(|other| other.facts.contains_key(key))
        });
        again.take(MAX_NAMED).map(|key| {
            let message = "stands in an earlier source too; that one holds";
            Finding::new(Severity::Error, "sources", &object(key), "", message)
        })
    })
}

fn object(key: &FactKey) -> String {
    match key {
        FactKey::Service(key) => format!("Service {key}"),
        FactKey::Workload(key) => format!("WorkloadEntry {key}"),
        FactKey::Export(key) => format!("ServiceExport {key}"),
        FactKey::Entry(id) => format!("RegistrationEntry {id}"),
        other => format!("{other:?}"),
    }
}

const MAX_NAMED: usize = 100;
