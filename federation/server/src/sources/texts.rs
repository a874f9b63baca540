//! Named texts to one testimony, each text all or nothing.
//!
//! A text that is broken keeps what it said when it was last whole, be it before
//! a restart, and is reported; one that never was whole says only its policies,
//! which never permit more than they say. A text that is gone says nothing.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pelago_federation_core::repeat::Stated;
use pelago_federation_core::view::{Fact, FactKey, declared};
use pelago_model::Version;
use pelago_resources::{Context, Declaration, Finding, Severity};

use super::testimony::Testimony;

/// The texts of one source.
#[derive(Debug)]
pub(crate) struct Texts {
    context: Context,
    texts: BTreeMap<String, Text>,
    refused: BTreeMap<String, Finding>,
    readable: bool,
}

#[derive(Debug)]
struct Text {
    version: Version,
    /// What it said when it was last whole.
    whole: Option<Vec<Declaration>>,
    /// The text of that, to be read again after a restart.
    good: Option<Arc<str>>,
    /// What its policies say while it never was.
    policies: Vec<Declaration>,
    findings: Vec<Finding>,
}

impl Texts {
    /// Texts as they were when they were last whole, before a restart.
    pub(crate) fn new(context: Context, before: BTreeMap<String, Arc<str>>) -> Self {
        let mut texts = Self {
            context,
            texts: BTreeMap::new(),
            refused: BTreeMap::new(),
            readable: false,
        };
        for (name, text) in before {
            let mut read = texts.parse(&name, &text);
            // Whole to the one who stored it, whatever this version says.
            read.good = Some(text);
            texts.texts.insert(name, read);
        }
        texts
    }

    /// Takes in all texts, by name, and why others could not be read as text. A
    /// name that is refused keeps what it said before.
    pub(crate) fn update(
        &mut self,
        texts: BTreeMap<String, String>,
        refused: BTreeMap<String, Finding>,
    ) -> Testimony {
        self.texts
            .retain(|name, _| texts.contains_key(name) || refused.contains_key(name));
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

    /// What is known without having read anything.
    pub(crate) fn unread(&self) -> Testimony {
        Testimony {
            texts: self.good(),
            ..Testimony::default()
        }
    }

    fn read(&mut self, name: String, text: &str) {
        let version = Version::of_bytes(text.as_bytes());
        let mut old = self.texts.remove(&name);
        if let Some(same) = old.take_if(|old| old.version == version) {
            self.texts.insert(name, same);
            return;
        }
        let mut read = self.parse(&name, text);
        if read.whole.is_none()
            && let Some(old) = old
        {
            (read.whole, read.good) = (old.whole, old.good);
        }
        self.texts.insert(name, read);
    }

    fn parse(&self, name: &str, text: &str) -> Text {
        let parsed = pelago_resources::read(name, text, &self.context);
        let mut read = Text {
            version: Version::of_bytes(text.as_bytes()),
            whole: None,
            good: None,
            policies: Vec::new(),
            findings: parsed.findings,
        };
        if parsed.broken {
            let policies = parsed.declarations.into_iter();
            let policies = policies.filter(|found| matches!(found, Declaration::Policy(_)));
            read.policies = policies.collect();
        } else {
            read.whole = Some(parsed.declarations);
            read.good = Some(text.into());
        }
        read.findings.truncate(MAX_FINDINGS_OF_ONE);
        read
    }

    fn good(&self) -> BTreeMap<String, Arc<str>> {
        let texts = self.texts.iter();
        texts
            .filter_map(|(name, text)| Some((name.clone(), Arc::clone(text.good.as_ref()?))))
            .collect()
    }

    fn testimony(&self, why: Option<Finding>) -> Testimony {
        let readable = why.is_none();
        let mut facts: BTreeMap<FactKey, Fact> = BTreeMap::new();
        let mut policies = Vec::new();
        let mut findings: Vec<Finding> = why.into_iter().collect();
        findings.extend(self.refused.values().cloned());
        for (name, text) in &self.texts {
            findings.extend(text.findings.iter().cloned());
            for declaration in text.whole.as_ref().unwrap_or(&text.policies) {
                let object = declaration.object().to_string();
                match declared(declaration.clone()) {
                    (FactKey::Policy(_), Fact::Policy(policy)) => policies.push(Stated {
                        source: name.clone(),
                        policy,
                    }),
                    (key, fact) => match facts.entry(key) {
                        Entry::Vacant(place) => drop(place.insert(fact)),
                        Entry::Occupied(_) => {
                            let message =
                                "stands in another file of this source too; that one holds";
                            findings.push(Finding::new(
                                Severity::Error,
                                name,
                                &object,
                                "",
                                message,
                            ));
                        }
                    },
                }
            }
        }
        let whole = self.texts.values().all(|text| text.whole.is_some());
        let refused = self
            .refused
            .values()
            .any(|finding| finding.severity == Severity::Error);
        Testimony {
            facts,
            policies,
            findings: bounded(findings),
            texts: self.good(),
            readable: readable && self.readable,
            settled: self.readable && whole && !refused,
            spoken: true,
        }
    }
}

/// The worst findings, each once, and how many were left out.
fn bounded(findings: Vec<Finding>) -> Vec<Finding> {
    let worst: BTreeSet<Finding> = findings.into_iter().collect();
    let left = worst.len().saturating_sub(MAX_FINDINGS);
    let mut worst: Vec<Finding> = worst.into_iter().take(MAX_FINDINGS).collect();
    if left > 0 {
        let message = format!("{left} more findings are not shown: make these good first");
        worst.push(Finding::new(Severity::Warning, "source", "", "", &message));
    }
    worst
}

/// One text must not hide the findings of others.
const MAX_FINDINGS_OF_ONE: usize = 100;
const MAX_FINDINGS: usize = 1_000;

#[cfg(test)]
pub(crate) mod tests;
