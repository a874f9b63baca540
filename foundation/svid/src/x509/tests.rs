use proptest::prelude::*;
use tests_suites::mint::{self, Authority, SanName, Spec};

use super::*;

const ID: &str = "spiffe://east.example/ns/shop/sa/web";

fn judge(spec: &Spec) -> Result<Leaf, LeafError> {
    let root = Authority::root(&Spec::root("east.example"));
    leaf(&root.leaf(spec).chain[0])
}

fn san(names: &[SanName<'_>]) -> Spec {
    Spec::leaf(ID).with(mint::subject_alt_name(names, true))
}

#[test]
fn a_good_leaf_says_who_it_is() {
    let leaf = judge(&Spec::leaf(ID)).unwrap();
    assert_eq!(leaf.id.as_str(), ID);
    assert_eq!((leaf.not_before, leaf.not_after), (mint::FROM, mint::UNTIL));
    assert_eq!(of_spki(&leaf.spki), leaf.pin);
    // Rule 11: DNS names beside the URI are no matter. Rule 20: no EKU is as good as both.
    let names = [SanName::Uri(ID), SanName::Dns("web.example")];
    assert_eq!(judge(&san(&names)).unwrap().id.as_str(), ID);
    assert!(judge(&Spec::leaf(ID).without(mint::EXTENDED_KEY_USAGE)).is_ok());
    // Basic constraints may be absent (cA defaults to false).
    assert!(judge(&Spec::leaf(ID).without(mint::BASIC_CONSTRAINTS)).is_ok());
    // Rule 19: keyEncipherment may be there.
    let more = mint::key_usage(mint::DIGITAL_SIGNATURE | mint::KEY_ENCIPHERMENT);
    assert!(judge(&Spec::leaf(ID).with(more)).is_ok());
}

#[test]
fn rule_11_exactly_one_uri() {
    let count = |found| Err(LeafError::UriCount { found });
    assert_eq!(judge(&san(&[SanName::Dns("web.example")])), count(0));
    assert_eq!(
        judge(&Spec::leaf(ID).without(mint::SUBJECT_ALT_NAME)),
        count(0)
    );
    let https = SanName::Uri("https://web.example");
    assert_eq!(judge(&san(&[SanName::Uri(ID), https])), count(2));
    assert_eq!(judge(&san(&[SanName::Uri(ID), SanName::Uri(ID)])), count(2));
    // X2: an ID in the common name is no ID.
    let named = Spec::leaf(ID).without(mint::SUBJECT_ALT_NAME).subject(ID);
    assert_eq!(judge(&named), count(0));
    // Two SAN extensions are none.
    let other = mint::subject_alt_name(&[SanName::Uri("spiffe://east.example/b")], true);
    assert_eq!(judge(&Spec::leaf(ID).and(other)), Err(LeafError::Malformed));
}

#[test]
fn x1_only_canonical_ids() {
    let long = format!("spiffe://{}/a", "d".repeat(256));
    let longer = format!("spiffe://td/{}", "p".repeat(2048));
    for uri in [
        "spiffe://East.example/a",
        "SPIFFE://east.example/a",
        "spiffe://east.example/%2e",
        "spiffe://east.example/a/../b",
        "spiffe://east.example//a",
        "spiffe://east.example/a/",
        "spiffe://east.example/a?x",
        "spiffe://east.example/a#f",
        "spiffe://user@east.example/a",
        "spiffe://east.example:443/a",
        "spiffe://[::1]/a",
        "spiffe:///a",
        "https://east.example/a",
        "spiffe://east.example/a\0.evil.example",
        long.as_str(),
        longer.as_str(),
    ] {
        let judged = judge(&san(&[SanName::Uri(uri)]));
        assert!(matches!(judged, Err(LeafError::BadId(_))), "{uri}");
    }
    // A confusable is not even IA5.
    assert!(judge(&san(&[SanName::Uri("spiffe://еast.example/a")])).is_err());
}

#[test]
fn rule_12_a_leaf_has_a_path() {
    let judged = judge(&san(&[SanName::Uri("spiffe://east.example")]));
    assert!(matches!(judged, Err(LeafError::RootPath { .. })));
}

#[test]
fn rule_13_san_is_critical_when_the_subject_is_empty() {
    let loose = || mint::subject_alt_name(&[SanName::Uri(ID)], false);
    let judged = judge(&Spec::leaf(ID).with(loose()));
    assert_eq!(judged, Err(LeafError::SanNotCritical));
    assert!(judge(&Spec::leaf(ID).with(loose()).subject("web")).is_ok());
}

#[test]
fn rule_16_and_x3_a_leaf_is_no_ca() {
    let ca = mint::basic_constraints(true, None);
    assert_eq!(judge(&Spec::leaf(ID).with(ca)), Err(LeafError::IsCa));
}

#[test]
fn rules_17_and_19_key_usage() {
    let judge = |usage| judge(&Spec::leaf(ID).with(usage));
    let sign = mint::key_usage(mint::DIGITAL_SIGNATURE);
    assert_eq!(
        judge(sign.critical(false)),
        Err(LeafError::KeyUsageNotCritical)
    );
    assert_eq!(
        leaf(
            &Authority::root(&Spec::root("east.example"))
                .leaf(&Spec::leaf(ID).without(mint::KEY_USAGE))
                .chain[0]
        ),
        Err(LeafError::KeyUsageNotCritical)
    );
    assert_eq!(
        judge(mint::key_usage(mint::KEY_ENCIPHERMENT)),
        Err(LeafError::MayNotSign)
    );
    for bit in [mint::KEY_CERT_SIGN, mint::CRL_SIGN] {
        assert_eq!(
            judge(mint::key_usage(mint::DIGITAL_SIGNATURE | bit)),
            Err(LeafError::SignsCertificates)
        );
    }
}

#[test]
fn rule_20_extended_key_usage_has_both_roles() {
    for (server, client) in [(true, false), (false, true), (false, false)] {
        let usage = mint::extended_key_usage(server, client);
        let judged = judge(&Spec::leaf(ID).with(usage));
        assert_eq!(judged, Err(LeafError::ExtendedKeyUsage));
    }
}

#[test]
fn an_extension_that_repeats_makes_no_leaf() {
    for again in [
        mint::basic_constraints(false, None),
        mint::basic_constraints(true, None),
        mint::key_usage(mint::DIGITAL_SIGNATURE),
        mint::extended_key_usage(true, true),
        mint::subject_alt_name(&[SanName::Dns("web.example")], true),
    ] {
        let judged = judge(&Spec::leaf(ID).and(again.clone()));
        assert_eq!(judged, Err(LeafError::Malformed), "{again:?}");
    }
}

#[test]
fn an_extension_with_more_behind_it_makes_no_leaf() {
    for good in Spec::leaf(ID).extensions {
        let mut longer = good.clone();
        longer.value.extend(mint::der(0x05, &[]));
        let judged = judge(&Spec::leaf(ID).with(longer));
        assert_eq!(judged, Err(LeafError::Malformed), "{good:?}");
    }
}

#[test]
fn bytes_after_the_certificate_are_refused() {
    let root = Authority::root(&Spec::root("east.example"));
    let mut der = root.leaf(&Spec::leaf(ID)).chain.remove(0);
    der.push(0);
    assert_eq!(leaf(&der), Err(LeafError::Malformed));
    assert_eq!(crate::pin(&der), None);
}

#[test]
fn concatenated_certificates_come_apart_again() {
    let root = Authority::root(&Spec::root("east.example"));
    let leaf = root.leaf(&Spec::leaf(ID)).with_root();
    let parts = split(&leaf.concat()).unwrap();
    assert!(
        parts
            .iter()
            .map(AsRef::as_ref)
            .eq(leaf.iter().map(Vec::as_slice))
    );
    assert_eq!(split(&[]), Ok(Vec::new()));
    let at = leaf[0].len();
    let cut = leaf.concat();
    let cut = split(&cut[..cut.len() - 1]);
    assert_eq!(cut, Err(SplitError::Malformed { at }));
    let many = leaf[0].repeat(MAX_CERTIFICATES + 1);
    assert_eq!(split(&many), Err(SplitError::TooMany));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        prop_assert!(leaf(&bytes).is_err());
        prop_assert!(crate::bundle::authority(&bytes).is_err());
        prop_assert!(bytes.is_empty() || split(&bytes).is_err());
    }

    #[test]
    fn altered_certificates_never_panic(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut der = SAMPLE.with(Clone::clone);
        for (at, to) in edits {
            let at = at.index(der.len());
            der[at] = to;
        }
        let _ = leaf(&der);
        let _ = crate::bundle::authority(&der);
        let _ = leaf(&der[..cut.index(der.len())]);
    }
}

thread_local! {
    static SAMPLE: Vec<u8> = Authority::root(&Spec::root("east.example"))
        .leaf(&Spec::leaf(ID))
        .chain
        .remove(0);
}
