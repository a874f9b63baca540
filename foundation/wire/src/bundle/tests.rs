use proptest::prelude::*;

use super::*;
use crate::samples;

proptest! {
    #[test]
    fn bundles_survive_the_wire(bundle in samples::bundle()) {
        prop_assert_eq!(decode_all(vec![encode(&bundle)]).unwrap(), vec![bundle]);
    }
}

fn bundle(authorities: Vec<Vec<u8>>) -> Bundle {
    Bundle {
        trust_domain: "td".to_owned(),
        sequence: 1,
        refresh_hint_seconds: 60,
        x509_authorities: authorities,
    }
}

#[test]
fn a_bundle_keeps_the_models_limits() {
    assert!(decode(bundle(vec![vec![0; 16 * 1024]; 64])).is_ok());
    assert!(decode(bundle(vec![vec![0; 1]; 65])).is_err());
    assert!(decode(bundle(vec![vec![0; 16 * 1024 + 1]])).is_err());
    assert!(decode(bundle(Vec::new())).is_err());
}

#[test]
fn a_domain_told_twice_is_refused() {
    let one = bundle(vec![vec![1]]);
    let error = decode_all(vec![one.clone(), one]).unwrap_err();
    assert_eq!((error.field, error.value.as_str()), ("trust_domain", "td"));
}
