use proptest::prelude::*;

use super::*;

#[test]
fn the_standard_s_examples() {
    let long = format!("spiffe://td/{}", "a".repeat(MAX_ID - 12));
    for good in [
        "spiffe://td",
        "spiffe://td/a",
        "spiffe://1.2.3.4/a",
        "spiffe://a_b/a",
        "spiffe://td/...",
        &long,
    ] {
        assert_eq!(SpiffeId::parse(good).unwrap().as_str(), good);
    }
    let too_long = format!("{long}a");
    let td = format!("spiffe://{}/a", "a".repeat(256));
    for bad in [
        "",
        "td/a",
        "http://td/a",
        "SPIFFE://td/a",
        "spiffe://TD/a",
        "spiffe:///a",
        "spiffe://",
        "spiffe://td/a?x",
        "spiffe://td/a#f",
        "spiffe://u@td/a",
        "spiffe://td:80/a",
        "spiffe://t%64/a",
        "spiffe://[::1]/a",
        "spiffe://é/a",
        "spiffe://td/a//b",
        "spiffe://td/./a",
        "spiffe://td/a/..",
        "spiffe://td/a/",
        "spiffe://td/",
        "spiffe://td/a%20",
        "spiffe://td/a~b",
        "spiffe://td/a\0",
        &too_long,
        &td,
    ] {
        assert!(SpiffeId::parse(bad).is_err(), "{bad:?}");
    }
    assert_ne!(
        SpiffeId::parse("spiffe://td/A").unwrap(),
        SpiffeId::parse("spiffe://td/a").unwrap()
    );
}

#[test]
fn readings_of_the_path() {
    let id = SpiffeId::parse("spiffe://td/ns/shop/sa/web").unwrap();
    assert_eq!(id.service_account(), Some(("shop", "web")));
    assert_eq!(id.principal(), "td/ns/shop/sa/web");
    assert_eq!(
        SpiffeId::parse("spiffe://td/ns/shop/sa/web/x")
            .unwrap()
            .service_account(),
        None
    );
    assert_eq!(SpiffeId::parse("spiffe://td").unwrap().path(), "");
}

#[test]
fn reserved_ids_name_parts() {
    let td = TrustDomain::parse("td").unwrap();
    let cluster = ClusterId::parse("east").unwrap();
    assert_eq!(
        td.controller(&cluster).part(),
        Some(Part::Controller { cluster: "east" })
    );
    let node = td.part(PartKind::Node, &cluster, &Name::parse("n-1").unwrap());
    assert_eq!(
        node,
        SpiffeId::parse("spiffe://td/pelago/node/east/n-1").unwrap()
    );
    assert_eq!(
        node.part(),
        Some(Part::Named {
            kind: PartKind::Node,
            cluster: "east",
            name: "n-1"
        })
    );
    for not in [
        "spiffe://td/pelago",
        "spiffe://td/pelago/node/east",
        "spiffe://td/pelago/x/east/n",
        "spiffe://td/pelago/node/east/n/x",
    ] {
        let id = SpiffeId::parse(not).unwrap();
        assert!(id.is_reserved());
        assert_eq!(id.part(), None, "{not}");
    }
    assert!(
        !SpiffeId::parse("spiffe://td/pelagos")
            .unwrap()
            .is_reserved()
    );
}

#[test]
fn prefixes_cover_whole_segments_only() {
    let id = SpiffeId::parse("spiffe://td/ns/shop/sa/web").unwrap();
    assert!(id.is_within("spiffe://td"));
    assert!(id.is_within("spiffe://td/ns/shop"));
    assert!(id.is_within("spiffe://td/ns/shop/"));
    assert!(!id.is_within("spiffe://td/ns/sho"));
    assert!(!id.is_within("spiffe://t"));
    assert!(!id.is_within("spiffe://td2"));
}

proptest! {
    #[test]
    fn parse_never_panics_and_never_repairs(text in ".{0,80}") {
        if let Ok(id) = SpiffeId::parse(&text) {
            prop_assert_eq!(id.as_str(), &text);
            prop_assert_eq!(format!("spiffe://{}{}", id.trust_domain(), id.path()), text);
        }
    }
}
