//! Registration entries: which process on which node gets which identity.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{IdError, Name};
use crate::spiffe::SpiffeId;

/// One registration entry. The store keeps it under `entry/<id>`; the CA
/// issues for it to its node alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistrationEntry {
    /// The entry's name, unique in the cluster (`<namespace>.<name>` for
    /// entries from resources).
    pub id: Name,
    /// The identity it grants; never below `/pelago/`.
    pub spiffe_id: SpiffeId,
    /// The node that may ask for it.
    pub node: Name,
    /// What a process must show; all of them. Never empty.
    pub selectors: Vec<Selector>,
    /// Lifetime of its SVIDs in seconds; the CA's default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<u64>,
    /// Tells several identities of one workload apart (at most 1024 bytes).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hint: String,
}

/// What the kernel says of a process.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Selector {
    /// `unix:uid:<number>`
    Uid(u32),
    /// `unix:gid:<number>`: the primary or a supplementary group.
    Gid(u32),
    /// `unix:path:<absolute path>` of the executable.
    Path(String),
}

impl Selector {
    /// Parses `unix:uid:1000`, `unix:gid:100` or `unix:path:/usr/bin/web`.
    ///
    /// # Errors
    /// [`IdError`] for any other selector.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let bad = || {
            IdError::new(
                "selector",
                text,
                "unix:uid:<number>, unix:gid:<number> or unix:path:<absolute path>",
            )
        };
        let (kind, value) = text
            .strip_prefix("unix:")
            .and_then(|rest| rest.split_once(':'))
            .ok_or_else(bad)?;
        match kind {
            "uid" => value.parse().map(Self::Uid).map_err(|_| bad()),
            "gid" => value.parse().map(Self::Gid).map_err(|_| bad()),
            "path" if value.starts_with('/') && !value.contains('\0') => {
                Ok(Self::Path(value.to_owned()))
            }
            _ => Err(bad()),
        }
    }
}

/// What is known of a process. Absent facts match no selector.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Its user.
    pub uid: Option<u32>,
    /// Its groups, primary and supplementary.
    pub gids: Vec<u32>,
    /// Its executable.
    pub path: Option<String>,
}

impl Facts {
    /// Whether these facts satisfy every selector of the entry.
    #[must_use]
    pub fn satisfy(&self, entry: &RegistrationEntry) -> bool {
        !entry.selectors.is_empty()
            && entry.selectors.iter().all(|selector| match selector {
                Selector::Uid(uid) => self.uid == Some(*uid),
                Selector::Gid(gid) => self.gids.contains(gid),
                Selector::Path(path) => self.path.as_ref() == Some(path),
            })
    }
}

impl TryFrom<String> for Selector {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        Self::parse(&text)
    }
}

impl From<Selector> for String {
    fn from(selector: Selector) -> Self {
        selector.to_string()
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uid(uid) => write!(f, "unix:uid:{uid}"),
            Self::Gid(gid) => write!(f, "unix:gid:{gid}"),
            Self::Path(path) => write!(f, "unix:path:{path}"),
        }
    }
}

impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

#[cfg(test)]
mod tests;
