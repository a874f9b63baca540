use super::*;

fn bundle(domain: &str, sequence: u64, roots: &[&[u8]]) -> Bundle {
    Bundle {
        trust_domain: TrustDomain::parse(domain).unwrap(),
        sequence,
        refresh_hint: 60,
        x509_authorities: roots.iter().map(|der| Arc::from(*der)).collect(),
    }
}

#[test]
fn sequences_only_grow() {
    let mut set = BundleSet::default();
    set.accept(Arc::new(bundle("a", 5, &[b"x"]))).unwrap();
    let lower = set.accept(Arc::new(bundle("a", 4, &[b"y"]))).unwrap_err();
    assert_eq!(
        lower,
        BundleError::LowerSequence {
            trust_domain: TrustDomain::parse("a").unwrap(),
            held: 5,
            offered: 4
        }
    );
    assert!(matches!(
        set.accept(Arc::new(bundle("a", 5, &[b"y"]))),
        Err(BundleError::SameSequence { .. })
    ));
    set.accept(Arc::new(bundle("a", 5, &[b"x"]))).unwrap();
    assert_eq!(set.iter().next().unwrap().sequence, 5);
    set.accept(Arc::new(bundle("a", 6, &[b"y"]))).unwrap();
    assert_eq!(set.iter().next().unwrap().sequence, 6);
}

#[test]
fn an_empty_or_huge_bundle_is_never_taken() {
    let mut set = BundleSet::default();
    assert!(matches!(
        set.accept(Arc::new(bundle("a", 1, &[]))),
        Err(BundleError::Empty { .. })
    ));
    let many = vec![b"x".as_slice(); 65];
    assert!(matches!(
        set.accept(Arc::new(bundle("a", 1, &many))),
        Err(BundleError::TooLarge { .. })
    ));
    assert!(set.iter().next().is_none());
}

#[test]
fn domains_are_kept_apart() {
    let held = bundle("a", 1, &[b"x"]);
    assert!(matches!(
        held.accept(&bundle("b", 2, &[b"x"])),
        Err(BundleError::OtherDomain { .. })
    ));
}

#[test]
fn json_round_trip() {
    let one = bundle("a", u64::MAX, &[b"x", b"yy"]);
    let text = serde_json::to_string(&one).unwrap();
    assert_eq!(serde_json::from_str::<Bundle>(&text).unwrap(), one);
}
