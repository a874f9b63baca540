//! A text with many documents to declarations and findings.

use std::collections::BTreeSet;

use crate::config::Context;
use crate::declaration::Declaration;
use crate::document::{self, MAX_DOCUMENTS};
use crate::metadata;
use crate::node::Node;
use crate::status::{Finding, Report};
use crate::{mcs, networking, registration, security, service};

/// What a text declares.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parsed {
    /// In the order of the text; each object once, but a policy as often as it
    /// stands there, since each may deny something.
    pub declarations: Vec<Declaration>,
    /// What is not honoured, in the order of the text.
    pub findings: Vec<Finding>,
    /// Whether a document could not be used. The text should then not replace
    /// what was read before.
    pub broken: bool,
}

/// Reads every document of `text`; `source` names it in findings. A `List` is
/// unfolded. A broken document does not hide the others.
#[must_use]
pub fn read(source: &str, text: &str, context: &Context) -> Parsed {
    let mut reader = Reader {
        source,
        context,
        seen: BTreeSet::new(),
        parsed: Parsed::default(),
    };
    for document in document::split(text) {
        let name = format!("document {}", document.number);
        if document.number > MAX_DOCUMENTS {
            let mut report = Report::new(source, name);
            let message = format!("at most {MAX_DOCUMENTS} documents are read from one source");
            report.broken(document.offset + 1, "", message);
            reader.take(report);
            break;
        }
        match document.parse() {
            Ok(node) => reader.object(&node, name),
            Err(error) => {
                let mut report = Report::new(source, name);
                report.broken(error.line, "", error.message);
                reader.take(report);
            }
        }
    }
    reader.parsed
}

struct Reader<'a> {
    source: &'a str,
    context: &'a Context,
    seen: BTreeSet<crate::declaration::Object>,
    parsed: Parsed,
}

impl Reader<'_> {
    fn object(&mut self, node: &Node, name: String) {
        let mut report = Report::new(self.source, name.clone());
        if self.parsed.declarations.len() >= MAX_OBJECTS {
            let message = format!("at most {MAX_OBJECTS} objects are read from one source");
            report.broken(node.line, "", message);
            return self.take(report);
        }
        let Some((group, version, kind)) = type_of(node, &mut report) else {
            return self.take(report);
        };
        if kind == "List" {
            for (index, item) in node
                .field("items")
                .and_then(Node::items)
                .unwrap_or_default()
                .iter()
                .enumerate()
            {
                // A list inside a list is a kind we do not know.
                if item.field("kind").and_then(Node::text) != Some("List") {
                    self.object(item, format!("{name}, item {index}"));
                }
            }
            return self.take(report);
        }
        let found = self.declaration(node, &group, &version, &kind, &mut report);
        if let Some(declaration) = found {
            let object = declaration.object();
            let first = self.seen.insert(object.clone());
            if first || matches!(declaration, Declaration::Policy(_)) {
                self.parsed.declarations.push(declaration);
            }
            if !first {
                let message = format!("{object} stands here twice; each object once");
                report.broken(node.line, "metadata.name", message);
            }
        }
        self.take(report);
    }

    fn declaration(
        &self,
        node: &Node,
        group: &str,
        version: &str,
        kind: &str,
        report: &mut Report<'_>,
    ) -> Option<Declaration> {
        let context = self.context;
        let Some(versions) = versions(group, kind) else {
            let message = format!(
                "kind {kind:?} of {:?} is not read by this version; known kinds: {KINDS}",
                if group.is_empty() { version } else { group }
            );
            report.ignored(node.line, "kind", message);
            return None;
        };
        if !versions.contains(&version) {
            let message = format!("version {version:?}; allowed: {}", versions.join(", "));
            report.broken(node.line, "apiVersion", message);
            return None;
        }
        let meta = metadata::read(node, report)?;
        report.about(format!("{kind} {}", meta.key));
        for entry in node.fields() {
            if !TOP.contains(&entry.key.as_str()) {
                let key: String = entry.key.chars().take(64).collect();
                let message = "is not a field of this kind and has no effect".to_owned();
                report.ignored(entry.line, &key, message);
            }
        }
        match kind {
            "Service" => service::read(node, &meta, report),
            "WorkloadEntry" => networking::read(node, &meta, context, report),
            "RegistrationEntry" => registration::read(node, &meta, context, report),
            "ServiceExport" => mcs::read(node, &meta, report),
            _ => security::read(node, &meta, context, report),
        }
    }

    fn take(&mut self, report: Report<'_>) {
        self.parsed.broken |= report.is_broken();
        if self.parsed.findings.len() < MAX_FINDINGS {
            self.parsed.findings.extend(report.into_findings());
        }
    }
}

/// Group, version and kind.
fn type_of(node: &Node, report: &mut Report<'_>) -> Option<(String, String, String)> {
    let mut text = |name: &str| {
        let field = node.field(name);
        let found = field.and_then(Node::text).map(str::to_owned);
        if found.is_none() {
            let line = field.map_or(node.line, |field| field.line);
            let message = "is missing; every document needs apiVersion and kind".to_owned();
            report.broken(line, name, message);
        }
        found
    };
    let (api, kind) = (text("apiVersion"), text("kind"));
    let (api, kind) = (api?, kind?);
    let (group, version) = api.split_once('/').unwrap_or(("", &api));
    let cut = |text: &str| text.chars().take(64).collect();
    Some((cut(group), cut(version), cut(&kind)))
}

/// The versions read of a kind, `None` for a kind that is not read at all.
fn versions(group: &str, kind: &str) -> Option<&'static [&'static str]> {
    Some(match (group, kind) {
        ("", "Service") => &["v1"],
        ("networking.istio.io", "WorkloadEntry") => &["v1", "v1beta1", "v1alpha3"],
        ("pelago.dev", "RegistrationEntry") => &["v1alpha1"],
        ("multicluster.x-k8s.io", "ServiceExport") => &["v1alpha1", "v1beta1"],
        ("security.istio.io", "AuthorizationPolicy") => &["v1", "v1beta1"],
        _ => return None,
    })
}

const KINDS: &str = "Service, WorkloadEntry, RegistrationEntry, ServiceExport, AuthorizationPolicy";
const TOP: &[&str] = &["apiVersion", "kind", "metadata", "spec", "status"];
const MAX_FINDINGS: usize = 1000;
/// A list unfolds, so that the number of documents bounds nothing.
const MAX_OBJECTS: usize = 20_000;

#[cfg(test)]
pub(crate) mod tests;
