//! Certificates for this crate's tests, minted in memory.

use std::sync::Arc;

use pelago_identity::Svid;
use pelago_model::registration::Selector;
use pelago_model::{Bundle, Name, RegistrationEntry, SpiffeId, TrustDomain};
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};
use zeroize::Zeroizing;

/// One root that issues leaves itself.
pub(crate) struct Authority {
    domain: TrustDomain,
    issuer: Issuer<'static, KeyPair>,
    der: Arc<[u8]>,
}

impl Authority {
    pub(crate) fn new(domain: &str) -> Self {
        let domain = TrustDomain::parse(domain).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = vec![uri(domain.id().as_str())];
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let der = params.self_signed(&key).unwrap().der().to_vec().into();
        let issuer = Issuer::new(params, key);
        Self {
            domain,
            issuer,
            der,
        }
    }

    /// An SVID that ends with the year.
    pub(crate) fn svid(&self, id: &str, year: i32) -> Arc<Svid> {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = vec![uri(id)];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.is_ca = IsCa::ExplicitNoCa;
        params.not_after = date_time_ymd(year, 12, 31);
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        let svid = Svid::new(
            vec![leaf.der().to_vec()],
            Zeroizing::new(key.serialize_der()),
        );
        Arc::new(svid.unwrap())
    }

    pub(crate) fn bundle(&self, sequence: u64) -> Arc<Bundle> {
        Arc::new(Bundle {
            trust_domain: self.domain.clone(),
            sequence,
            refresh_hint: 60,
            x509_authorities: vec![Arc::clone(&self.der)],
        })
    }
}

/// An entry for a selector.
pub(crate) fn entry(name: &str, id: &str, selector: &str, hint: &str) -> RegistrationEntry {
    RegistrationEntry {
        id: Name::parse(name).unwrap(),
        spiffe_id: SpiffeId::parse(id).unwrap(),
        node: Name::parse("n").unwrap(),
        selectors: vec![Selector::parse(selector).unwrap()],
        ttl_seconds: None,
        hint: hint.to_owned(),
    }
}

fn uri(text: &str) -> SanType {
    SanType::URI(Ia5String::try_from(text).unwrap())
}
