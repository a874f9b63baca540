use super::*;

#[test]
fn serials_are_positive_and_full_length() {
    for byte in [0, 0x7f, 0x80, 0xff] {
        let serial = Serial::new([byte; 16]);
        assert_eq!(serial.bytes()[0] & 0xc0, 0x40);
    }
}

#[test]
fn validity_is_backdated_and_cut() {
    let validity = Validity::starting(1000, 100);
    assert_eq!((validity.not_before, validity.not_after), (940, 1100));
    assert_eq!(validity.until(1050).not_after, 1050);
    assert_eq!(validity.until(2000).not_after, 1100);
    assert_eq!(Validity::starting(10, u64::MAX).not_before, 0);
}

#[test]
fn a_time_that_cannot_be_written_is_an_error() {
    let template = Template::Root {
        trust_domain: TrustDomain::parse("td").expect("a domain"),
        name: "root-1".to_owned(),
    };
    let params = template.params(Validity::starting(0, u64::MAX), Serial::new([1; 16]));
    assert!(matches!(params, Err(TemplateError::Time { .. })));
}
