use proptest::prelude::*;
use tests_suites::mint;

use super::*;

fn sample() -> IssuerExtension {
    IssuerExtension {
        cluster: ClusterId::parse("east").unwrap(),
        prefixes: vec![
            SpiffeId::parse("spiffe://east.example/ns/shop").unwrap(),
            SpiffeId::parse("spiffe://east.example/pelago").unwrap(),
        ],
    }
}

#[test]
fn writes_what_an_independent_encoder_writes() {
    let prefixes = [
        "spiffe://east.example/ns/shop",
        "spiffe://east.example/pelago",
    ];
    assert_eq!(sample().encode(), mint::issuer(1, "east", &prefixes).value);
    assert_eq!(OID, mint::ISSUER);
}

#[test]
fn oid_octets_are_those_of_its_arcs() {
    let oid = x509_parser::oid_registry::Oid::from(OID).unwrap();
    assert_eq!(oid.as_bytes(), OID_DER);
}

#[test]
fn reads_what_it_wrote() {
    let mut many = sample();
    many.prefixes = (0..MAX_PREFIXES)
        .map(|i| SpiffeId::parse(&format!("spiffe://east.example/ns/n{i}")).unwrap())
        .collect();
    for extension in [sample(), many] {
        assert_eq!(IssuerExtension::decode(&extension.encode()), Ok(extension));
    }
}

#[test]
fn covers_whole_segments_only() {
    let id = |text| SpiffeId::parse(text).unwrap();
    assert!(sample().covers(&id("spiffe://east.example/ns/shop")));
    assert!(sample().covers(&id("spiffe://east.example/ns/shop/sa/web")));
    assert!(!sample().covers(&id("spiffe://east.example/ns/shopping/sa/web")));
    assert!(!sample().covers(&id("spiffe://east.example/ns")));
    assert!(!sample().covers(&id("spiffe://west.example/ns/shop/sa/web")));
}

#[test]
fn refuses_what_is_not_exactly_its_grammar() {
    let value =
        |version, cluster, prefixes: &[&str]| mint::issuer(version, cluster, prefixes).value;
    let decode = |bytes: &[u8]| IssuerExtension::decode(bytes).unwrap_err();
    let good = value(1, "east", &["spiffe://east.example"]);
    assert_eq!(
        decode(&value(2, "east", &[])),
        ExtensionError::OtherVersion { version: vec![2] }
    );
    assert!(matches!(
        decode(&value(1, "East", &[])),
        ExtensionError::BadName(_)
    ));
    for prefix in ["spiffe://east.example/", "east.example", "", "*"] {
        let error = decode(&value(1, "east", &[prefix]));
        assert!(matches!(error, ExtensionError::BadName(_)), "{prefix}");
    }
    let many = vec!["spiffe://east.example"; MAX_PREFIXES + 1];
    assert_eq!(
        decode(&value(1, "east", &many)),
        ExtensionError::TooManyPrefixes
    );
    assert_eq!(
        decode(&vec![0x30; MAX_VALUE + 1]),
        ExtensionError::TooLarge {
            bytes: MAX_VALUE + 1
        }
    );
    // Trailing bytes, outside and inside.
    assert_eq!(
        decode(&[&good[..], &[0]].concat()),
        ExtensionError::Malformed
    );
    let inside = mint::der(0x30, &[&good[2..], &[0x05, 0x00]].concat());
    assert_eq!(decode(&inside), ExtensionError::Malformed);
    for cut in 0..good.len() {
        assert_eq!(
            decode(&good[..cut]),
            ExtensionError::Malformed,
            "cut at {cut}"
        );
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        if let Ok(read) = IssuerExtension::decode(&bytes) {
            prop_assert_eq!(read.encode(), bytes);
        }
    }

    #[test]
    fn any_altered_byte_reads_as_itself_or_is_refused(at in 0_usize..80, to in any::<u8>()) {
        let mut bytes = sample().encode();
        let at = at % bytes.len();
        bytes[at] = to;
        if let Ok(read) = IssuerExtension::decode(&bytes) {
            prop_assert_eq!(read.encode(), bytes);
        }
    }
}
