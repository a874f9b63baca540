//! An identity as enrolment leaves it, minted in memory for this crate's tests.

use std::sync::Arc;

use pelago_identity::{Kept, Stored, Svid, Workloads};
use pelago_model::{Bundle, BundleSet, RegistrationEntry, Selector, SpiffeId};
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};
use zeroize::Zeroizing;

/// The identity `id`, valid until the end of `year`.
pub(crate) fn stored(id: &str, year: i32) -> Stored {
    Root::new(&SpiffeId::parse(id).unwrap()).stored(id, year)
}

/// The same, and a workload of its trust domain with an SVID.
pub(crate) fn with_workload(id: &str, year: i32) -> (Stored, Workloads) {
    let own = SpiffeId::parse(id).unwrap();
    let root = Root::new(&own);
    let workload = format!("{}/ns/shop/sa/web", own.trust_domain().id());
    let entry = RegistrationEntry {
        id: "shop.web".parse().unwrap(),
        spiffe_id: SpiffeId::parse(&workload).unwrap(),
        node: "web".parse().unwrap(),
        selectors: vec![Selector::Uid(1000)],
        ttl_seconds: None,
        hint: String::new(),
    };
    let svid = Arc::new(root.svid(&workload, year));
    let kept = Workloads {
        entries: vec![Kept {
            entry,
            renew_at: svid.not_after(),
        }],
        svids: vec![svid],
    };
    (root.stored(id, year), kept)
}

struct Root {
    issuer: Issuer<'static, KeyPair>,
    bundle: Arc<Bundle>,
}

impl Root {
    fn new(of: &SpiffeId) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut root = params(of.trust_domain().id().as_str());
        root.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = root.self_signed(&key).unwrap();
        let bundle = Bundle {
            trust_domain: of.trust_domain().clone(),
            sequence: 1,
            refresh_hint: 60,
            x509_authorities: vec![authority.der().to_vec().into()],
        };
        Self {
            issuer: Issuer::new(root, key),
            bundle: Arc::new(bundle),
        }
    }

    fn svid(&self, id: &str, year: i32) -> Svid {
        let key = KeyPair::generate().unwrap();
        let mut leaf = params(id);
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        leaf.is_ca = IsCa::ExplicitNoCa;
        leaf.not_after = date_time_ymd(year, 12, 31);
        let leaf = leaf.signed_by(&key, &self.issuer).unwrap();
        let key = Zeroizing::new(key.serialize_der());
        Svid::new(vec![leaf.der().to_vec()], key).unwrap()
    }

    fn stored(&self, id: &str, year: i32) -> Stored {
        let svid = self.svid(id, year);
        let mut bundles = BundleSet::default();
        bundles.accept(Arc::clone(&self.bundle)).unwrap();
        Stored {
            renew_at: svid.not_after(),
            svid: Arc::new(svid),
            bundles,
        }
    }
}

fn params(uri: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = vec![SanType::URI(Ia5String::try_from(uri).unwrap())];
    params
}
