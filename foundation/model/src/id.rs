//! Names with a grammar: clusters, networks, namespaces, resource names.
//!
//! Every identifier is an `Arc<str>` behind a newtype whose only constructor
//! parses; an [`Interner`] makes equal ids share one allocation. This room
//! never accepts what it would have to repair: no lower-casing, no trimming.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Why a text is not the identifier it was meant to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {value:?} is not valid: {allowed}")]
pub struct IdError {
    /// The identifier that was expected, such as `cluster id`.
    pub what: &'static str,
    /// The text as given, cut to 256 characters.
    pub value: String,
    /// What would have been accepted.
    pub allowed: &'static str,
}

impl IdError {
    /// An error for `what`, quoting at most 256 characters of `value`.
    #[must_use]
    pub fn new(what: &'static str, value: &str, allowed: &'static str) -> Self {
        Self {
            what,
            value: value.chars().take(256).collect(),
            allowed,
        }
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $allowed:literal, $valid:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(::std::sync::Arc<str>);

        impl $name {
            /// Parses the text; nothing is repaired.
            ///
            /// # Errors
            /// [`IdError`] names the value and what is allowed.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                if $valid(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(IdError::new($what, text, $allowed))
                }
            }

            /// The text of the identifier.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Internable for $name {
            fn share(&mut self, interner: &mut Interner) {
                interner.share(&mut self.0);
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::parse(&text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().to_owned()
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}
pub(crate) use text_id;

text_id!(
    /// A cluster: one administrative unit with its own controller. A DNS label
    /// (RFC 1123), fixed at first start.
    ClusterId, "cluster id", "a DNS label: 1 to 63 of a-z, 0-9 and '-', not at either end", is_dns_label
);
text_id!(
    /// A Kubernetes-style namespace: a DNS label (RFC 1123).
    Namespace, "namespace", "a DNS label: 1 to 63 of a-z, 0-9 and '-', not at either end", is_dns_label
);
text_id!(
    /// The name of a resource inside its namespace: a DNS subdomain (RFC 1123).
    Name, "name", "a DNS subdomain: labels of a-z, 0-9 and '-' joined by '.', at most 253", is_dns_subdomain
);

/// A network: addresses that reach each other directly. Written
/// `<cluster>/<name>`; a network shared by grant has no cluster and is written
/// by its bare name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NetworkId {
    cluster: Option<ClusterId>,
    name: Name,
}

impl NetworkId {
    /// The network `name` of `cluster`.
    #[must_use]
    pub const fn of(cluster: ClusterId, name: Name) -> Self {
        Self {
            cluster: Some(cluster),
            name,
        }
    }

    /// A network both sides granted as shared.
    #[must_use]
    pub const fn shared(name: Name) -> Self {
        Self {
            cluster: None,
            name,
        }
    }

    /// Parses `<cluster>/<name>` or `<name>`.
    ///
    /// # Errors
    /// [`IdError`] when either part breaks its grammar.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        match text.split_once('/') {
            Some((cluster, name)) => Ok(Self::of(ClusterId::parse(cluster)?, Name::parse(name)?)),
            None => Ok(Self::shared(Name::parse(text)?)),
        }
    }

    /// The cluster that qualifies this network, if it is not shared.
    #[must_use]
    pub const fn cluster(&self) -> Option<&ClusterId> {
        self.cluster.as_ref()
    }

    /// The name inside its cluster.
    #[must_use]
    pub const fn name(&self) -> &Name {
        &self.name
    }
}

impl Internable for NetworkId {
    fn share(&mut self, interner: &mut Interner) {
        if let Some(cluster) = &mut self.cluster {
            cluster.share(interner);
        }
        self.name.share(interner);
    }
}

impl TryFrom<String> for NetworkId {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        Self::parse(&text)
    }
}

impl From<NetworkId> for String {
    fn from(id: NetworkId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for NetworkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cluster {
            Some(cluster) => write!(f, "{cluster}/{}", self.name),
            None => fmt::Display::fmt(&self.name, f),
        }
    }
}

impl fmt::Debug for NetworkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

/// What an [`Interner`] can make share its text.
pub trait Internable {
    /// Replaces the text by the interner's copy of it.
    fn share(&mut self, interner: &mut Interner);
}

/// Makes equal ids share one allocation. A value, not a global: each decoder
/// owns one and drops it with its stream.
#[derive(Debug, Default)]
pub struct Interner {
    texts: HashSet<Arc<str>>,
}

impl Interner {
    /// The same id, sharing its text with every equal one seen before.
    #[must_use]
    pub fn intern<T: Internable>(&mut self, mut id: T) -> T {
        id.share(self);
        id
    }

    /// Forgets texts that nothing else holds, so that a long-lived decoder
    /// does not keep the names of what is gone.
    pub fn sweep(&mut self) {
        self.texts.retain(|text| Arc::strong_count(text) > 1);
    }

    pub(crate) fn share(&mut self, text: &mut Arc<str>) {
        if let Some(known) = self.texts.get(text) {
            *text = Arc::clone(known);
        } else {
            self.texts.insert(Arc::clone(text));
        }
    }
}

/// RFC 1123 label: 1 to 63 of `[a-z0-9-]`, no `-` at either end.
pub(crate) fn is_dns_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// RFC 1123 subdomain: labels joined by `.`, at most 253 bytes.
pub(crate) fn is_dns_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_dns_label)
}

#[cfg(test)]
mod tests;
