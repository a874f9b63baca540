//! Istio `security.istio.io`: `AuthorizationPolicy`, the part that layer 4 can
//! honour.
//!
//! What cannot be honoured never permits more: an ALLOW loses the rule, a DENY
//! loses only the condition (and denies more), a CUSTOM denies what it speaks
//! of. A scope that cannot be honoured becomes the namespace; an ALLOW loses all
//! its rules with it. Each is reported and the declaration is not `complete`.

mod rule;

use std::collections::BTreeMap;

use pelago_model::authz::{Action, Policy, PolicyKey, Rule, Scope};

use crate::config::Context;
use crate::declaration::{Declaration, PolicyDecl};
use crate::metadata::Metadata;
use crate::node::{Node, Shape};
use crate::status::Report;

use rule::Reading;

/// Names that begin so are made for policies that are declared twice; a document
/// cannot have one.
pub const DUPLICATE: &str = "pelago-duplicate-";

pub(crate) fn read(
    document: &Node,
    meta: &Metadata,
    context: &Context,
    report: &mut Report<'_>,
) -> Option<Declaration> {
    let empty = Node {
        line: document.line,
        shape: Shape::Null,
    };
    let spec = document.field("spec").unwrap_or(&empty);
    if is_reserved(document, meta, report) {
        return None;
    }
    let key = PolicyKey {
        namespace: meta.key.namespace.clone(),
        name: meta.key.name.clone(),
    };
    let (effect, mut complete) = effect(spec, report);
    let action = match effect {
        Effect::Nothing => return None,
        Effect::Allow => Action::Allow,
        Effect::Deny => Action::Deny,
    };
    let mut reading = Reading {
        action,
        domain: &context.trust_domain,
        report,
        complete: true,
    };
    let mut rules = reading.rules(spec);
    complete &= reading.complete;
    let root = key.namespace == context.root_namespace;
    let scope = match scope(spec, root, report) {
        Some(scope) => scope,
        None => {
            complete = false;
            if action == Action::Allow {
                rules.clear();
            }
            if root { Scope::Mesh } else { Scope::Namespace }
        }
    };
    for entry in spec.fields() {
        if !SPEC.contains(&entry.key.as_str()) {
            // What an unknown field restricts is unknown too.
            let known = crate::nearest::nearest(&entry.key, SPEC.iter().copied());
            let hint = known.map_or_else(String::new, |name| format!("; did you mean {name:?}?"));
            complete = false;
            let message = format!("is not a field of this kind{hint}");
            let field: String = format!("spec.{}", entry.key).chars().take(64).collect();
            report.refused(entry.line, &field, message);
            if action == Action::Allow {
                rules.clear();
            }
        }
    }
    let policy = Policy {
        key,
        scope,
        action,
        rules,
    };
    Some(Declaration::Policy(PolicyDecl { policy, complete }))
}

fn is_reserved(document: &Node, meta: &Metadata, report: &mut Report<'_>) -> bool {
    let reserved = meta.key.name.as_str().starts_with(DUPLICATE);
    if reserved {
        let message = format!(
            "begins with {DUPLICATE:?}, which this version keeps for policies that are declared twice; allowed: another name"
        );
        report.broken(document.line, "metadata.name", message);
    }
    reserved
}

enum Effect {
    Allow,
    Deny,
    Nothing,
}

/// What the action does here, and whether that is all it means.
fn effect(spec: &Node, report: &mut Report<'_>) -> (Effect, bool) {
    let Some(node) = spec.field("action") else {
        return (Effect::Allow, true);
    };
    match node.text() {
        Some("ALLOW") => (Effect::Allow, true),
        Some("DENY") => (Effect::Deny, true),
        Some("CUSTOM") => {
            let message = "CUSTOM is not served by this version: what it speaks of is denied";
            report.refused(node.line, "spec.action", message.to_owned());
            (Effect::Deny, false)
        }
        Some("AUDIT") => {
            let message = "AUDIT is not served by this version and has no effect";
            report.ignored(node.line, "spec.action", message.to_owned());
            (Effect::Nothing, true)
        }
        _ => {
            let message = format!(
                "is {}; allowed: ALLOW, DENY (what it speaks of is denied until then)",
                node.describe()
            );
            report.broken(node.line, "spec.action", message);
            (Effect::Deny, false)
        }
    }
}

/// The scope, or `None` after reporting why it cannot be honoured.
fn scope(spec: &Node, root: bool, report: &mut Report<'_>) -> Option<Scope> {
    for name in ["targetRef", "targetRefs"] {
        if let Some(node) = spec.field(name) {
            let message = "is not honoured by this version; allowed: selector (the policy is held at the scope that denies more)";
            report.refused(node.line, &format!("spec.{name}"), message.to_owned());
            return None;
        }
    }
    let whole = if root { Scope::Mesh } else { Scope::Namespace };
    let Some(selector) = spec.field("selector") else {
        return Some(whole);
    };
    let labels = labels(selector, report)?;
    if labels.is_empty() {
        return Some(whole);
    }
    if root {
        let message = "a selector in the root namespace is not honoured by this version (the policy is held at the scope that denies more); put the policy into the workloads' namespace";
        report.refused(selector.line, "spec.selector", message.to_owned());
        return None;
    }
    Some(Scope::Workloads(labels))
}

fn labels(selector: &Node, report: &mut Report<'_>) -> Option<BTreeMap<String, String>> {
    for entry in selector.fields() {
        if entry.key != "matchLabels" {
            let field: String = format!("spec.selector.{}", entry.key)
                .chars()
                .take(64)
                .collect();
            let message = "is not honoured; allowed: matchLabels".to_owned();
            report.refused(entry.line, &field, message);
            return None;
        }
    }
    let Some(node) = selector.field("matchLabels") else {
        return Some(BTreeMap::new());
    };
    let pairs = match &node.shape {
        Shape::Map(entries) => entries.as_slice(),
        _ => {
            let message = format!("is {}; allowed: an object of texts", node.describe());
            report.broken(node.line, "spec.selector.matchLabels", message);
            return None;
        }
    };
    let mut labels = BTreeMap::new();
    for entry in pairs {
        let Some(value) = entry.value.text() else {
            let key: String = entry.key.chars().take(64).collect();
            let message = format!("is {}; allowed: text", entry.value.describe());
            report.broken(
                entry.line,
                &format!("spec.selector.matchLabels.{key}"),
                message,
            );
            return None;
        };
        labels.insert(entry.key.clone(), value.to_owned());
    }
    Some(labels)
}

impl Reading<'_, '_> {
    /// All rules. An absent list never matches, as in Istio.
    fn rules(&mut self, spec: &Node) -> Vec<Rule> {
        let Some(node) = spec.field("rules") else {
            return Vec::new();
        };
        match node.items() {
            Some(items) => items
                .iter()
                .enumerate()
                .filter_map(|(index, item)| self.rule(item, &format!("spec.rules[{index}]")))
                .collect(),
            None => {
                self.wrong(node, "spec.rules", "a list of rules");
                self.instead(Rule::default()).into_iter().collect()
            }
        }
    }
}

const SPEC: &[&str] = &[
    "action",
    "rules",
    "selector",
    "targetRef",
    "targetRefs",
    "provider",
];

#[cfg(test)]
mod tests;
