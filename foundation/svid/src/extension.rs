//! The issuer extension: which cluster an intermediate issues for, and what it may issue.
//!
//! A private, non-critical certificate extension, `2.25.120402739`, with the value
//! `SEQUENCE { version INTEGER (1), cluster UTF8String, prefixes SEQUENCE OF UTF8String }`.
//! Prefixes are SPIFFE IDs that cover whole path segments. This room only reads and writes the
//! value; [`crate::verify()`] decides whose value counts.

use pelago_model::{ClusterId, SpiffeId};

use crate::der::{self, Reader};

/// The extension's OID as arcs: `2.25.120402739`.
pub const OID: &[u64] = &[2, 25, 120_402_739];
/// The most prefixes one extension may hold.
pub const MAX_PREFIXES: usize = 64;
/// The largest extension value in bytes.
pub const MAX_VALUE: usize = 16 * 1024;

/// The content octets of the OID (X.690 section 8.19).
pub(crate) const OID_DER: &[u8] = &[0x69, 0xb9, 0xb4, 0xe6, 0x33];

/// What the signed extension of an intermediate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerExtension {
    /// The cluster it issues for.
    pub cluster: ClusterId,
    /// What it may issue: IDs within any of these, by whole segments.
    pub prefixes: Vec<SpiffeId>,
}

/// Why an issuer extension cannot be read; a path that carries it is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExtensionError {
    /// Not the DER it should be.
    #[error(
        "the issuer extension is not SEQUENCE {{ version, cluster, prefixes }}: re-issue the intermediate"
    )]
    Malformed,
    /// A version this reader does not know.
    #[error(
        "the issuer extension has version {version:?}, this version reads 1: upgrade the verifier first"
    )]
    OtherVersion {
        /// The content octets of the version, at most 8 of them.
        version: Vec<u8>,
    },
    /// Larger than any we issue.
    #[error("the issuer extension has {bytes} bytes, at most {MAX_VALUE} are read")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// More prefixes than allowed.
    #[error("the issuer extension holds more than {MAX_PREFIXES} prefixes")]
    TooManyPrefixes,
    /// A cluster or prefix that breaks its grammar.
    #[error("the issuer extension does not name a cluster and SPIFFE IDs")]
    BadName(#[source] pelago_model::IdError),
    /// The extension occurs twice in one certificate.
    #[error("the issuer extension occurs more than once: re-issue the intermediate")]
    Repeated,
}

impl IssuerExtension {
    /// The DER of the extension's value.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let prefixes: Vec<u8> = self
            .prefixes
            .iter()
            .flat_map(|prefix| der::element(der::UTF8_STRING, prefix.as_str().as_bytes()))
            .collect();
        let fields = [
            der::element(der::INTEGER, &VERSION),
            der::element(der::UTF8_STRING, self.cluster.as_str().as_bytes()),
            der::element(der::SEQUENCE, &prefixes),
        ];
        der::element(der::SEQUENCE, &fields.concat())
    }

    /// Reads the DER of an extension's value.
    ///
    /// # Errors
    /// [`ExtensionError`]; never panics, whatever the bytes.
    pub fn decode(value: &[u8]) -> Result<Self, ExtensionError> {
        if value.len() > MAX_VALUE {
            return Err(ExtensionError::TooLarge { bytes: value.len() });
        }
        let mut whole = Reader::new(value);
        let fields = whole.element(der::SEQUENCE);
        let mut fields = Reader::new(fields.ok_or(ExtensionError::Malformed)?);
        let version = fields.element(der::INTEGER);
        let version = version.ok_or(ExtensionError::Malformed)?;
        if version != VERSION {
            return Err(ExtensionError::OtherVersion {
                version: version.iter().take(8).copied().collect(),
            });
        }
        let cluster = fields.text().ok_or(ExtensionError::Malformed)?;
        let list = fields.element(der::SEQUENCE);
        let mut list = Reader::new(list.ok_or(ExtensionError::Malformed)?);
        if !whole.is_done() || !fields.is_done() {
            return Err(ExtensionError::Malformed);
        }
        let mut prefixes = Vec::new();
        while !list.is_done() {
            let prefix = list.text().ok_or(ExtensionError::Malformed)?;
            if prefixes.len() == MAX_PREFIXES {
                return Err(ExtensionError::TooManyPrefixes);
            }
            prefixes.push(SpiffeId::parse(prefix).map_err(ExtensionError::BadName)?);
        }
        let cluster = ClusterId::parse(cluster).map_err(ExtensionError::BadName)?;
        Ok(Self { cluster, prefixes })
    }

    /// Whether the issuer may issue this ID.
    #[must_use]
    pub fn covers(&self, id: &SpiffeId) -> bool {
        self.prefixes
            .iter()
            .any(|prefix| id.is_within(prefix.as_str()))
    }
}

const VERSION: [u8; 1] = [1];

#[cfg(test)]
mod tests;
