use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256,
    PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_ED25519, PKCS_RSA_SHA256, RsaKeySize,
};

use super::*;

fn request(key: &KeyPair) -> Vec<u8> {
    let request = CertificateParams::default().serialize_request(key);
    request.expect("a request").der().to_vec()
}

#[test]
fn takes_the_kinds_of_keys_it_names() {
    for algorithm in [
        &PKCS_ECDSA_P256_SHA256,
        &PKCS_ECDSA_P384_SHA384,
        &PKCS_ED25519,
    ] {
        let key = KeyPair::generate_for(algorithm).expect("a key");
        let read = RequestedKey::read(&request(&key)).expect("taken");
        assert_eq!(
            read.spki(),
            rcgen::PublicKeyData::subject_public_key_info(&key)
        );
    }
    let rsa = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("a key");
    assert!(RequestedKey::read(&request(&rsa)).is_ok());
}

#[test]
fn refuses_other_curves() {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P521_SHA512).expect("a key");
    assert_eq!(RequestedKey::read(&request(&key)), Err(CsrError::KeyKind));
}

#[test]
fn judges_rsa_by_modulus_and_exponent() {
    let check = |modulus: &[u8], exponent: &[u8]| check_rsa(&RSAPublicKey { modulus, exponent });
    let mut modulus = vec![0xff; 257];
    modulus[0] = 0;
    assert_eq!(check(&modulus, &[1, 0, 1]), Ok(()));
    assert_eq!(check(&modulus, &[3]), Err(CsrError::RsaExponent));
    assert_eq!(
        check(&modulus[1..129], &[1, 0, 1]),
        Err(CsrError::RsaSize { bits: 1024 })
    );
    let mut short = modulus.clone();
    short[1] = 0x7f;
    assert_eq!(
        check(&short, &[1, 0, 1]),
        Err(CsrError::RsaSize { bits: 2047 })
    );
    assert_eq!(
        check(&[0xff; 2048], &[1, 0, 1]),
        Err(CsrError::RsaSize { bits: 16384 })
    );
    assert_eq!(check(&[], &[]), Err(CsrError::RsaSize { bits: 0 }));
}

#[test]
fn refuses_a_request_that_its_key_did_not_sign() {
    let mut der = request(&KeyPair::generate().expect("a key"));
    let last = der.len() - 1;
    der[last] ^= 1;
    let refused = RequestedKey::read(&der);
    assert!(
        matches!(refused, Err(CsrError::NotTheirKey | CsrError::Malformed)),
        "{refused:?}"
    );
    // Another key's signature over another body.
    let (one, two) = (
        KeyPair::generate().expect("a key"),
        KeyPair::generate().expect("a key"),
    );
    let (one, two) = (request(&one), request(&two));
    let mut mixed = one.clone();
    let at = one.len() - 60;
    if one.len() == two.len() {
        mixed[at..].copy_from_slice(&two[at..]);
        assert!(RequestedKey::read(&mixed).is_err());
    }
}

#[test]
fn reads_the_key_of_a_request_that_asks_for_the_world() {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec!["evil.example".to_owned()]).expect("params");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.custom_extensions = vec![CustomExtension::from_oid_content(&[2, 25, 7], vec![5, 0])];
    let der = params.serialize_request(&key).expect("a request");
    assert!(RequestedKey::read(der.der()).is_ok());
}

#[test]
fn refuses_what_is_too_large_or_no_request_without_panic() {
    assert_eq!(
        RequestedKey::read(&vec![0x30; MAX_REQUEST + 1]),
        Err(CsrError::TooLarge {
            size: MAX_REQUEST + 1
        })
    );
    let good = request(&KeyPair::generate().expect("a key"));
    for length in 0..good.len() {
        assert!(RequestedKey::read(&good[..length]).is_err(), "{length}");
    }
    let mut trailing = good.clone();
    trailing.push(0);
    assert_eq!(RequestedKey::read(&trailing), Err(CsrError::Malformed));
    for at in 0..good.len() {
        let mut flipped = good.clone();
        flipped[at] ^= 0x41;
        let _ = RequestedKey::read(&flipped);
    }
}
