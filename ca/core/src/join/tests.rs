use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, KeyUsagePurpose, SanType};

use super::*;

fn cluster(text: &str) -> ClusterId {
    ClusterId::parse(text).expect("a cluster")
}

fn domain(text: &str) -> TrustDomain {
    TrustDomain::parse(text).expect("a domain")
}

fn patterns(list: &[&str]) -> Vec<ServicePattern> {
    let parse = |text: &&str| ServicePattern::parse(text).expect("a pattern");
    list.iter().map(parse).collect()
}

fn realm() -> Realm {
    Realm {
        cluster: cluster("east"),
        trust_domain: domain("east.example"),
    }
}

fn root(uri: &str) -> Arc<[u8]> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.subject_alt_names = vec![SanType::URI(uri.try_into().expect("ASCII"))];
    let root = params.self_signed(&KeyPair::generate().expect("a key"));
    Arc::from(root.expect("a root").der().as_ref())
}

fn claim(id: &str, td: &str) -> Claim {
    Claim {
        cluster: cluster(id),
        controller: domain(td).controller(&cluster(id)),
        addresses: vec![HostPort::parse("gw.example:15443").expect("an address")],
        bundle: Bundle {
            trust_domain: domain(td),
            sequence: 1,
            refresh_hint: 60,
            x509_authorities: vec![root(&format!("spiffe://{td}"))],
        },
        grant: Grant::default(),
    }
}

fn judge(peers: &[Peer], claim: &Claim) -> Result<(), JoinRefusal> {
    check(&realm(), peers, &BundleSet::default(), claim)
}

#[test]
fn a_cluster_of_its_own_is_let_in() {
    let west = claim("west", "west.example");
    assert_eq!(judge(&[], &west), Ok(()));
    let peer = west.peer(Grant::default());
    assert_eq!(peer.trust_domain, domain("west.example"));
    // Again, as a peer it already is.
    assert_eq!(judge(&[peer], &west), Ok(()));
}

#[test]
fn our_own_names_are_refused() {
    let refused = judge(&[], &claim("east", "west.example"));
    assert!(matches!(refused, Err(JoinRefusal::OurCluster { .. })));
    let refused = judge(&[], &claim("west", "east.example"));
    assert!(matches!(refused, Err(JoinRefusal::OurTrustDomain { .. })));
}

#[test]
fn another_peers_names_are_refused() {
    let west = claim("west", "west.example").peer(Grant::default());
    for (id, td) in [("west", "north.example"), ("north", "west.example")] {
        let refused = judge(std::slice::from_ref(&west), &claim(id, td));
        assert!(
            matches!(refused, Err(JoinRefusal::OtherPeer { .. })),
            "{id} {td}"
        );
    }
}

#[test]
fn the_controller_follows_from_cluster_and_domain() {
    let mut west = claim("west", "west.example");
    west.controller = domain("west.example").controller(&cluster("south"));
    let refused = judge(&[], &west);
    assert!(matches!(refused, Err(JoinRefusal::NotItsController { .. })));
}

#[test]
fn tls_must_prove_the_claimed_controller() {
    let west = claim("west", "west.example");
    let id = west.controller.clone();
    assert_eq!(check_proof(&west, &id, Some(&cluster("west"))), Ok(()));
    assert!(check_proof(&west, &id, None).is_err());
    assert!(check_proof(&west, &id, Some(&cluster("south"))).is_err());
    let other = domain("west.example").controller(&cluster("south"));
    assert!(check_proof(&west, &other, Some(&cluster("west"))).is_err());
}

#[test]
fn bundles_are_judged_like_any_other() {
    let west = claim("west", "west.example");
    let mut held = BundleSet::default();
    let newer = Bundle {
        sequence: 5,
        ..west.bundle.clone()
    };
    held.accept(Arc::new(newer)).expect("accepted");
    let refused = check(&realm(), &[], &held, &west);
    assert!(matches!(
        refused,
        Err(JoinRefusal::Bundle(BundleError::LowerSequence { .. }))
    ));
    let mut foreign = west.clone();
    foreign.bundle.x509_authorities = vec![root("spiffe://north.example")];
    assert!(matches!(
        judge(&[], &foreign),
        Err(JoinRefusal::ForeignRoot { .. })
    ));
    let mut junk = west;
    junk.bundle.x509_authorities = vec![Arc::from([1, 2, 3].as_slice())];
    assert!(matches!(
        judge(&[], &junk),
        Err(JoinRefusal::Authority { .. })
    ));
}

#[test]
fn limits_and_merges() {
    let mut west = claim("west", "west.example");
    west.addresses.clear();
    assert_eq!(judge(&[], &west), Err(JoinRefusal::Addresses { count: 0 }));
    let mut west = claim("west", "west.example");
    west.grant.export = vec![patterns(&["shop/*"])[0].clone(); MAX_PATTERNS + 1];
    assert!(matches!(
        judge(&[], &west),
        Err(JoinRefusal::Patterns { .. })
    ));
    let token = Grant {
        export: Vec::new(),
        merge: patterns(&["shop/api", "shop/web"]),
    };
    west.grant.merge = patterns(&["shop/web", "shop/api"]);
    assert_eq!(check_merge(&token, &west), Ok(()));
    west.grant.merge = patterns(&["shop/web"]);
    assert!(matches!(
        check_merge(&token, &west),
        Err(JoinRefusal::MergeNotConfirmed { .. })
    ));
}

#[test]
fn a_known_cluster_comes_by_the_roots_that_are_held_of_it() {
    let west = claim("west", "west.example");
    let mut held = BundleSet::default();
    let (id, td) = (&west.cluster, &west.bundle.trust_domain);
    let stranger = pelago_svid::pin(&root("spiffe://west.example")).expect("a root");
    assert_eq!(check_roots(&held, id, td, &[stranger]), Ok(()));
    held.accept(Arc::new(west.bundle.clone())).expect("held");
    let own = pelago_svid::pin(&west.bundle.x509_authorities[0]).expect("a root");
    assert_eq!(check_roots(&held, id, td, &[own]), Ok(()));
    for roots in [vec![stranger], vec![own, stranger]] {
        let refused = check_roots(&held, id, td, &roots).expect_err("refused");
        assert!(refused.to_string().contains("pelago peer remove west"));
    }
}

#[test]
fn refusals_read_like_sentences() {
    let west = claim("west", "west.example");
    let refused = check_proof(&west, &domain("west.example").id(), None);
    let text = refused.expect_err("refused").to_string();
    assert!(text.contains("(issued by no cluster)"), "{text}");
    let token = Grant {
        export: Vec::new(),
        merge: patterns(&["shop/api", "shop/web"]),
    };
    let text = check_merge(&token, &west).expect_err("refused").to_string();
    assert!(
        text.contains("merges shop/api, shop/web and the joiner confirmed nothing"),
        "{text}"
    );
}
