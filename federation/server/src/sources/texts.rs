//! Named texts to one testimony, each text all or nothing.
//!
//! A text that is broken keeps what it said when it was last whole, and is
//! reported; one that never was whole says only its policies, which never
//! permit more than they say. A text that is gone says nothing.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use pelago_federation_core::view::{Fact, FactKey, declared};
use pelago_model::Version;
use pelago_resources::{Context, Declaration, Finding, Severity};

use super::testimony::Testimony;

/// The texts of one source.
#[derive(Debug)]
pub(crate) struct Texts {
    context: Context,
    texts: BTreeMap<String, Text>,
    refused: Vec<Finding>,
    readable: bool,
}

#[derive(Debug)]
struct Text {
    version: Version,
    /// What it said when it was last whole.
    whole: Option<Vec<Declaration>>,
    /// What its policies say while it never was.
    policies: Vec<Declaration>,
    findings: Vec<Finding>,
}

impl Texts {
    pub(crate) const fn new(context: Context) -> Self {
        Self {
            context,
            texts: BTreeMap::new(),
            refused: Vec::new(),
            readable: false,
        }
    }

    /// Takes in all texts, by name, and what could not be read as text. A name
    /// that is refused keeps what it said before.
    pub(crate) fn update(
        &mut self,
        texts: BTreeMap<String, String>,
        refused: Vec<Finding>,
    ) -> Testimony {
        self.texts.retain(|name, _| {
            texts.contains_key(name) || refused.iter().any(|finding| finding.source == *name)
        });
        for (name, text) in texts {
            self.read(name, &text);
        }
        self.refused = refused;
        self.readable = true;
        self.testimony(None)
    }

    /// Keeps everything and adds why.
    pub(crate) fn unreadable(&mut self, why: Finding) -> Testimony {
        self.testimony(Some(why))
    }

    fn read(&mut self, name: String, text: &str) {
        let version = Version::of_bytes(text.as_bytes());
        let mut old = self.texts.remove(&name);
        if let Some(same) = old.take_if(|old| old.version == version) {
            self.texts.insert(name, same);
            return;
        }
        let parsed = pelago_resources::read(&name, text, &self.context);
        let before = old.and_then(|old| old.whole);
        let text = if parsed.broken {
            let policies = parsed.declarations.into_iter();
            let policies = policies.filter(|found| matches!(found, Declaration::Policy(_)));
            Text {
                version,
                whole: before,
                policies: policies.collect(),
                findings: parsed.findings,
            }
        } else {
            Text {
                version,
                whole: Some(parsed.declarations),
                policies: Vec::new(),
                findings: parsed.findings,
            }
        };
        self.texts.insert(name, text);
    }

    fn testimony(&self, why: Option<Finding>) -> Testimony {
        let mut facts: BTreeMap<FactKey, Fact> = BTreeMap::new();
        let mut findings: Vec<Finding> = why.into_iter().collect();
        findings.extend(self.refused.iter().cloned());
        for (name, text) in &self.texts {
            findings.extend(text.findings.iter().cloned());
            for declaration in text.whole.as_ref().unwrap_or(&text.policies) {
                let object = declaration.object().to_string();
                let (key, fact) = declared(declaration.clone());
                match facts.entry(key) {
                    Entry::Vacant(place) => drop(place.insert(fact)),
                    Entry::Occupied(_) => {
                        let message = "stands in another file of this source too; that one holds";
                        findings.push(Finding::new(Severity::Error, name, &object, "", message));
                    }
                }
            }
        }
        let whole = self.texts.values().all(|text| text.whole.is_some());
        let refused = self
            .refused
            .iter()
            .any(|finding| finding.severity == Severity::Error);
        Testimony {
            facts,
            findings,
            settled: self.readable && whole && !refused,
            spoken: true,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
