//! Policies <-> their messages.
//!
//! Anything unknown makes the whole policy malformed, never a wider one: an
//! absent scope, action or pattern is refused.

use pelago_model::authz::{Action, Operation, Pattern, Rule, Scope, Source};
use pelago_model::{ClusterId, Interner, Name, Namespace, Policy, PolicyKey};

use crate::field::Reader;
use crate::limits::{MAX_LIST, MAX_PATTERN};
use crate::malformed::Malformed;
use crate::protos::pelago::discovery::v1 as wire;

const READ: Reader = Reader("Policy");

pub(super) fn encode(policy: &Policy) -> wire::Policy {
    let scope = match &policy.scope {
        Scope::Mesh => wire::scope::Scope::Mesh(true),
        Scope::Namespace => wire::scope::Scope::Namespace(true),
        Scope::Workloads(labels) => wire::scope::Scope::Workloads(wire::Selector {
            labels: labels.clone(),
        }),
    };
    wire::Policy {
        namespace: policy.key.namespace.as_str().to_owned(),
        name: policy.key.name.as_str().to_owned(),
        scope: Some(wire::Scope { scope: Some(scope) }),
        action: match policy.action {
            Action::Allow => wire::Action::Allow,
            Action::Deny => wire::Action::Deny,
        }
        .into(),
        rules: policy.rules.iter().map(encode_rule).collect(),
    }
}

pub(super) fn decode(policy: wire::Policy, interner: &mut Interner) -> Result<Policy, Malformed> {
    let key = PolicyKey {
        namespace: READ.id("namespace", &policy.namespace, Namespace::parse)?,
        name: READ.id("name", &policy.name, Name::parse)?,
    };
    Ok(Policy {
        key: interner.intern(key),
        scope: decode_scope(policy.scope)?,
        action: match wire::Action::try_from(policy.action) {
            Ok(wire::Action::Allow) => Action::Allow,
            Ok(wire::Action::Deny) => Action::Deny,
            Ok(wire::Action::Unspecified) | Err(_) => {
                let allowed = "ACTION_ALLOW or ACTION_DENY";
                return Err(READ.bad("action", &policy.action.to_string(), allowed));
            }
        },
        rules: READ.list("rules", policy.rules, MAX_LIST, decode_rule)?,
    })
}

fn decode_scope(scope: Option<wire::Scope>) -> Result<Scope, Malformed> {
    match scope.and_then(|scope| scope.scope) {
        Some(wire::scope::Scope::Mesh(true)) => Ok(Scope::Mesh),
        Some(wire::scope::Scope::Namespace(true)) => Ok(Scope::Namespace),
        Some(wire::scope::Scope::Workloads(selector)) => READ
            .labels("scope.workloads", selector.labels)
            .map(Scope::Workloads),
        _ => Err(READ.bad("scope", "", "mesh: true, namespace: true or workloads")),
    }
}

fn encode_rule(rule: &Rule) -> wire::Rule {
    wire::Rule {
        from: rule.from.iter().map(encode_source).collect(),
        to: rule.to.iter().map(encode_operation).collect(),
    }
}

fn decode_rule(rule: wire::Rule) -> Result<Rule, Malformed> {
    Ok(Rule {
        from: READ.list("rules.from", rule.from, MAX_LIST, decode_source)?,
        to: READ.list("rules.to", rule.to, MAX_LIST, decode_operation)?,
    })
}

fn encode_source(source: &Source) -> wire::Source {
    let patterns = |list: &[Pattern]| list.iter().map(encode_pattern).collect();
    wire::Source {
        principals: patterns(&source.principals),
        not_principals: patterns(&source.not_principals),
        namespaces: patterns(&source.namespaces),
        not_namespaces: patterns(&source.not_namespaces),
        clusters: source
            .clusters
            .iter()
            .map(|cluster| cluster.as_str().to_owned())
            .collect(),
    }
}

fn decode_source(source: wire::Source) -> Result<Source, Malformed> {
    let patterns = |field, list| {
        READ.list(field, list, MAX_LIST, |pattern| {
            decode_pattern(field, pattern)
        })
    };
    let clusters = "rules.from.clusters";
    Ok(Source {
        principals: patterns("rules.from.principals", source.principals)?,
        not_principals: patterns("rules.from.not_principals", source.not_principals)?,
        namespaces: patterns("rules.from.namespaces", source.namespaces)?,
        not_namespaces: patterns("rules.from.not_namespaces", source.not_namespaces)?,
        clusters: READ.list(clusters, source.clusters, MAX_LIST, |text| {
            READ.id(clusters, &text, ClusterId::parse)
        })?,
    })
}

fn encode_operation(operation: &Operation) -> wire::Operation {
    let ports = |list: &[u16]| list.iter().copied().map(u32::from).collect();
    wire::Operation {
        ports: ports(&operation.ports),
        not_ports: ports(&operation.not_ports),
    }
}

fn decode_operation(operation: wire::Operation) -> Result<Operation, Malformed> {
    let ports = |field, list| {
        READ.list(field, list, MAX_LIST, |port: u32| {
            u16::try_from(port).map_err(|_| READ.bad(field, &port.to_string(), "0 to 65535"))
        })
    };
    Ok(Operation {
        ports: ports("rules.to.ports", operation.ports)?,
        not_ports: ports("rules.to.not_ports", operation.not_ports)?,
    })
}

fn encode_pattern(pattern: &Pattern) -> wire::Pattern {
    use wire::pattern::Pattern as P;
    wire::Pattern {
        pattern: Some(match pattern {
            Pattern::Exact(text) => P::Exact(text.clone()),
            Pattern::Prefix(text) => P::Prefix(text.clone()),
            Pattern::Suffix(text) => P::Suffix(text.clone()),
            Pattern::Present => P::Present(true),
        }),
    }
}

fn decode_pattern(field: &'static str, pattern: wire::Pattern) -> Result<Pattern, Malformed> {
    use wire::pattern::Pattern as P;
    let text = |text| READ.sized(field, text, MAX_PATTERN);
    match pattern.pattern {
        Some(P::Exact(exact)) => text(exact).map(Pattern::Exact),
        Some(P::Prefix(prefix)) => text(prefix).map(Pattern::Prefix),
        Some(P::Suffix(suffix)) => text(suffix).map(Pattern::Suffix),
        Some(P::Present(true)) => Ok(Pattern::Present),
        Some(P::Present(false)) | None => {
            Err(READ.bad(field, "", "exact, prefix, suffix or present: true"))
        }
    }
}
