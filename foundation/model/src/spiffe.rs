//! SPIFFE IDs and trust domains, strictly as the SPIFFE-ID standard writes
//! them (sections 2.1 to 2.4).
//!
//! An ID is opaque. Namespace and service account are an optional reading of
//! `/ns/<ns>/sa/<sa>`; `/pelago/` is reserved for our own parts. This room
//! never normalises: what is not canonical is refused.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::{ClusterId, IdError, Internable, Interner, Name, text_id};

/// The longest SPIFFE ID in bytes (SPIFFE-ID section 2.3).
pub const MAX_ID: usize = 2048;
/// The longest trust domain in bytes (SPIFFE-ID section 2.3).
pub const MAX_TRUST_DOMAIN: usize = 255;

const SCHEME: &str = "spiffe://";
const ALLOWED: &str = "spiffe://<trust domain>/<path>: the domain of a-z, 0-9, '.', '-' and '_' (at most 255), \
     segments of A-Z, a-z, 0-9, '.', '-' and '_', none empty, '.' or '..', no trailing '/', at most 2048 bytes";

text_id!(
    /// A trust domain: one set of roots.
    TrustDomain, "trust domain", "1 to 255 of a-z, 0-9, '.', '-' and '_'", is_trust_domain
);

impl TrustDomain {
    /// The domain's own ID, `spiffe://<td>`, as its signing authority has it.
    #[must_use]
    pub fn id(&self) -> SpiffeId {
        SpiffeId {
            text: format!("{SCHEME}{self}").into(),
            domain: self.clone(),
        }
    }

    /// The workload identity `spiffe://<td>/ns/<ns>/sa/<sa>`.
    ///
    /// # Errors
    /// [`IdError`] when a part does not fit a SPIFFE ID path segment.
    pub fn workload(&self, namespace: &str, service_account: &str) -> Result<SpiffeId, IdError> {
        SpiffeId::parse(&format!(
            "{SCHEME}{self}/ns/{namespace}/sa/{service_account}"
        ))
    }

    /// The identity of a cluster's controller, shared by its replicas.
    #[must_use]
    pub fn controller(&self, cluster: &ClusterId) -> SpiffeId {
        SpiffeId {
            text: format!("{SCHEME}{self}/pelago/controller/{cluster}").into(),
            domain: self.clone(),
        }
    }

    /// The identity of one of our own parts other than the controller.
    #[must_use]
    pub fn part(&self, kind: PartKind, cluster: &ClusterId, name: &Name) -> SpiffeId {
        SpiffeId {
            text: format!("{SCHEME}{self}/pelago/{}/{cluster}/{name}", kind.as_str()).into(),
            domain: self.clone(),
        }
    }
}

/// The kinds of our own parts that carry a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PartKind {
    /// A node: the agent and proxy beside workloads.
    Node,
    /// A gateway between networks.
    Gateway,
}

impl PartKind {
    /// The word in the SPIFFE ID and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Gateway => "gateway",
        }
    }

    /// The kind that [`Self::as_str`] writes so.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Node, Self::Gateway]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}

/// One of Pelago's own parts, as read from a reserved ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// `…/pelago/controller/<cluster>`
    Controller {
        /// The cluster it controls.
        cluster: &'a str,
    },
    /// `…/pelago/<kind>/<cluster>/<name>`
    Named {
        /// What it is.
        kind: PartKind,
        /// The cluster it belongs to.
        cluster: &'a str,
        /// Its name there.
        name: &'a str,
    },
}

impl<'a> Part<'a> {
    /// The cluster the part belongs to.
    #[must_use]
    pub const fn cluster(&self) -> &'a str {
        match self {
            Self::Controller { cluster } | Self::Named { cluster, .. } => cluster,
        }
    }
}

/// A SPIFFE ID, canonical by construction.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpiffeId {
    text: Arc<str>,
    domain: TrustDomain,
}

impl SpiffeId {
    /// Parses a canonical SPIFFE ID; nothing is repaired.
    ///
    /// # Errors
    /// [`IdError`] when any rule of SPIFFE-ID section 2 is broken.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let bad = || IdError::new("SPIFFE ID", text, ALLOWED);
        if text.len() > MAX_ID {
            return Err(bad());
        }
        let rest = text.strip_prefix(SCHEME).ok_or_else(bad)?;
        let (domain, path) = match rest.split_once('/') {
            Some((domain, path)) => (domain, Some(path)),
            None => (rest, None),
        };
        if path.is_some_and(|path| !path.split('/').all(is_segment)) {
            return Err(bad());
        }
        let domain = TrustDomain::parse(domain).map_err(|_| bad())?;
        Ok(Self {
            text: text.into(),
            domain,
        })
    }

    /// The whole ID.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The trust domain that must vouch for it.
    #[must_use]
    pub const fn trust_domain(&self) -> &TrustDomain {
        &self.domain
    }

    /// The path with its leading `/`; empty for the domain's own ID.
    #[must_use]
    pub fn path(&self) -> &str {
        self.text
            .get(SCHEME.len() + self.domain.as_str().len()..)
            .unwrap_or_default()
    }

    /// The ID without `spiffe://`, as Istio policies write principals.
    #[must_use]
    pub fn principal(&self) -> &str {
        self.text.get(SCHEME.len()..).unwrap_or_default()
    }

    /// Namespace and service account, where the path reads `/ns/<ns>/sa/<sa>`.
    #[must_use]
    pub fn service_account(&self) -> Option<(&str, &str)> {
        let mut parts = self.path().split('/').skip(1);
        match (
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
        ) {
            (Some("ns"), Some(namespace), Some("sa"), Some(account), None) => {
                Some((namespace, account))
            }
            _ => None,
        }
    }

    /// Whether the path is reserved for Pelago's own parts.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        self.path() == "/pelago" || self.path().starts_with("/pelago/")
    }

    /// The part of Pelago this ID names, if it names one.
    #[must_use]
    pub fn part(&self) -> Option<Part<'_>> {
        let mut parts = self.path().split('/').skip(1);
        if parts.next() != Some("pelago") {
            return None;
        }
        let found = match (parts.next()?, parts.next()?, parts.next()) {
            ("controller", cluster, None) => Part::Controller { cluster },
            (kind, cluster, Some(name)) => Part::Named {
                kind: PartKind::parse(kind)?,
                cluster,
                name,
            },
            _ => return None,
        };
        parts.next().is_none().then_some(found)
    }

    /// Whether `prefix` covers this ID by whole path segments: itself or a
    /// `/`-bounded beginning. `spiffe://td` covers all of `td`.
    #[must_use]
    pub fn is_within(&self, prefix: &str) -> bool {
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        self.text
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl Internable for SpiffeId {
    fn share(&mut self, interner: &mut Interner) {
        interner.share(&mut self.text);
        self.domain.share(interner);
    }
}

impl TryFrom<String> for SpiffeId {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        Self::parse(&text)
    }
}

impl std::str::FromStr for SpiffeId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::parse(text)
    }
}

impl From<SpiffeId> for String {
    fn from(id: SpiffeId) -> Self {
        id.text.as_ref().to_owned()
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

fn is_trust_domain(text: &str) -> bool {
    (1..=MAX_TRUST_DOMAIN).contains(&text.len())
        && text.bytes().all(|b| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_')
        })
}

fn is_segment(text: &str) -> bool {
    !matches!(text, "" | "." | "..")
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
}

#[cfg(test)]
mod tests;
