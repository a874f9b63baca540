//! Certificates for tests: roots, intermediates, leaves, and every way to get them wrong.
//!
//! Minted anew in each test, never checked in. A [`Spec`] lists its extensions as raw DER, so
//! that a test can leave one out, repeat it or break it; nothing is added behind its back.
//! The API knows bytes and text only, no type of the workspace: it also serves as the second
//! opinion on what our own encoders write. Start with [`Authority::root`].

#![expect(
    clippy::expect_used,
    reason = "a test that cannot mint its certificates has nothing to test"
)]

mod extension;

use rcgen::{
    Certificate, CertificateParams, CustomExtension, DistinguishedName, DnType, Issuer, KeyPair,
    PKCS_ECDSA_P256_SHA256, SerialNumber, SubjectPublicKeyInfo,
};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer as _;

pub use extension::{
    BASIC_CONSTRAINTS, CRL_SIGN, DIGITAL_SIGNATURE, EXTENDED_KEY_USAGE, Extension, ISSUER,
    KEY_CERT_SIGN, KEY_ENCIPHERMENT, KEY_USAGE, NAME_CONSTRAINTS, SUBJECT_ALT_NAME, SanName,
    basic_constraints, der, extended_key_usage, issuer, key_usage, subject_alt_name,
    uri_constraint,
};

/// The time tests begin at, Unix seconds (January 2027): inside every default validity.
pub const NOW: u64 = 1_800_000_000;
/// Start of the default validity (2020), so that the real clock fits too.
pub const FROM: u64 = 1_577_836_800;
/// End of the default validity (2040).
pub const UNTIL: u64 = 2_208_988_800;

/// What a certificate says.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Common name; empty for an empty subject.
    pub subject: String,
    /// Start of validity, Unix seconds.
    pub not_before: u64,
    /// End of validity, Unix seconds.
    pub not_after: u64,
    /// All extensions, in order.
    pub extensions: Vec<Extension>,
}

impl Spec {
    /// A root of a trust domain (`east.example`), as SPIFFE wants it.
    #[must_use]
    pub fn root(trust_domain: &str) -> Self {
        Self::new(
            &format!("root of {trust_domain}"),
            vec![
                basic_constraints(true, None),
                key_usage(KEY_CERT_SIGN | CRL_SIGN),
                subject_alt_name(&[SanName::Uri(&format!("spiffe://{trust_domain}"))], false),
            ],
        )
    }

    /// An intermediate of a cluster that may issue within these prefixes, pathLen 0.
    #[must_use]
    pub fn intermediate(cluster: &str, prefixes: &[&str]) -> Self {
        Self::new(
            &format!("intermediate of {cluster}"),
            vec![
                basic_constraints(true, Some(0)),
                key_usage(KEY_CERT_SIGN | CRL_SIGN),
                issuer(1, cluster, prefixes),
            ],
        )
    }

    /// A leaf for a SPIFFE ID with everything right.
    #[must_use]
    pub fn leaf(id: &str) -> Self {
        Self::new(
            "",
            vec![
                basic_constraints(false, None),
                key_usage(DIGITAL_SIGNATURE),
                extended_key_usage(true, true),
                subject_alt_name(&[SanName::Uri(id)], true),
            ],
        )
    }

    /// Any certificate with these extensions.
    #[must_use]
    pub fn new(subject: &str, extensions: Vec<Extension>) -> Self {
        Self {
            subject: subject.to_owned(),
            not_before: FROM,
            not_after: UNTIL,
            extensions,
        }
    }

    /// With another subject.
    #[must_use]
    pub fn subject(mut self, common_name: &str) -> Self {
        common_name.clone_into(&mut self.subject);
        self
    }

    /// Valid from and until, Unix seconds.
    #[must_use]
    pub const fn valid(mut self, not_before: u64, not_after: u64) -> Self {
        self.not_before = not_before;
        self.not_after = not_after;
        self
    }

    /// Without the extensions of this OID.
    #[must_use]
    pub fn without(mut self, oid: &[u64]) -> Self {
        self.extensions.retain(|extension| extension.oid != oid);
        self
    }

    /// With one more extension, even if it repeats one.
    #[must_use]
    pub fn and(mut self, extension: Extension) -> Self {
        self.extensions.push(extension);
        self
    }

    /// With this extension in place of those of its OID.
    #[must_use]
    pub fn with(self, extension: Extension) -> Self {
        self.without(&extension.oid.clone()).and(extension)
    }

    fn params(&self) -> CertificateParams {
        let mut params = CertificateParams::default();
        let time = |seconds: u64| {
            let seconds = i64::try_from(seconds).expect("a time before the year 292277026596");
            time::OffsetDateTime::from_unix_timestamp(seconds).expect("a year before 10000")
        };
        params.not_before = time(self.not_before);
        params.not_after = time(self.not_after);
        params.distinguished_name = DistinguishedName::new();
        if !self.subject.is_empty() {
            params
                .distinguished_name
                .push(DnType::CommonName, self.subject.as_str());
        }
        let serial = fastrand::u64(1..) >> 1;
        params.serial_number = Some(SerialNumber::from(serial));
        params.custom_extensions = self
            .extensions
            .iter()
            .map(|extension| {
                let value = extension.value.clone();
                let mut custom = CustomExtension::from_oid_content(&extension.oid, value);
                custom.set_criticality(extension.critical);
                custom
            })
            .collect();
        params
    }
}

/// A CA that can sign, or a leaf that is asked to.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: Vec<u8>,
    /// Leaf first: this one (unless it is a root) and those between it and its root.
    chain: Vec<Vec<u8>>,
    root: Vec<u8>,
}

/// A leaf with its key.
#[derive(Debug, Clone)]
pub struct Minted {
    /// DER, the leaf first, then intermediates, without the root.
    pub chain: Vec<Vec<u8>>,
    /// The private key, PKCS#8 in DER.
    pub pkcs8: Vec<u8>,
    /// The root, DER.
    pub root: Vec<u8>,
}

impl Minted {
    /// The chain followed by the root, as a controller presents it.
    #[must_use]
    pub fn with_root(&self) -> Vec<Vec<u8>> {
        self.chain.iter().chain([&self.root]).cloned().collect()
    }
}

impl Authority {
    /// A self-signed root.
    #[must_use]
    pub fn root(spec: &Spec) -> Self {
        let (key, params) = (new_key(), spec.params());
        let signed = params.self_signed(&key).expect("a root");
        let der = der_of(&signed);
        Self {
            root: der.clone(),
            der,
            chain: Vec::new(),
            issuer: Issuer::new(params, key),
        }
    }

    /// A CA below this one.
    #[must_use]
    pub fn authority(&self, spec: &Spec) -> Self {
        let (key, params) = (new_key(), spec.params());
        let signed = params.signed_by(&key, &self.issuer).expect("a CA");
        let der = der_of(&signed);
        Self {
            chain: self.below(der.clone()),
            der,
            root: self.root.clone(),
            issuer: Issuer::new(params, key),
        }
    }

    /// A leaf with a new key.
    #[must_use]
    pub fn leaf(&self, spec: &Spec) -> Minted {
        let key = new_key();
        let signed = spec.params().signed_by(&key, &self.issuer);
        Minted {
            chain: self.below(der_of(&signed.expect("a leaf"))),
            pkcs8: key.serialize_der(),
            root: self.root.clone(),
        }
    }

    /// A leaf for the key of a PKCS#10 request: the chain, leaf first, without the root.
    #[must_use]
    pub fn leaf_for(&self, spec: &Spec, csr: &[u8]) -> Vec<Vec<u8>> {
        let (_, request) = X509CertificationRequest::from_der(csr).expect("a PKCS#10 request");
        let spki = request.certification_request_info.subject_pki.raw;
        let key = SubjectPublicKeyInfo::from_der(spki).expect("a public key");
        let signed = spec.params().signed_by(&key, &self.issuer);
        self.below(der_of(&signed.expect("a leaf")))
    }

    /// The same name and key as `other`, signed by this CA with another spec's extensions: a
    /// cross-signed certificate, or a decoy when this CA is untrusted.
    #[must_use]
    pub fn cross_sign(&self, other: &Self, spec: &Spec) -> Vec<u8> {
        let signed = spec.params().signed_by(other.issuer.key(), &self.issuer);
        der_of(&signed.expect("a cross-signed CA"))
    }

    /// Its own certificate, DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Its root's certificate, DER.
    #[must_use]
    pub fn root_der(&self) -> &[u8] {
        &self.root
    }

    fn below(&self, der: Vec<u8>) -> Vec<Vec<u8>> {
        [der]
            .into_iter()
            .chain(self.chain.iter().cloned())
            .collect()
    }
}

fn new_key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a P-256 key")
}

fn der_of(certificate: &Certificate) -> Vec<u8> {
    certificate.der().to_vec()
}
