//! An identity as enrolment leaves it, minted in memory for this crate's tests.

use std::sync::Arc;

use pelago_identity::{Stored, Svid};
use pelago_model::{Bundle, BundleSet, SpiffeId};
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};
use zeroize::Zeroizing;

/// The identity `id`, valid until the end of `year`.
pub(crate) fn stored(id: &str, year: i32) -> Stored {
    let id = SpiffeId::parse(id).unwrap();
    let root_key = KeyPair::generate().unwrap();
    let mut root = params(id.trust_domain().id().as_str());
    root.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = root.self_signed(&root_key).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut leaf = params(id.as_str());
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    leaf.is_ca = IsCa::ExplicitNoCa;
    leaf.not_after = date_time_ymd(year, 12, 31);
    let leaf = leaf.signed_by(&key, &Issuer::new(root, root_key)).unwrap();
    let mut bundles = BundleSet::default();
    let bundle = Bundle {
        trust_domain: id.trust_domain().clone(),
        sequence: 1,
        refresh_hint: 60,
        x509_authorities: vec![authority.der().to_vec().into()],
    };
    bundles.accept(Arc::new(bundle)).unwrap();
    let key = Zeroizing::new(key.serialize_der());
    let svid = Svid::new(vec![leaf.der().to_vec()], key).unwrap();
    Stored {
        renew_at: svid.not_after(),
        svid: Arc::new(svid),
        bundles,
    }
}

fn params(uri: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = vec![SanType::URI(Ia5String::try_from(uri).unwrap())];
    params
}
