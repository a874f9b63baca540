use tests_suites::mint::{self, Authority as Ca, SanName, Spec};

use super::*;

fn judge(spec: &Spec) -> Result<Authority, AuthorityError> {
    authority(Ca::root(spec).der())
}

#[test]
fn a_spiffe_root_says_its_trust_domain_and_pin() {
    let root = Ca::root(&Spec::root("east.example"));
    let said = authority(root.der()).unwrap();
    assert_eq!(said.trust_domain.unwrap().as_str(), "east.example");
    assert_eq!((said.not_before, said.not_after), (mint::FROM, mint::UNTIL));
    assert_eq!(Some(said.pin), crate::pin(root.der()));
}

#[test]
fn a_root_without_uri_is_anyones() {
    let spec = Spec::root("east.example").without(mint::SUBJECT_ALT_NAME);
    assert_eq!(judge(&spec).unwrap().trust_domain, None);
}

#[test]
fn the_standards_own_slash_is_tolerated() {
    let uri = [SanName::Uri("spiffe://east.example/")];
    let spec = Spec::root("east.example").with(mint::subject_alt_name(&uri, false));
    let domain = judge(&spec).unwrap().trust_domain.unwrap();
    assert_eq!(domain.as_str(), "east.example");
}

#[test]
fn what_cannot_be_a_root_is_refused_by_name() {
    let root = || Spec::root("east.example");
    let not_ca = mint::basic_constraints(false, None);
    assert_eq!(judge(&root().with(not_ca)), Err(AuthorityError::NotACa));
    assert_eq!(
        judge(&root().without(mint::BASIC_CONSTRAINTS)),
        Err(AuthorityError::NotACa)
    );
    let no_sign = mint::key_usage(mint::CRL_SIGN);
    assert_eq!(
        judge(&root().with(no_sign)),
        Err(AuthorityError::MayNotSign)
    );
    assert_eq!(
        judge(&root().without(mint::KEY_USAGE)),
        Err(AuthorityError::MayNotSign)
    );
    // Rule 21.
    let constrained = root().and(mint::uri_constraint("east.example"));
    assert_eq!(judge(&constrained), Err(AuthorityError::UriNameConstraints));
    for uri in [
        "spiffe://east.example/ca",
        "https://east.example",
        "spiffe://EAST",
    ] {
        let spec = root().with(mint::subject_alt_name(&[SanName::Uri(uri)], false));
        let expected = AuthorityError::BadUri {
            uri: uri.to_owned(),
        };
        assert_eq!(judge(&spec), Err(expected));
    }
    let two = [
        SanName::Uri("spiffe://east.example"),
        SanName::Uri("spiffe://west.example"),
    ];
    let two = root().with(mint::subject_alt_name(&two, false));
    assert!(matches!(judge(&two), Err(AuthorityError::BadUri { .. })));
    assert_eq!(authority(b"-----BEGIN"), Err(AuthorityError::Malformed));
    let root = Ca::root(&root());
    let padded = [root.der(), &[0]].concat();
    assert_eq!(authority(&padded), Err(AuthorityError::Malformed));
}

#[test]
fn constraints_that_cannot_be_read_are_refused() {
    let mut longer = mint::uri_constraint("east.example");
    let behind = std::mem::replace(&mut longer.value, mint::der(0x30, &[]));
    longer.value.extend(behind);
    let spec = Spec::root("east.example").and(longer);
    assert_eq!(judge(&spec), Err(AuthorityError::Malformed));
    let host = mint::uri_constraint("east.example");
    let twice = Spec::root("east.example").and(host.clone()).and(host);
    assert_eq!(judge(&twice), Err(AuthorityError::Malformed));
}
