//! What certificates look like: three templates and nothing else.
//!
//! X.509-SVID sections 2 to 4 and RFC 5280: one URI SAN, critical beside an
//! empty subject; key usage critical on all; basic constraints on all. Nothing
//! a requester sends reaches a template except its key.

use pelago_model::{SpiffeId, TrustDomain};
use pelago_svid::{ISSUER_OID, IssuerExtension};
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType, SerialNumber,
};
use time::OffsetDateTime;

/// How long before `now` a certificate begins, in seconds: clocks differ.
pub const BACKDATE: u64 = 60;

/// A certificate to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Template {
    /// The trust domain's root: `spiffe://<td>`, signs itself.
    Root {
        /// Its domain.
        trust_domain: TrustDomain,
        /// Tells roots apart in the subject, such as `root-1`.
        name: String,
    },
    /// A cluster's intermediate: signs leaves only (pathLen 0).
    Intermediate {
        /// Its domain.
        trust_domain: TrustDomain,
        /// Tells intermediates apart in the subject.
        name: String,
        /// The cluster it issues for and what it may issue.
        issuer: IssuerExtension,
    },
    /// An X.509-SVID.
    Leaf {
        /// The identity.
        id: SpiffeId,
        /// Names a controller is also dialled by; empty for everyone else.
        dns_names: Vec<String>,
    },
}

/// From when until when, in Unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first second.
    pub not_before: u64,
    /// The last second.
    pub not_after: u64,
}

impl Validity {
    /// `ttl` seconds from `now`, beginning [`BACKDATE`] earlier.
    #[must_use]
    pub const fn starting(now: u64, ttl: u64) -> Self {
        Self {
            not_before: now.saturating_sub(BACKDATE),
            not_after: now.saturating_add(ttl),
        }
    }

    /// The same, ending no later than `limit`.
    #[must_use]
    pub fn until(self, limit: u64) -> Self {
        Self {
            not_after: self.not_after.min(limit),
            ..self
        }
    }
}

/// A serial number: 127 random bits and never zero (RFC 5280 section 4.1.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Serial([u8; 16]);

impl Serial {
    /// The serial of these random bytes.
    #[must_use]
    pub const fn new(mut random: [u8; 16]) -> Self {
        // Positive, and of the same length always.
        random[0] = (random[0] & 0x7f) | 0x40;
        Self(random)
    }

    /// The bytes, big-endian.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl Template {
    /// Everything about the certificate except keys and signature.
    pub(crate) fn params(
        &self,
        validity: Validity,
        serial: Serial,
    ) -> Result<CertificateParams, TemplateError> {
        let mut params = CertificateParams::default();
        params.not_before = time(validity.not_before)?;
        params.not_after = time(validity.not_after)?;
        params.serial_number = Some(SerialNumber::from_slice(serial.bytes()));
        params.distinguished_name = DistinguishedName::new();
        params.use_authority_key_identifier_extension = true;
        match self {
            Self::Root { trust_domain, name } => {
                params.distinguished_name = common_name(name);
                params.subject_alt_names = vec![uri(trust_domain.id().as_str())?];
                params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
                params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            }
            Self::Intermediate {
                trust_domain,
                name,
                issuer,
            } => {
                params.distinguished_name = common_name(name);
                params.subject_alt_names = vec![uri(trust_domain.id().as_str())?];
                params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
                params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
                params.custom_extensions = vec![CustomExtension::from_oid_content(
                    ISSUER_OID,
                    issuer.encode(),
                )];
            }
            Self::Leaf { id, dns_names } => leaf(&mut params, id, dns_names)?,
        }
        Ok(params)
    }
}

/// Why a template could not be filled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A leaf with the trust domain's own ID.
    #[error("{id} is a trust domain's own ID: a leaf needs a path")]
    RootPath {
        /// The ID.
        id: SpiffeId,
    },
    /// A name that cannot be encoded.
    #[error("{name:?} cannot be a name in a certificate: ASCII only")]
    Name {
        /// The name, cut to 256 characters.
        name: String,
    },
    /// A time that cannot be encoded.
    #[error("{seconds} (Unix seconds) cannot be written in a certificate")]
    Time {
        /// The time.
        seconds: u64,
    },
}

fn leaf(
    params: &mut CertificateParams,
    id: &SpiffeId,
    dns_names: &[String],
) -> Result<(), TemplateError> {
    // X.509-SVID section 5.2: the domain's own ID is never a leaf's.
    if id.path().is_empty() {
        return Err(TemplateError::RootPath { id: id.clone() });
    }
    params.subject_alt_names = vec![uri(id.as_str())?];
    for name in dns_names {
        let text = Ia5String::try_from(name.as_str()).map_err(|_| TemplateError::Name {
            name: name.chars().take(256).collect(),
        })?;
        params.subject_alt_names.push(SanType::DnsName(text));
    }
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    params.is_ca = IsCa::ExplicitNoCa;
    Ok(())
}

fn common_name(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::OrganizationName, "Pelago");
    subject.push(DnType::CommonName, name);
    subject
}

fn uri(text: &str) -> Result<SanType, TemplateError> {
    Ia5String::try_from(text)
        .map(SanType::URI)
        .map_err(|_| TemplateError::Name {
            name: text.chars().take(256).collect(),
        })
}

fn time(seconds: u64) -> Result<OffsetDateTime, TemplateError> {
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .ok_or(TemplateError::Time { seconds })
}

#[cfg(test)]
mod tests;
