use super::*;

fn entry(selectors: &[&str]) -> RegistrationEntry {
    RegistrationEntry {
        id: Name::parse("shop.web").unwrap(),
        spiffe_id: SpiffeId::parse("spiffe://td/ns/shop/sa/web").unwrap(),
        node: Name::parse("n1").unwrap(),
        selectors: selectors
            .iter()
            .map(|text| Selector::parse(text).unwrap())
            .collect(),
        ttl_seconds: None,
        hint: String::new(),
    }
}

#[test]
fn every_selector_must_hold() {
    let facts = Facts {
        uid: Some(7),
        gids: vec![1, 2],
        path: Some("/bin/web".into()),
    };
    assert!(facts.satisfy(&entry(&["unix:uid:7"])));
    assert!(facts.satisfy(&entry(&["unix:uid:7", "unix:gid:2", "unix:path:/bin/web"])));
    assert!(!facts.satisfy(&entry(&["unix:uid:7", "unix:gid:3"])));
    assert!(
        !Facts::default().satisfy(&entry(&["unix:uid:0"])),
        "an unknown uid is not 0"
    );
    assert!(!facts.satisfy(&entry(&[])), "no selectors match nobody");
}

#[test]
fn other_selectors_are_refused_by_name() {
    for bad in [
        "unix:uid:x",
        "unix:uid:-1",
        "unix:path:relative",
        "k8s:ns:shop",
        "unix:sha256:00",
        "unix:uid",
        "",
    ] {
        assert_eq!(Selector::parse(bad).unwrap_err().value, bad);
    }
}
