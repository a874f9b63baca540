use super::*;

#[test]
fn our_own_hello_is_understood() {
    let agreed = negotiate(Some(ours(&["explain"]))).unwrap();
    assert_eq!(agreed.protocol, 1);
    assert_eq!(agreed.capabilities, ["explain"]);
    assert!(agreed.software.starts_with("pelago "));
}

#[test]
fn the_newest_common_version_is_taken() {
    let mut newer = ours(&[]);
    newer.newest_protocol = 9;
    assert_eq!(negotiate(Some(newer)).unwrap().protocol, 1);
}

#[test]
fn no_common_version_is_an_error_that_says_what_to_do() {
    let mut newer = ours(&[]);
    (newer.oldest_protocol, newer.newest_protocol) = (2, 9);
    let error = negotiate(Some(newer)).unwrap_err();
    assert!(error.to_string().contains("upgrade the older side"));
    let mut backwards = ours(&[]);
    (backwards.oldest_protocol, backwards.newest_protocol) = (3, 0);
    assert!(negotiate(Some(backwards)).is_err());
}

#[test]
fn an_absent_or_oversized_hello_is_refused() {
    assert_eq!(negotiate(None).unwrap_err(), HelloError::Absent);
    let mut large = ours(&[]);
    large.capabilities = vec!["x".to_owned(); MAX_CAPABILITIES + 1];
    assert!(matches!(
        negotiate(Some(large)),
        Err(HelloError::Malformed(_))
    ));
}
