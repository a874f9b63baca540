//! Rules, sources and operations of an `AuthorizationPolicy`.
//!
//! Every function answers `None` for "this cannot be told as it is meant"; the
//! caller then takes [`Reading::instead`]: nothing for an ALLOW, the part
//! without the condition for a DENY.

use pelago_model::TrustDomain;
use pelago_model::authz::{Action, Operation, Pattern, Rule, Source};

use crate::nearest::nearest;
use crate::node::{Node, Shape};
use crate::status::Report;

/// Reads the rules of one policy.
pub(super) struct Reading<'a, 'b> {
    /// What the policy does with a match; `CUSTOM` has become a DENY.
    pub(super) action: Action,
    pub(super) domain: &'a TrustDomain,
    pub(super) report: &'a mut Report<'b>,
    /// Whether everything so far is honoured.
    pub(super) complete: bool,
}

impl Reading<'_, '_> {
    pub(super) fn rule(&mut self, node: &Node, path: &str) -> Option<Rule> {
        if !matches!(node.shape, Shape::Map(_)) {
            self.wrong(node, path, "an object with from and to");
            return self.instead(Rule::default());
        }
        let mut whole = self.only(node, path, &["from", "to"], &["when"]);
        let from = match node.field("from") {
            None => Vec::new(),
            Some(list) => self.list(
                list,
                &format!("{path}.from"),
                "source",
                Self::source,
                &mut whole,
            ),
        };
        let to = match node.field("to") {
            None => Vec::new(),
            Some(list) => self.list(
                list,
                &format!("{path}.to"),
                "operation",
                Self::operation,
                &mut whole,
            ),
        };
        let rule = Rule { from, to };
        if whole {
            Some(rule)
        } else {
            self.instead(rule)
        }
    }

    /// What stands for a part that is not whole: nothing in an ALLOW, and in a
    /// DENY what is left of it, which matches more.
    pub(super) fn instead<T>(&mut self, rest: T) -> Option<T> {
        self.complete = false;
        (self.action == Action::Deny).then_some(rest)
    }

    /// Reports a value of the wrong shape.
    pub(super) fn wrong(&mut self, node: &Node, path: &str, allowed: &str) {
        self.complete = false;
        let message = format!("is {}; allowed: {allowed}", node.describe());
        self.report.broken(node.line, path, message);
    }

    /// A list of `{<key>: {…}}`. A wrong list is no condition at all, which only
    /// a DENY may take; `whole` tells the rule.
    fn list<T: Default>(
        &mut self,
        node: &Node,
        path: &str,
        key: &str,
        read: fn(&mut Self, &Node, &str, &mut bool) -> T,
        whole: &mut bool,
    ) -> Vec<T> {
        let Some(items) = node.items() else {
            self.wrong(node, path, "a list");
            *whole = false;
            return Vec::new();
        };
        let mut parts = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let path = format!("{path}[{index}]");
            *whole &= self.only(item, &path, &[key], &[]);
            if let Some(inner) = item.field(key) {
                parts.push(read(self, inner, &format!("{path}.{key}"), whole));
            } else {
                self.wrong(item, &path, &format!("an object with {key:?}"));
                *whole = false;
                parts.push(T::default());
            }
        }
        parts
    }

    fn source(&mut self, node: &Node, path: &str, whole: &mut bool) -> Source {
        const KNOWN: &[&str] = &["principals", "notPrincipals", "namespaces", "notNamespaces"];
        const OTHER: &[&str] = &[
            "requestPrincipals",
            "notRequestPrincipals",
            "ipBlocks",
            "notIpBlocks",
            "remoteIpBlocks",
            "notRemoteIpBlocks",
            "serviceAccounts",
            "notServiceAccounts",
        ];
        *whole &= self.only(node, path, KNOWN, OTHER);
        let mut patterns = |reading: &mut Self, name: &str, principal: bool| {
            let found = reading.texts(node, name, path);
            let Some(texts) = found else {
                *whole = false;
                return Vec::new();
            };
            let read = |text: &String| reading.pattern(text, principal);
            texts.iter().map(read).collect()
        };
        Source {
            principals: patterns(self, "principals", true),
            not_principals: patterns(self, "notPrincipals", true),
            namespaces: patterns(self, "namespaces", false),
            not_namespaces: patterns(self, "notNamespaces", false),
            clusters: Vec::new(),
        }
    }

    fn operation(&mut self, node: &Node, path: &str, whole: &mut bool) -> Operation {
        const OTHER: &[&str] = &[
            "hosts",
            "notHosts",
            "methods",
            "notMethods",
            "paths",
            "notPaths",
        ];
        *whole &= self.only(node, path, &["ports", "notPorts"], OTHER);
        let mut ports = |reading: &mut Self, name: &str| {
            let ports = reading.texts(node, name, path).and_then(|texts| {
                let ports: Option<Vec<u16>> = texts
                    .iter()
                    .map(|text| text.parse().ok().filter(|port| *port > 0))
                    .collect();
                if ports.is_none() {
                    let field = format!("{path}.{name}");
                    reading.wrong(
                        node.field(name).unwrap_or(node),
                        &field,
                        "port numbers of 1 to 65535, in quotes",
                    );
                }
                ports
            });
            *whole &= ports.is_some();
            ports.unwrap_or_default()
        };
        Operation {
            ports: ports(self, "ports"),
            not_ports: ports(self, "notPorts"),
        }
    }

    /// A list of texts, empty when absent.
    fn texts(&mut self, node: &Node, name: &str, path: &str) -> Option<Vec<String>> {
        let Some(field) = node.field(name) else {
            return Some(Vec::new());
        };
        let texts: Option<Vec<String>> = field.items().and_then(|items| {
            items
                .iter()
                .map(|item| {
                    item.text()
                        .filter(|text| !text.is_empty())
                        .map(str::to_owned)
                })
                .collect()
        });
        if texts.is_none() {
            self.wrong(field, &format!("{path}.{name}"), "a list of texts");
        }
        texts
    }

    /// Istio writes `cluster.local/…` for our own trust domain, and principals
    /// without `spiffe://`.
    fn pattern(&self, text: &str, principal: bool) -> Pattern {
        if !principal {
            return Pattern::parse(text);
        }
        let text = text.strip_prefix("spiffe://").unwrap_or(text);
        match text.strip_prefix("cluster.local/") {
            Some(path) => Pattern::parse(&format!("{}/{path}", self.domain)),
            None => Pattern::parse(text),
        }
    }

    /// Whether the object holds nothing but `known` fields; others are
    /// reported.
    fn only(&mut self, node: &Node, path: &str, known: &[&str], unserved: &[&str]) -> bool {
        if !matches!(node.shape, Shape::Map(_)) {
            self.wrong(node, path, "an object");
            return false;
        }
        let mut whole = true;
        for entry in node.fields() {
            let key = entry.key.as_str();
            if known.contains(&key) {
                continue;
            }
            whole = false;
            let held = match self.action {
                Action::Allow => "the rule permits nothing",
                Action::Deny => "the rule denies without it",
            };
            let message = if unserved.contains(&key) {
                format!("is not honoured by this version: {held}")
            } else {
                let names = known.iter().chain(unserved).copied();
                let hint = nearest(key, names)
                    .map_or_else(String::new, |name| format!("; did you mean {name:?}?"));
                format!("is not a field of this kind: {held}{hint}")
            };
            let short: String = key.chars().take(64).collect();
            self.report
                .refused(entry.line, &format!("{path}.{short}"), message);
        }
        self.complete &= whole;
        whole
    }
}
