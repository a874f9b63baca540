//! Whether a policy speaks of a workload and whether its rules match a call
//! (Istio's AuthorizationPolicy at layer 4).
//!
//! Identities are compared as text, never turned into expressions. Where the
//! caller lacks what a rule asks about, an ALLOW does not match and a DENY does.

use pelago_model::authz::{Action, Operation, Pattern, Policy, Rule, Scope, Source};
use pelago_model::{Snapshot, Workload};

use crate::facts::{Caller, Home};
use crate::trace::{Step, Trace};

/// One call as policies see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) home: &'a Home,
    pub(crate) caller: Caller<'a>,
    /// The workload's own port.
    pub(crate) port: u16,
}

/// Asks every policy of that action that speaks of the workload, until one
/// matches.
pub(crate) fn ask<'a>(
    snapshot: &'a Snapshot,
    workload: &Workload,
    action: Action,
    call: Call<'_>,
    trace: &mut impl Trace,
) -> Answer<'a> {
    let mut answer = Answer::Silent;
    let speaking = snapshot
        .policies_for(&workload.namespace)
        .filter(|policy| policy.action == action && speaks_of(policy, workload));
    for policy in speaking {
        let matched = policy.rules.iter().any(|rule| call.fits(rule, action));
        trace.step(Step::Policy {
            key: &policy.key,
            action,
            matched,
        });
        if matched {
            return Answer::Matched(policy);
        }
        answer = Answer::Unmatched;
    }
    answer
}

/// What the policies of one action say.
pub(crate) enum Answer<'a> {
    /// None speaks of the workload.
    Silent,
    /// Some speak, none matches.
    Unmatched,
    /// This one matches.
    Matched(&'a Policy),
}

fn speaks_of(policy: &Policy, workload: &Workload) -> bool {
    let here = policy.key.namespace == workload.namespace;
    match &policy.scope {
        Scope::Mesh => true,
        Scope::Namespace => here,
        Scope::Workloads(labels) => {
            here && labels
                .iter()
                .all(|(name, value)| workload.labels.get(name) == Some(value))
        }
    }
}

impl Call<'_> {
    fn fits(&self, rule: &Rule, action: Action) -> bool {
        let from =
            rule.from.is_empty() || rule.from.iter().any(|source| self.is_from(source, action));
        from && (rule.to.is_empty() || rule.to.iter().any(|operation| self.is_to(operation)))
    }

    fn is_from(&self, source: &Source, action: Action) -> bool {
        any(&source.principals, |pattern| self.is_principal(pattern))
            && !source
                .not_principals
                .iter()
                .any(|pattern| self.is_principal(pattern))
            && any(&source.namespaces, |pattern| {
                self.in_namespace(pattern) == Some(true)
            })
            && source.not_namespaces.iter().all(|pattern| {
                // Another domain's namespaces are not ours: an ALLOW by
                // exclusion must not take them in, a DENY of "all but" must.
                self.in_namespace(pattern)
                    .map_or(action == Action::Deny, |inside| !inside)
            })
            && any(&source.clusters, |cluster| {
                self.caller.issuer_cluster == Some(cluster)
            })
    }

    fn is_to(&self, operation: &Operation) -> bool {
        any(&operation.ports, |port| *port == self.port)
            && !operation.not_ports.contains(&self.port)
    }

    /// `cluster.local` in a principal is Istio's word for our own trust domain,
    /// and never names another domain that happens to be called so.
    fn is_principal(&self, pattern: &Pattern) -> bool {
        let principal = self.caller.id.principal();
        let rest = match pattern {
            Pattern::Exact(text) | Pattern::Prefix(text) => text.strip_prefix(OWN_DOMAIN),
            Pattern::Suffix(_) | Pattern::Present => None,
        };
        let Some(rest) = rest else {
            return pattern.matches(principal);
        };
        let ours = *self.caller.id.trust_domain() == self.home.trust_domain;
        let path = self.caller.id.path().strip_prefix('/').unwrap_or_default();
        ours && match pattern {
            Pattern::Exact(_) => path == rest,
            _ => path.starts_with(rest),
        }
    }

    /// Whether the caller's namespace fits; `None` when it has none that we
    /// may read (another trust domain, or a path of another form).
    fn in_namespace(&self, pattern: &Pattern) -> Option<bool> {
        let id = self.caller.id;
        let (namespace, _) = id
            .service_account()
            .filter(|_| *id.trust_domain() == self.home.trust_domain)?;
        Some(pattern.matches(namespace))
    }
}

/// An empty field asks nothing.
fn any<T>(values: &[T], fits: impl Fn(&T) -> bool) -> bool {
    values.is_empty() || values.iter().any(fits)
}

const OWN_DOMAIN: &str = "cluster.local/";

#[cfg(test)]
mod tests;
