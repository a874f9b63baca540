//! How a large answer in several responses is marked.
//!
//! Every response but the last carries this instead of a version, so that a
//! client does not take the first part for the whole. Other clients show it to
//! people and no more (`system_version_info` is for debugging).

/// The mark of a response that another of its type follows.
pub(crate) const MORE: &str = "more";

/// The wildcard in resource names.
pub(crate) const WILDCARD: &str = "*";
