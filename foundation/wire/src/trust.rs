//! `pelago.trust.v1`: join, enrol, entries, certificates, bundles.
//!
//! Conversions for the parts that have a model; requests and answers are put
//! together by the CA. Secrets are taken into [`Secret`] and never quoted in
//! an error. Nothing here verifies a certificate: `svid` does.

use std::fmt;
use std::time::Duration;

use pelago_model::token::Secret;
use pelago_model::{
    Grant as ModelGrant, HostPort, Name, RegistrationEntry, Selector, ServicePattern, SpiffeId,
};

pub use crate::protos::pelago::trust::v1::*;
pub use crate::protos::pelago::v1::{Bundle, Hello};

use crate::field::Reader;
use crate::limits::{MAX_CHAIN, MAX_CHAIN_BYTES, MAX_CSR, MAX_ENTRIES, MAX_LIST, MAX_TEXT};
use crate::malformed::Malformed;

/// A certificate chain as it was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// Whose it is said to be; the leaf decides.
    pub spiffe_id: SpiffeId,
    /// DER, the leaf first, without the root. Never empty.
    pub chain: Vec<Vec<u8>>,
    /// After how long it should be renewed.
    pub renew_after: Duration,
}

/// Writes a grant.
#[must_use]
pub fn encode_grant(grant: &ModelGrant) -> Grant {
    let texts = |list: &[ServicePattern]| list.iter().map(ToString::to_string).collect();
    Grant {
        export: texts(&grant.export),
        merge: texts(&grant.merge),
    }
}

/// Reads a grant.
///
/// # Errors
/// [`Malformed`] for a pattern that is none, or too many.
pub fn decode_grant(grant: Grant) -> Result<ModelGrant, Malformed> {
    let read = Reader("Grant");
    let patterns = |field, list| {
        read.list(field, list, MAX_LIST, |text: String| {
            read.id(field, &text, ServicePattern::parse)
        })
    };
    Ok(ModelGrant {
        export: patterns("export", grant.export)?,
        merge: patterns("merge", grant.merge)?,
    })
}

/// Writes an entry.
#[must_use]
pub fn encode_entry(entry: &RegistrationEntry) -> Entry {
    Entry {
        id: entry.id.as_str().to_owned(),
        spiffe_id: entry.spiffe_id.as_str().to_owned(),
        node: entry.node.as_str().to_owned(),
        selectors: entry.selectors.iter().map(ToString::to_string).collect(),
        ttl_seconds: entry.ttl_seconds.unwrap_or(0),
        hint: entry.hint.clone(),
    }
}

/// Reads an entry.
///
/// # Errors
/// [`Malformed`] for a field without its grammar, a reserved identity, or an
/// entry without selectors (which every process would satisfy).
pub fn decode_entry(entry: Entry) -> Result<RegistrationEntry, Malformed> {
    let read = Reader("Entry");
    let spiffe_id = read.id("spiffe_id", &entry.spiffe_id, SpiffeId::parse)?;
    if spiffe_id.is_reserved() {
        return Err(read.bad(
            "spiffe_id",
            spiffe_id.as_str(),
            "an identity outside /pelago/, which is reserved",
        ));
    }
    if entry.selectors.is_empty() {
        return Err(Malformed::absent("Entry", "selectors"));
    }
    Ok(RegistrationEntry {
        id: read.id("id", &entry.id, Name::parse)?,
        spiffe_id,
        node: read.id("node", &entry.node, Name::parse)?,
        selectors: read.list("selectors", entry.selectors, MAX_LIST, |text| {
            read.count("selectors", text.len(), MAX_SELECTOR)?;
            read.id("selectors", &text, Selector::parse)
        })?,
        ttl_seconds: (entry.ttl_seconds != 0).then_some(entry.ttl_seconds),
        hint: read.sized("hint", entry.hint, MAX_TEXT)?,
    })
}

/// Writes all entries of a node.
#[must_use]
pub fn encode_entries<'a>(entries: impl IntoIterator<Item = &'a RegistrationEntry>) -> Entries {
    Entries {
        entries: entries.into_iter().map(encode_entry).collect(),
    }
}

/// Reads all entries of a node.
///
/// # Errors
/// [`Malformed`] when one is or there are too many.
pub fn decode_entries(entries: Entries) -> Result<Vec<RegistrationEntry>, Malformed> {
    Reader("Entries").list("entries", entries.entries, MAX_ENTRIES, decode_entry)
}

/// Writes a certificate chain; part of a second counts as a whole one.
#[must_use]
pub fn encode_certificate(issued: &Issued) -> Certificate {
    let started = u64::from(issued.renew_after.subsec_nanos() > 0);
    Certificate {
        spiffe_id: issued.spiffe_id.as_str().to_owned(),
        chain: issued.chain.clone(),
        renew_after_seconds: issued.renew_after.as_secs().saturating_add(started),
    }
}

/// Reads a certificate chain.
///
/// # Errors
/// [`Malformed`] when it is empty, too long, or names no SPIFFE ID.
pub fn decode_certificate(certificate: Certificate) -> Result<Issued, Malformed> {
    let read = Reader("Certificate");
    let bytes = certificate.chain.iter().map(Vec::len).sum::<usize>();
    read.count("chain", certificate.chain.len(), MAX_CHAIN)?;
    if certificate.chain.is_empty() || bytes > MAX_CHAIN_BYTES {
        return Err(Malformed::new(
            "Certificate",
            "chain",
            &format!("{} certificates of {bytes} bytes", certificate.chain.len()),
            format!("1 to {MAX_CHAIN} certificates of at most {MAX_CHAIN_BYTES} bytes"),
        ));
    }
    Ok(Issued {
        spiffe_id: read.id("spiffe_id", &certificate.spiffe_id, SpiffeId::parse)?,
        chain: certificate.chain,
        renew_after: Duration::from_secs(certificate.renew_after_seconds),
    })
}

/// Writes addresses of gateways or controllers.
#[must_use]
pub fn encode_addresses(addresses: &[HostPort]) -> Vec<String> {
    addresses.iter().map(ToString::to_string).collect()
}

/// Reads addresses of gateways or controllers, at most
/// [`MAX_ADDRESSES`](crate::limits::MAX_ADDRESSES).
///
/// # Errors
/// [`Malformed`] for an address that is none, or too many.
pub fn decode_addresses(
    message: &'static str,
    addresses: &[String],
) -> Result<Vec<HostPort>, Malformed> {
    Reader(message).addresses("addresses", addresses)
}

/// Reads a token's secret.
///
/// # Errors
/// [`Malformed`] when it is not 32 bytes; the bytes are not quoted.
pub fn decode_secret(message: &'static str, secret: &[u8]) -> Result<Secret, Malformed> {
    secret
        .try_into()
        .map(Secret::new)
        .map_err(|_| Malformed::new(message, "secret", "…", "32 bytes"))
}

/// Reads a PKCS#10 request's length, not its content.
///
/// # Errors
/// [`Malformed`] when it is empty or longer than
/// [`MAX_CSR`].
pub fn decode_csr(message: &'static str, csr: Vec<u8>) -> Result<Vec<u8>, Malformed> {
    if csr.is_empty() || csr.len() > MAX_CSR {
        return Err(Malformed::new(
            message,
            "csr",
            &format!("{} bytes", csr.len()),
            format!("a PKCS#10 request of 1 to {MAX_CSR} bytes"),
        ));
    }
    Ok(csr)
}

impl fmt::Debug for JoinRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinRequest")
            .field("cluster", &self.cluster)
            .field("controller", &self.controller)
            .field("addresses", &self.addresses)
            .field("grant", &self.grant)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for EnrolRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnrolRequest")
            .field("hello", &self.hello)
            .finish_non_exhaustive()
    }
}

/// Linux's longest path, and the selector's own word.
const MAX_SELECTOR: usize = 4096 + 16;

#[cfg(test)]
mod tests;
