use super::{is_present, judge, skips};

#[test]
fn skips_are_told_once_and_nothing_else_is() {
    let text = "skipped: b, no root\nnoise\nskipped: a, no curl\nskipped: b, no root\n";
    assert_eq!(skips(text), ["skipped: a, no curl", "skipped: b, no root"]);
}

#[test]
fn only_a_strict_run_fails_for_a_skip() {
    judge(1, false).unwrap();
    judge(0, true).unwrap();
    assert!(
        judge(1, true)
            .unwrap_err()
            .to_string()
            .starts_with("1 skipped")
    );
}

#[test]
fn a_program_that_is_not_there_is_not_present() {
    assert!(is_present("cargo"));
    assert!(!is_present("no-such-program-of-pelago"));
}
