//! `pelago.dev/v1alpha1`: `RegistrationEntry`.

use pelago_model::{Name, RegistrationEntry, Selector, SpiffeId};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::Context;
use crate::declaration::Declaration;
use crate::metadata::Metadata;
use crate::node::Node;
use crate::schema::{self, Unhonoured};
use crate::status::Report;

pub(crate) fn read(
    document: &Node,
    meta: &Metadata,
    context: &Context,
    report: &mut Report<'_>,
) -> Option<Declaration> {
    let Some(spec) = document.field("spec") else {
        let message = "is missing; allowed: an object with spiffeId, node and selectors";
        report.broken(document.line, "spec", message.to_owned());
        return None;
    };
    let raw: RawSpec = schema::typed(spec, "spec", UNHONOURED, report)?;
    let mut bad = |name: &str, message: String| {
        let line = spec.field(name).map_or(spec.line, |field| field.line);
        report.broken(line, &format!("spec.{name}"), message);
    };
    let id = Name::parse(&format!("{}.{}", meta.key.namespace, meta.key.name))
        .map_err(|error| bad("id", error.to_string()));
    let spiffe_id = identity(&raw.spiffe_id, context).map_err(|why| bad("spiffeId", why));
    let node = Name::parse(&raw.node).map_err(|error| bad("node", error.to_string()));
    let selectors: Result<Vec<Selector>, _> = raw
        .selectors
        .iter()
        .map(|text| Selector::parse(text))
        .collect();
    let selectors = selectors.map_err(|error| bad("selectors", error.to_string()));
    if raw.selectors.is_empty() || raw.selectors.len() > MAX_SELECTORS {
        bad(
            "selectors",
            format!("allowed: 1 to {MAX_SELECTORS} selectors, all of which must hold"),
        );
        return None;
    }
    let ttl = raw.ttl.as_deref().map(|text| {
        seconds(text).ok_or_else(|| {
            let text: String = text.chars().take(64).collect();
            bad(
                "ttl",
                format!("is {text:?}; allowed: a duration of 1m to 168h such as 30m or 24h"),
            );
        })
    });
    let hint = raw.hint.unwrap_or_default();
    if hint.len() > MAX_HINT {
        bad(
            "hint",
            format!("has {} bytes; allowed: at most {MAX_HINT}", hint.len()),
        );
        return None;
    }
    let entry = RegistrationEntry {
        id: id.ok()?,
        spiffe_id: spiffe_id.ok()?,
        node: node.ok()?,
        selectors: selectors.ok()?,
        ttl_seconds: ttl.transpose().ok()?,
        hint,
    };
    Some(Declaration::Entry(meta.key.clone(), entry))
}

/// An identity that an entry may grant: of our own domain, with a path, and
/// none of our own parts.
fn identity(text: &str, context: &Context) -> Result<SpiffeId, String> {
    let id = SpiffeId::parse(text).map_err(|error| error.to_string())?;
    let domain = &context.trust_domain;
    if id.trust_domain() != domain {
        return Err(format!(
            "is {text:?}; allowed: an identity of our own trust domain {domain}"
        ));
    }
    if id.is_reserved() || id.path().is_empty() {
        return Err(format!(
            "is {text:?}; allowed: an identity with a path outside /pelago/, which is ours"
        ));
    }
    Ok(id)
}

/// `90s`, `30m`, `24h`, or such parts in a row (`1h30m`), as Kubernetes writes
/// durations.
fn seconds(text: &str) -> Option<u64> {
    let mut total = 0_u64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = rest.split_at_checked(digits)?;
        let factor = match unit.chars().next()? {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            _ => return None,
        };
        let part = number.parse::<u64>().ok()?.checked_mul(factor)?;
        total = total.checked_add(part)?;
        rest = unit.get(1..)?;
    }
    (60..=7 * 24 * 3600).contains(&total).then_some(total)
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct RawSpec {
    spiffe_id: String,
    node: String,
    selectors: Vec<String>,
    #[serde(default)]
    ttl: Option<String>,
    #[serde(default)]
    hint: Option<String>,
}

const UNHONOURED: Unhonoured = &[];
const MAX_SELECTORS: usize = 16;
const MAX_HINT: usize = 1024;

#[cfg(test)]
mod tests;
