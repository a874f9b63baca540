use super::*;

#[test]
fn cluster_ids_are_dns_labels() {
    for good in ["east", "a", "eu-1", &"x".repeat(63)] {
        assert!(ClusterId::parse(good).is_ok(), "{good}");
    }
    for bad in ["", "East", "-a", "a-", "a.b", "a_b", "a/b", &"x".repeat(64)] {
        let error = ClusterId::parse(bad).unwrap_err();
        assert_eq!(error.value, bad);
    }
}

#[test]
fn networks_are_qualified_by_cluster() {
    let network = NetworkId::parse("east/vpc-1").unwrap();
    assert_eq!(network.cluster().unwrap().as_str(), "east");
    assert_eq!(network.to_string(), "east/vpc-1");
    assert_ne!(network, NetworkId::parse("west/vpc-1").unwrap());
    assert!(NetworkId::parse("vpc-1").unwrap().cluster().is_none());
    assert!(NetworkId::parse("a/b/c").is_err());
}

#[test]
fn equal_ids_share_one_text_once_interned() {
    let mut interner = Interner::default();
    let one = interner.intern(ClusterId::parse("east").unwrap());
    let two = interner.intern(ClusterId::parse("east").unwrap());
    assert!(std::ptr::eq(one.as_str(), two.as_str()));
    drop((one, two));
    interner.sweep();
    assert!(interner.texts.is_empty());
}

#[test]
fn a_long_value_is_cut_in_its_error() {
    let error = ClusterId::parse(&"A".repeat(5000)).unwrap_err();
    assert_eq!(error.value.len(), 256);
}
