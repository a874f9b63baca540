//! `metadata`: who an object is, its labels and annotations.

use std::collections::BTreeMap;

use pelago_model::{Name, Namespace};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::declaration::ObjectKey;
use crate::node::Node;
use crate::schema::{self, Unhonoured};
use crate::status::Report;

/// What is read of `metadata`.
#[derive(Debug)]
pub(crate) struct Metadata {
    pub(crate) key: ObjectKey,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
    /// For findings about annotations.
    pub(crate) line: u64,
}

/// Reads and checks it; `None` after reporting why not. An absent namespace is
/// `default`.
pub(crate) fn read(document: &Node, report: &mut Report<'_>) -> Option<Metadata> {
    let Some(node) = document.field("metadata") else {
        let message = "is missing; allowed: an object with a name".to_owned();
        report.broken(document.line, "metadata", message);
        return None;
    };
    let raw: RawMetadata = schema::typed(node, "metadata", UNHONOURED, report)?;
    let namespace = raw.namespace.as_deref().unwrap_or("default");
    let namespace = Namespace::parse(namespace)
        .map_err(|error| report.broken(node.line, "metadata.namespace", error.to_string()));
    let name = Name::parse(&raw.name)
        .map_err(|error| report.broken(node.line, "metadata.name", error.to_string()));
    for key in raw.annotations.keys() {
        if key.starts_with("pelago.dev/") && !ANNOTATIONS.contains(&key.as_str()) {
            let known = crate::nearest::nearest(key, ANNOTATIONS.iter().copied());
            let hint = known.map_or_else(String::new, |name| format!("; did you mean {name:?}?"));
            let message = format!("is not an annotation this version knows{hint}");
            report.ignored(node.line, &format!("metadata.annotations.{key}"), message);
        }
    }
    Some(Metadata {
        key: ObjectKey {
            namespace: namespace.ok()?,
            name: name.ok()?,
        },
        labels: raw.labels,
        annotations: raw
            .annotations
            .into_iter()
            .map(|(key, value)| (key, value.into_text()))
            .collect(),
        line: node.line,
    })
}

impl Metadata {
    /// The annotation as one of a few words, or its default; another word is
    /// reported.
    pub(crate) fn choice<T: Copy>(
        &self,
        annotation: &str,
        words: &[(&str, T)],
        default: T,
        report: &mut Report<'_>,
    ) -> T {
        let Some(text) = self.annotations.get(annotation) else {
            return default;
        };
        let known = words.iter().find(|(word, _)| word == text);
        known.map_or_else(
            || {
                let allowed: Vec<String> =
                    words.iter().map(|(word, _)| format!("{word:?}")).collect();
                let text: String = text.chars().take(64).collect();
                let message = format!("is {text:?}; allowed: {}", allowed.join(", "));
                let field = format!("metadata.annotations.{annotation}");
                report.broken(self.line, &field, message);
                default
            },
            |(_, value)| *value,
        )
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
struct RawMetadata {
    name: String,
    #[serde(default)]
    namespace: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, Text>,
    // Written by API servers; without meaning here.
    #[serde(default, rename = "uid")]
    _uid: Ignored,
    #[serde(default, rename = "resourceVersion")]
    _resource_version: Ignored,
    #[serde(default, rename = "generation")]
    _generation: Ignored,
    #[serde(default, rename = "creationTimestamp")]
    _creation_timestamp: Ignored,
    #[serde(default, rename = "managedFields")]
    _managed_fields: Ignored,
    #[serde(default, rename = "ownerReferences")]
    _owner_references: Ignored,
    #[serde(default, rename = "finalizers")]
    _finalizers: Ignored,
    #[serde(default, rename = "selfLink")]
    _self_link: Ignored,
}

/// Any value, not kept.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(from = "serde_json::Value")]
#[schemars(with = "serde_json::Value")]
struct Ignored;

impl From<serde_json::Value> for Ignored {
    fn from(_: serde_json::Value) -> Self {
        Self
    }
}

/// Text, or a bare boolean that someone forgot to quote.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Text {
    Bool(bool),
    Text(String),
}

impl Text {
    fn into_text(self) -> String {
        match self {
            Self::Bool(value) => value.to_string(),
            Self::Text(text) => text,
        }
    }
}

/// How endpoints are chosen by place: `nearest` or `spread`.
pub(crate) const LOCALITY: &str = "pelago.dev/locality";
/// Whether a failed connect moves on: `on` or `off`.
pub(crate) const FAILOVER: &str = "pelago.dev/failover";
/// The node that serves a workload.
pub(crate) const NODE: &str = "pelago.dev/node";

const ANNOTATIONS: &[&str] = &[LOCALITY, FAILOVER, NODE];

const UNHONOURED: Unhonoured = &[("metadata", &["generateName", "deletionTimestamp"])];
