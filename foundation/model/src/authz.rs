//! Authorization rules as data (Istio's `AuthorizationPolicy`, the part that
//! layer 4 can honour).
//!
//! What a source could not honour never arrives here as a wider permission:
//! the rules of trust (an ALLOW loses the rule, a DENY loses only the
//! condition) are applied where the resource is read.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{ClusterId, IdError, Internable, Interner, Name, Namespace};

/// A policy's key, written `<namespace>/<name>`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PolicyKey {
    /// Its namespace.
    pub namespace: Namespace,
    /// Its name.
    pub name: Name,
}

impl PolicyKey {
    /// Parses `<namespace>/<name>`.
    ///
    /// # Errors
    /// [`IdError`] when a part is missing or malformed.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let (namespace, name) = text
            .split_once('/')
            .ok_or_else(|| IdError::new("policy", text, "<namespace>/<name>"))?;
        Ok(Self {
            namespace: Namespace::parse(namespace)?,
            name: Name::parse(name)?,
        })
    }
}

/// One policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Namespace and name.
    pub key: PolicyKey,
    /// The workloads it speaks of.
    pub scope: Scope,
    /// What a match means.
    pub action: Action,
    /// The policy matches when any rule does. No rules never match: an ALLOW
    /// without rules denies everything.
    pub rules: Vec<Rule>,
}

/// The workloads a policy speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Every workload of the cluster (a policy in the root namespace).
    Mesh,
    /// Every workload of the policy's namespace.
    Namespace,
    /// Workloads of the namespace that carry all these labels.
    Workloads(BTreeMap<String, String>),
}

/// What a match means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Action {
    /// Admit; once any ALLOW speaks of a workload, what none matches is denied.
    Allow,
    /// Refuse; asked before every ALLOW.
    Deny,
}

/// A rule matches when one source (or none is listed) and one operation (or
/// none is listed) match.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rule {
    /// Who calls; empty is anyone.
    pub from: Vec<Source>,
    /// What is called; empty is anything.
    pub to: Vec<Operation>,
}

/// A source matches when every field that is not empty matches; inside a
/// field any value does, and no `not_` value may.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Source {
    /// SPIFFE IDs without `spiffe://`.
    pub principals: Vec<Pattern>,
    /// None of these.
    pub not_principals: Vec<Pattern>,
    /// Namespaces, of our own trust domain only.
    pub namespaces: Vec<Pattern>,
    /// None of these, of our own trust domain.
    pub not_namespaces: Vec<Pattern>,
    /// Issuing clusters, as verified.
    pub clusters: Vec<ClusterId>,
}

/// An operation at layer 4: the workload's own port.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Operation {
    /// Any of these ports.
    pub ports: Vec<u16>,
    /// None of these ports.
    pub not_ports: Vec<u16>,
}

/// Istio's text patterns: `x`, `x*`, `*x` and `*` (present).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pattern {
    /// The text itself.
    Exact(String),
    /// Begins so.
    Prefix(String),
    /// Ends so.
    Suffix(String),
    /// Anything that is there.
    Present,
}

impl Pattern {
    /// Reads Istio's form; a `*` inside is an ordinary character.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if text == "*" {
            return Self::Present;
        }
        if let Some(suffix) = text.strip_prefix('*') {
            return Self::Suffix(suffix.to_owned());
        }
        text.strip_suffix('*').map_or_else(
            || Self::Exact(text.to_owned()),
            |prefix| Self::Prefix(prefix.to_owned()),
        )
    }

    /// Whether `text` fits. Nothing fits an absent text.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        match self {
            Self::Exact(exact) => text == exact,
            Self::Prefix(prefix) => text.starts_with(prefix.as_str()),
            Self::Suffix(suffix) => text.ends_with(suffix.as_str()),
            Self::Present => !text.is_empty(),
        }
    }
}

impl Internable for PolicyKey {
    fn share(&mut self, interner: &mut Interner) {
        self.namespace.share(interner);
        self.name.share(interner);
    }
}

impl TryFrom<String> for PolicyKey {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        Self::parse(&text)
    }
}

impl From<PolicyKey> for String {
    fn from(key: PolicyKey) -> Self {
        key.to_string()
    }
}

impl fmt::Display for PolicyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl fmt::Debug for PolicyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
