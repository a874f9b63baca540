mod pinned;

use std::sync::Arc;

use pelago_model::Bundle;
use proptest::prelude::*;
use tests_suites::mint::{self, Authority, Minted, NOW, Spec};

use super::*;
use crate::bundle::AuthorityError;
use crate::extension::ExtensionError;

const ID: &str = "spiffe://east.example/ns/shop/sa/web";
const EAST: &[&str] = &["spiffe://east.example"];

fn bundle(domain: &str, roots: &[&[u8]]) -> Arc<Bundle> {
    Arc::new(Bundle {
        trust_domain: TrustDomain::parse(domain).unwrap(),
        sequence: 1,
        refresh_hint: 60,
        x509_authorities: roots.iter().map(|der| Arc::from(*der)).collect(),
    })
}

fn bundles(list: &[(&str, &[&[u8]])]) -> BundleSet {
    let mut set = BundleSet::default();
    for (domain, roots) in list {
        set.accept(bundle(domain, roots)).unwrap();
    }
    set
}

fn chain(list: &[Vec<u8>]) -> Vec<CertificateDer<'static>> {
    list.iter().cloned().map(CertificateDer::from).collect()
}

fn judge(minted: &Minted, bundles: &BundleSet) -> Result<VerifiedPeer, VerifyError> {
    verify(&chain(&minted.chain), bundles, Usage::Client, NOW)
}

struct East {
    root: Authority,
    intermediate: Authority,
    bundles: BundleSet,
}

fn east() -> East {
    let root = Authority::root(&Spec::root("east.example"));
    let intermediate = root.authority(&Spec::intermediate("east", EAST));
    let bundles = bundles(&[("east.example", &[root.der()])]);
    East {
        root,
        intermediate,
        bundles,
    }
}

fn path_error(result: Result<VerifiedPeer, VerifyError>) -> PathError {
    match result {
        Err(VerifyError::Path { source, .. }) => source,
        other => panic!("expected a path error, got {other:?}"),
    }
}

#[test]
fn a_leaf_of_a_cluster_is_believed() {
    let east = east();
    let leaf = east.intermediate.leaf(&Spec::leaf(ID));
    for usage in [Usage::Client, Usage::Server] {
        let peer = verify(&chain(&leaf.chain), &east.bundles, usage, NOW).unwrap();
        assert_eq!(peer.id().as_str(), ID);
        assert_eq!(peer.issuer_cluster().unwrap().as_str(), "east");
        assert_eq!(Some(peer.authority()), crate::pin(east.root.der()));
        assert_eq!(Some(peer.key()), crate::pin(&leaf.chain[0]));
        assert_eq!(peer.not_after(), mint::UNTIL);
    }
    // A presented root changes nothing.
    let with_root = chain(&leaf.with_root());
    assert!(verify(&with_root, &east.bundles, Usage::Client, NOW).is_ok());
}

#[test]
fn a_leaf_of_the_root_has_no_issuing_cluster() {
    let east = east();
    let peer = judge(&east.root.leaf(&Spec::leaf(ID)), &east.bundles).unwrap();
    assert_eq!(peer.issuer_cluster(), None);
}

#[test]
fn no_certificate_and_no_bundle_are_nobody() {
    let east = east();
    let none = verify(&[], &east.bundles, Usage::Client, NOW);
    assert_eq!(none, Err(VerifyError::NoCertificate));
    let leaf = east.intermediate.leaf(&Spec::leaf(ID));
    let unknown = judge(&leaf, &BundleSet::default());
    assert!(matches!(
        unknown,
        Err(VerifyError::UnknownTrustDomain { .. })
    ));
    assert_eq!(unknown.unwrap_err().reason(), Reason::UnknownTrustDomain);
}

#[test]
fn x6_roots_of_other_domains_are_never_used() {
    let east = east();
    let west = Authority::root(&Spec::root("west.example"));
    let both = bundles(&[
        ("east.example", &[east.root.der()]),
        ("west.example", &[west.der()]),
    ]);
    // West's own root signs an ID of east, and east's an ID of west.
    let forged = judge(&west.leaf(&Spec::leaf(ID)), &both);
    assert!(matches!(path_error(forged), PathError::NoPath(_)));
    let other = Spec::leaf("spiffe://west.example/ns/shop/sa/web");
    let forged = judge(&east.root.leaf(&other), &both);
    assert!(matches!(path_error(forged), PathError::NoPath(_)));
    assert!(judge(&west.leaf(&other), &both).is_ok());
}

#[test]
fn x7_roots_outside_their_validity_are_ignored() {
    for spec in [
        Spec::root("east.example").valid(mint::FROM, NOW - 1),
        Spec::root("east.example").valid(NOW + 1, mint::UNTIL),
    ] {
        let root = Authority::root(&spec);
        let leaf = root.leaf(&Spec::leaf(ID));
        let alone = bundles(&[("east.example", &[root.der()])]);
        assert!(matches!(
            judge(&leaf, &alone),
            Err(VerifyError::NoValidRoot { .. })
        ));
        let good = east();
        let beside = bundles(&[("east.example", &[root.der(), good.root.der()])]);
        assert!(matches!(
            path_error(judge(&leaf, &beside)),
            PathError::NoPath(_)
        ));
        let other = good.intermediate.leaf(&Spec::leaf(ID));
        assert!(judge(&other, &beside).is_ok());
    }
}

#[test]
fn rule_22_time_and_issuers_of_the_path() {
    let east = east();
    let no_path = |minted: &Minted| path_error(judge(minted, &east.bundles));
    let expired = Spec::leaf(ID).valid(mint::FROM, NOW - 1);
    let future = Spec::leaf(ID).valid(NOW + 1, mint::UNTIL);
    for spec in [&expired, &future] {
        assert!(matches!(
            no_path(&east.intermediate.leaf(spec)),
            PathError::NoPath(
                webpki::Error::CertExpired { .. } | webpki::Error::CertNotValidYet { .. }
            )
        ));
    }
    let stale = Spec::intermediate("east", EAST).valid(mint::FROM, NOW - 1);
    let stale = east.root.authority(&stale).leaf(&Spec::leaf(ID));
    assert!(matches!(no_path(&stale), PathError::NoPath(_)));
    // Without its intermediate, or with a namesake's.
    let mut bare = east.intermediate.leaf(&Spec::leaf(ID));
    bare.chain.truncate(1);
    assert!(matches!(no_path(&bare), PathError::NoPath(_)));
    let namesake = east.root.authority(&Spec::intermediate("east", EAST));
    bare.chain.push(namesake.der().to_vec());
    assert!(matches!(no_path(&bare), PathError::NoPath(_)));
    // pathLen 0 forbids a CA below.
    let nested = Spec::intermediate("east", EAST).subject("nested");
    let nested = east.intermediate.authority(&nested);
    assert!(matches!(
        no_path(&nested.leaf(&Spec::leaf(ID))),
        PathError::NoPath(webpki::Error::PathLenConstraintViolated)
    ));
}

#[test]
fn rule_10_an_altered_id_breaks_the_signature() {
    let east = east();
    let mut leaf = east.intermediate.leaf(&Spec::leaf(ID));
    let at = leaf.chain[0].windows(3).position(|w| w == b"web").unwrap();
    leaf.chain[0][at] = b'x';
    let judged = path_error(judge(&leaf, &east.bundles));
    assert!(matches!(judged, PathError::NoPath(_)));
}

#[test]
fn rule_15_a_ca_is_no_peer() {
    let east = east();
    let root = [CertificateDer::from(east.root.der().to_vec())];
    let judged = verify(&root, &east.bundles, Usage::Client, NOW);
    assert!(matches!(judged, Err(VerifyError::Leaf(_))));
}

#[test]
fn rules_16_and_18_issuers_must_be_cas_that_sign() {
    let east = east();
    let judge = |spec: &Spec| {
        judge(
            &east.root.authority(spec).leaf(&Spec::leaf(ID)),
            &east.bundles,
        )
    };
    let intermediate = || Spec::intermediate("east", EAST);
    let leaf = mint::basic_constraints(false, None);
    assert!(matches!(
        path_error(judge(&intermediate().with(leaf))),
        PathError::NoPath(_)
    ));
    for spec in [
        intermediate().with(mint::key_usage(mint::DIGITAL_SIGNATURE)),
        intermediate().without(mint::KEY_USAGE),
    ] {
        let error = path_error(judge(&spec));
        assert_eq!(error, PathError::BadIssuer(AuthorityError::MayNotSign));
    }
}

#[test]
fn x4_uri_name_constraints_never_let_anyone_in() {
    let east = east();
    for host in ["east.example", "west.example"] {
        let spec = Spec::intermediate("east", EAST).and(mint::uri_constraint(host));
        let leaf = east.root.authority(&spec).leaf(&Spec::leaf(ID));
        assert!(judge(&leaf, &east.bundles).is_err());
        let root = Authority::root(&Spec::root("east.example").and(mint::uri_constraint(host)));
        let constrained = bundles(&[("east.example", &[root.der()])]);
        assert!(judge(&root.leaf(&Spec::leaf(ID)), &constrained).is_err());
    }
}

#[test]
fn x5_chain_bombs_are_refused_unread() {
    let east = east();
    let mut leaf = east.intermediate.leaf(&Spec::leaf(ID));
    let decoy = east
        .root
        .cross_sign(&east.intermediate, &Spec::intermediate("east", EAST));
    leaf.chain.extend(std::iter::repeat_n(decoy, 100));
    let judged = judge(&leaf, &east.bundles);
    assert!(matches!(judged, Err(VerifyError::ChainTooLarge { .. })));
    leaf.chain.truncate(2);
    leaf.chain.push(vec![0x30; MAX_CHAIN_BYTES]);
    assert!(matches!(
        judge(&leaf, &east.bundles),
        Err(VerifyError::ChainTooLarge { .. })
    ));
}

#[test]
fn x5_a_bomb_within_the_limits_ends() {
    let east = east();
    // A stranger's root with the name of the true one, and as many of its own kind as a chain may
    // hold: each could have issued each, and each name fits the true root.
    let stranger = Authority::root(&Spec::root("east.example"));
    let mut leaf = stranger.leaf(&Spec::leaf(ID));
    let again = Spec::root("east.example");
    let fuses = std::iter::repeat_with(|| stranger.cross_sign(&stranger, &again));
    leaf.chain.extend(fuses.take(MAX_CHAIN - leaf.chain.len()));
    assert_eq!(leaf.chain.len(), MAX_CHAIN);
    assert!(matches!(
        path_error(judge(&leaf, &east.bundles)),
        PathError::NoPath(_)
    ));
}

#[test]
fn the_extension_is_believed_from_the_path_only() {
    let east = east();
    // A stranger signs the intermediate's own name and key with another cluster in it, and the
    // leaf's holder presents that first.
    let stranger = Authority::root(&Spec::root("east.example"));
    let decoy = Spec::intermediate("west", &["spiffe://east.example", "spiffe://west.example"])
        .subject("intermediate of east");
    let decoy = stranger.cross_sign(&east.intermediate, &decoy);
    let mut leaf = east.intermediate.leaf(&Spec::leaf(ID));
    leaf.chain.insert(1, decoy);
    leaf.chain.push(stranger.der().to_vec());
    let peer = judge(&leaf, &east.bundles).unwrap();
    assert_eq!(peer.issuer_cluster().unwrap().as_str(), "east");
    // An extension on the leaf itself says nothing.
    let leaf = Spec::leaf(ID).and(mint::issuer(1, "west", EAST));
    let peer = judge(&east.intermediate.leaf(&leaf), &east.bundles).unwrap();
    assert_eq!(peer.issuer_cluster().unwrap().as_str(), "east");
}

#[test]
fn prefixes_are_enforced() {
    let east = east();
    let narrow = Spec::intermediate("east", &["spiffe://east.example/ns/shop"]);
    let narrow = east.root.authority(&narrow);
    assert!(judge(&narrow.leaf(&Spec::leaf(ID)), &east.bundles).is_ok());
    let outside = Spec::leaf("spiffe://east.example/ns/shopping/sa/web");
    let error = path_error(judge(&narrow.leaf(&outside), &east.bundles));
    assert!(matches!(error, PathError::OutsidePrefixes { .. }));
    let nothing = east.root.authority(&Spec::intermediate("east", &[]));
    let error = path_error(judge(&nothing.leaf(&Spec::leaf(ID)), &east.bundles));
    assert!(matches!(error, PathError::OutsidePrefixes { .. }));
}

#[test]
fn nested_authorities_get_the_intersection() {
    let east = east();
    let deep = |prefixes: &[&str]| {
        Spec::intermediate("east", prefixes).with(mint::basic_constraints(true, Some(1)))
    };
    let upper = east
        .root
        .authority(&deep(&["spiffe://east.example/ns/shop"]));
    let wide = upper.authority(&Spec::intermediate("east", EAST).subject("wide"));
    assert!(judge(&wide.leaf(&Spec::leaf(ID)), &east.bundles).is_ok());
    let outside = Spec::leaf("spiffe://east.example/ns/bank/sa/vault");
    let error = path_error(judge(&wide.leaf(&outside), &east.bundles));
    assert!(matches!(error, PathError::OutsidePrefixes { .. }));
    // A CA below without the extension is held to the one above.
    let plain = Spec::intermediate("east", EAST)
        .without(mint::ISSUER)
        .subject("plain");
    let plain = upper.authority(&plain);
    let peer = judge(&plain.leaf(&Spec::leaf(ID)), &east.bundles).unwrap();
    assert_eq!(peer.issuer_cluster().unwrap().as_str(), "east");
    // One below cannot become another cluster.
    let other = upper.authority(&Spec::intermediate("west", EAST));
    let error = path_error(judge(&other.leaf(&Spec::leaf(ID)), &east.bundles));
    assert!(matches!(error, PathError::OtherCluster { .. }));
}

#[test]
fn an_extension_that_cannot_be_read_is_refused() {
    let east = east();
    let judge = |spec: &Spec| {
        let leaf = east.root.authority(spec).leaf(&Spec::leaf(ID));
        path_error(judge(&leaf, &east.bundles))
    };
    let newer = Spec::intermediate("east", EAST).with(mint::issuer(2, "east", EAST));
    assert!(matches!(
        judge(&newer),
        PathError::BadExtension(ExtensionError::OtherVersion { .. })
    ));
    let twice = Spec::intermediate("east", EAST).and(mint::issuer(1, "west", EAST));
    assert!(matches!(
        judge(&twice),
        PathError::BadExtension(ExtensionError::Repeated)
            | PathError::BadIssuer(_)
            | PathError::NoPath(_)
    ));
}

#[test]
fn a_claim_to_another_cluster_is_refused() {
    let east = east();
    let claim = |authority: &Authority, path: &str| {
        let spec = Spec::leaf(&format!("spiffe://east.example/pelago/{path}"));
        judge(&authority.leaf(&spec), &east.bundles)
    };
    assert!(claim(&east.intermediate, "controller/east").is_ok());
    assert!(claim(&east.intermediate, "node/east/n1").is_ok());
    for path in [
        "controller/west",
        "node/west/n1",
        "gateway/west/g",
        "robot/east/r",
        "node",
    ] {
        let judged = claim(&east.intermediate, path);
        assert!(
            matches!(judged, Err(VerifyError::ClaimsOtherCluster { .. })),
            "{path}: {judged:?}"
        );
    }
    // Without an issuing cluster no part of Pelago can be claimed at all.
    assert!(claim(&east.root, "controller/east").is_err());
}

proptest! {
    #[test]
    fn any_presented_bytes_are_refused_without_panic(
        junk in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..10),
    ) {
        let set = BUNDLES.with(Clone::clone);
        prop_assert!(verify(&chain(&junk), &set, Usage::Server, NOW).is_err());
        let expected = SpiffeId::parse(ID).unwrap();
        prop_assert!(verify_pinned(&chain(&junk), &[], &expected, NOW).is_err());
    }
}

thread_local! {
    static BUNDLES: BundleSet = east().bundles;
}
