use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use pelago_model::{Bundle, BundleSet, ClusterId, SpiffeId, TrustDomain};
use pelago_svid::{IssuerExtension, Usage, VerifyError};
use rcgen::KeyPair;
use x509_parser::extensions::GeneralName;

use super::*;
use crate::csr::RequestedKey;

const NOW: u64 = 1_800_000_000;

struct Key(KeyPair);

impl Key {
    fn new() -> Self {
        Self(KeyPair::generate().expect("a key"))
    }

    fn spki(&self) -> Vec<u8> {
        self.0.subject_public_key_info()
    }

    fn sign(&self, tbs: &ToBeSigned) -> Vec<u8> {
        let key =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, self.0.serialized_der());
        let signature = key.expect("a key").sign(&SystemRandom::new(), tbs.bytes());
        tbs.assemble(signature.expect("a signature").as_ref())
    }
}

struct Authorities {
    root: Vec<u8>,
    intermediate: Vec<u8>,
    key: Key,
}

fn domain(text: &str) -> TrustDomain {
    TrustDomain::parse(text).expect("a trust domain")
}

fn id(text: &str) -> SpiffeId {
    SpiffeId::parse(text).expect("an ID")
}

fn serial(byte: u8) -> Serial {
    Serial::new([byte; 16])
}

fn authorities() -> Authorities {
    let td = domain("east.example");
    let (root_key, key) = (Key::new(), Key::new());
    let template = Template::Root {
        trust_domain: td.clone(),
        name: "root-1".to_owned(),
    };
    let validity = Validity::starting(NOW, 1_000_000);
    let spki = root_key.spki();
    let root = to_be_signed(&template, &spki, validity, serial(1), Signed::ByItself);
    let root = root_key.sign(&root.expect("a root"));
    let template = Template::Intermediate {
        trust_domain: td.clone(),
        name: "intermediate-1".to_owned(),
        issuer: IssuerExtension {
            cluster: ClusterId::parse("east").expect("a cluster"),
            prefixes: vec![td.id()],
        },
    };
    let validity = Validity::starting(NOW, 100_000);
    let tbs = to_be_signed(
        &template,
        &key.spki(),
        validity,
        serial(2),
        Signed::By(&root),
    );
    let intermediate = root_key.sign(&tbs.expect("an intermediate"));
    Authorities {
        root,
        intermediate,
        key,
    }
}

fn leaf(authorities: &Authorities, who: &str, spki: &[u8], ttl: u64) -> (Vec<u8>, Validity) {
    let template = Template::Leaf {
        id: id(who),
        dns_names: Vec::new(),
    };
    let tbs = to_be_signed(
        &template,
        spki,
        Validity::starting(NOW, ttl),
        serial(3),
        Signed::By(&authorities.intermediate),
    );
    let tbs = tbs.expect("a leaf");
    (authorities.key.sign(&tbs), tbs.validity())
}

fn verify(
    authorities: &Authorities,
    leaf: Vec<u8>,
    now: u64,
) -> Result<pelago_svid::VerifiedPeer, VerifyError> {
    let mut bundles = BundleSet::default();
    let bundle = Bundle {
        trust_domain: domain("east.example"),
        sequence: 1,
        refresh_hint: 60,
        x509_authorities: vec![Arc::from(authorities.root.as_slice())],
    };
    bundles.accept(Arc::new(bundle)).expect("a bundle");
    let chain = [leaf.into(), authorities.intermediate.clone().into()];
    pelago_svid::verify(&chain, &bundles, Usage::Client, now)
}

#[test]
fn a_leaf_verifies_with_its_issuing_cluster() {
    let authorities = authorities();
    let who = "spiffe://east.example/ns/shop/sa/web";
    let (leaf, _) = leaf(&authorities, who, &Key::new().spki(), 3600);
    let peer = verify(&authorities, leaf, NOW).expect("verified");
    assert_eq!(peer.id(), &id(who));
    assert_eq!(peer.issuer_cluster().map(ClusterId::as_str), Some("east"));
}

#[test]
fn a_foreign_name_does_not_verify() {
    let authorities = authorities();
    for who in [
        "spiffe://west.example/ns/shop/sa/web",
        "spiffe://east.example/pelago/node/west/n1",
    ] {
        let (leaf, _) = leaf(&authorities, who, &Key::new().spki(), 3600);
        assert!(verify(&authorities, leaf, NOW).is_err(), "{who}");
    }
}

#[test]
fn the_leaf_is_as_the_standard_says() {
    let authorities = authorities();
    let who = "spiffe://east.example/ns/shop/sa/web";
    let (leaf, _) = leaf(&authorities, who, &Key::new().spki(), 3600);
    let (_, leaf) = X509Certificate::from_der(&leaf).expect("a certificate");
    assert_eq!(leaf.subject().iter().count(), 0);
    let san = leaf
        .subject_alternative_name()
        .expect("parses")
        .expect("there");
    assert!(san.critical);
    assert_eq!(san.value.general_names, vec![GeneralName::URI(who)]);
    let usage = leaf.key_usage().expect("parses").expect("there");
    assert!(usage.critical);
    assert_eq!(usage.value.flags, 1, "digitalSignature alone");
    let extended = leaf.extended_key_usage().expect("parses").expect("there");
    assert!(extended.value.server_auth && extended.value.client_auth);
    let constraints = leaf.basic_constraints().expect("parses").expect("there");
    assert!(!constraints.value.ca);
    assert_eq!(
        u64::try_from(leaf.validity().not_before.timestamp()),
        Ok(NOW - 60)
    );
    let oids: Vec<String> = leaf
        .extensions()
        .iter()
        .map(|e| e.oid.to_id_string())
        .collect();
    assert!(oids.contains(&"2.5.29.14".to_owned()), "SKI: {oids:?}");
    assert!(oids.contains(&"2.5.29.35".to_owned()), "AKI: {oids:?}");
    assert_eq!(leaf.raw_serial(), serial(3).bytes());
}

#[test]
fn authorities_are_as_the_standard_says() {
    let authorities = authorities();
    for (der, path) in [
        (&authorities.root, None),
        (&authorities.intermediate, Some(0)),
    ] {
        let (_, ca) = X509Certificate::from_der(der).expect("a certificate");
        let constraints = ca.basic_constraints().expect("parses").expect("there");
        assert!(constraints.critical && constraints.value.ca);
        assert_eq!(constraints.value.path_len_constraint, path);
        let usage = ca.key_usage().expect("parses").expect("there");
        assert!(usage.critical && usage.value.key_cert_sign() && usage.value.crl_sign());
        assert!(!usage.value.digital_signature());
        let san = ca
            .subject_alternative_name()
            .expect("parses")
            .expect("there");
        assert_eq!(
            san.value.general_names,
            vec![GeneralName::URI("spiffe://east.example")]
        );
    }
    let (_, intermediate) = X509Certificate::from_der(&authorities.intermediate).expect("parses");
    let ours = intermediate
        .extensions()
        .iter()
        .find(|extension| extension.oid.to_id_string() == "2.25.120402739")
        .expect("our extension");
    assert!(!ours.critical);
    let says = IssuerExtension::decode(ours.value).expect("decodes");
    assert_eq!(says.cluster.as_str(), "east");
}

#[test]
fn a_leaf_never_outlives_its_issuer() {
    let authorities = authorities();
    let who = "spiffe://east.example/ns/shop/sa/web";
    let (_, validity) = leaf(&authorities, who, &Key::new().spki(), 10_000_000);
    assert_eq!(validity.not_after, NOW + 100_000);
    let late = to_be_signed(
        &Template::Leaf {
            id: id(who),
            dns_names: Vec::new(),
        },
        &Key::new().spki(),
        Validity::starting(NOW + 200_000, 60),
        serial(4),
        Signed::By(&authorities.intermediate),
    );
    assert_eq!(
        late,
        Err(IssueError::IssuerEnds {
            not_after: NOW + 100_000
        })
    );
}

#[test]
fn what_a_request_asks_for_is_not_in_the_certificate() {
    let authorities = authorities();
    let key = KeyPair::generate().expect("a key");
    let mut params =
        rcgen::CertificateParams::new(vec!["evil.example".to_owned()]).expect("params");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
    let request = params.serialize_request(&key).expect("a request");
    let requested = RequestedKey::read(request.der()).expect("read");
    let who = "spiffe://east.example/ns/shop/sa/web";
    let (leaf, _) = leaf(&authorities, who, requested.spki(), 3600);
    assert!(verify(&authorities, leaf.clone(), NOW).is_ok());
    let (_, leaf) = X509Certificate::from_der(&leaf).expect("parses");
    let san = leaf
        .subject_alternative_name()
        .expect("parses")
        .expect("there");
    assert_eq!(san.value.general_names, vec![GeneralName::URI(who)]);
}

#[test]
fn refuses_a_leaf_with_the_domains_own_id() {
    let authorities = authorities();
    let template = Template::Leaf {
        id: domain("east.example").id(),
        dns_names: Vec::new(),
    };
    let refused = to_be_signed(
        &template,
        &Key::new().spki(),
        Validity::starting(NOW, 60),
        serial(5),
        Signed::By(&authorities.intermediate),
    );
    assert!(matches!(
        refused,
        Err(IssueError::Template(TemplateError::RootPath { .. }))
    ));
}

#[test]
fn der_lengths_of_every_form() {
    for length in [0, 1, 127, 128, 255, 256, 65_535, 65_536] {
        let element = der(0x04, &vec![7; length]);
        let (rest, any) = x509_parser::der_parser::parse_der(&element).expect("valid DER");
        assert!(rest.is_empty());
        assert_eq!(any.as_slice().map(<[u8]>::len), Ok(length));
    }
}
