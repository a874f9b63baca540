use super::*;

#[test]
fn columns_are_flush_and_aligned() {
    let text = columns(
        &["name", "state"],
        [
            vec!["a".into(), "up".into()],
            vec!["longer".into(), "down".into()],
        ],
    );
    assert_eq!(text, "NAME    STATE\na       up\nlonger  down");
}

#[test]
fn durations_are_said_shortly() {
    assert_eq!(until(100, 100), "expired");
    assert_eq!(until(190, 100), "90s");
    assert_eq!(until(100 + 3 * 3600, 100), "3h");
    assert_eq!(until(100 + 29 * 86_400, 100), "29d");
}
