use super::*;

#[test]
fn lengths_are_minimal_and_round_trip() {
    for size in [0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x1_0000] {
        let content = vec![7; size];
        let written = element(UTF8_STRING, &content);
        let mut reader = Reader::new(&written);
        assert_eq!(reader.element(UTF8_STRING), Some(content.as_slice()));
        assert!(reader.is_done());
    }
    assert_eq!(element(INTEGER, &[])[..], [INTEGER, 0]);
    assert_eq!(element(SEQUENCE, &[0; 0x80])[..3], [SEQUENCE, 0x81, 0x80]);
}

#[test]
fn lengths_that_are_not_der_are_refused() {
    for bytes in [
        &[SEQUENCE, 0x80][..],                     // indefinite
        &[SEQUENCE, 0x81, 0x01, 0],                // not minimal
        &[SEQUENCE, 0x82, 0x00, 0x80],             // leading zero
        &[SEQUENCE, 0x84, 0xff, 0xff, 0xff, 0xff], // absurd
        &[SEQUENCE, 0x02, 0],                      // cut
        &[SEQUENCE],
        &[],
    ] {
        assert_eq!(Reader::new(bytes).element(SEQUENCE), None, "{bytes:?}");
    }
}
