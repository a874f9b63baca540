//! Policies that are declared more than once.
//!
//! Whoever may write one file must not widen what another file restricts: all
//! that any of the declarations denies holds, and of what they permit only what
//! each of them permits. The first stands under its own key, the others under
//! keys made of their content, which no document can take.

use std::collections::BTreeMap;
use std::sync::Arc;

use pelago_model::authz::{Action, Policy, Rule};
use pelago_model::{Name, PolicyKey, Version};
use pelago_resources::{DUPLICATE, Finding, PolicyDecl, Severity};

use crate::view::{Fact, FactKey};

/// A policy, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stated {
    /// The file, or another source's name.
    pub source: String,
    /// What it says.
    pub policy: Arc<PolicyDecl>,
}

/// What holds of all that is stated (in the order of who is believed first), and
/// a finding for each repetition.
#[must_use]
pub fn policies<'a>(
    stated: impl IntoIterator<Item = &'a Stated>,
) -> (BTreeMap<FactKey, Fact>, Vec<Finding>) {
    let mut groups: BTreeMap<&PolicyKey, Vec<&Stated>> = BTreeMap::new();
    for one in stated {
        groups.entry(&one.policy.policy.key).or_default().push(one);
    }
    let mut facts = BTreeMap::new();
    let mut findings = Vec::new();
    for (key, group) in groups {
        let (first, rest) = match group.as_slice() {
            [] => continue,
            [one] => {
                let fact = Fact::Policy(Arc::clone(&one.policy));
                facts.insert(FactKey::Policy(key.clone()), fact);
                continue;
            }
            [first, rest @ ..] => (*first, rest),
        };
        let common = common(&group);
        put(&mut facts, key.clone(), &first.policy, &common);
        for again in rest {
            findings.push(finding(key, first, again));
            if again.policy != first.policy
                && let Some(key) = duplicate(key, &again.policy.policy)
            {
                put(&mut facts, key, &again.policy, &common);
            }
        }
    }
    (facts, findings)
}

/// What every declaration permits: a DENY permits nothing. Too many rules to be
/// compared have nothing in common.
fn common(group: &[&Stated]) -> Vec<Rule> {
    let policies = || group.iter().map(|one| &one.policy.policy);
    if policies().map(|policy| policy.rules.len()).sum::<usize>() > MAX_COMPARED {
        return Vec::new();
    }
    let permitted = |rule: &&Rule| {
        policies().all(|policy| policy.action == Action::Allow && policy.rules.contains(rule))
    };
    let first = policies().take(1).flat_map(|policy| &policy.rules);
    first.filter(permitted).cloned().collect()
}

/// An ALLOW that loses rules is not what was meant: a last good version of it
/// goes on to hold.
fn put(facts: &mut BTreeMap<FactKey, Fact>, key: PolicyKey, decl: &PolicyDecl, common: &[Rule]) {
    let mut decl = decl.clone();
    decl.policy.key = key.clone();
    if decl.policy.action == Action::Allow {
        let rules = decl.policy.rules.len();
        decl.policy.rules.retain(|rule| common.contains(rule));
        decl.complete &= decl.policy.rules.len() == rules;
    }
    facts.insert(FactKey::Policy(key), Fact::Policy(Arc::new(decl)));
}

/// The same for the same content, whatever stands around it.
fn duplicate(key: &PolicyKey, policy: &Policy) -> Option<PolicyKey> {
    let name = format!("{DUPLICATE}{}", Version::of(&(key, policy)));
    Some(PolicyKey {
        namespace: key.namespace.clone(),
        name: Name::parse(&name).ok()?,
    })
}

fn finding(key: &PolicyKey, first: &Stated, again: &Stated) -> Finding {
    let object = format!("AuthorizationPolicy {key}");
    let (severity, what) = if again.policy == first.policy {
        (Severity::Warning, "with the same words: remove one")
    } else {
        let what = "with other words: all that either denies is denied, and only what both permit is permitted; rename or remove one";
        (Severity::Error, what)
    };
    let message = format!("stands in {} too, {what}", first.source);
    Finding::new(severity, &again.source, &object, "metadata.name", &message)
}

const MAX_COMPARED: usize = 2_000;

#[cfg(test)]
mod tests;
