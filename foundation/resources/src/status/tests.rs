use super::{MAX_FIELD, one_line};
use crate::read::tests::context;

#[test]
fn what_someone_wrote_cannot_move_a_terminal() {
    let escaped = one_line("a\u{1b}[2J\r\nä\u{202e}", 99);
    assert_eq!(escaped, "a\\u{1b}[2J\\r\\nä\\u{202e}");
    assert_eq!(one_line(&"x".repeat(99), 3), "xxx");
}

#[test]
fn a_finding_is_short_whatever_was_written() {
    let key = format!("pelago.dev/{}", "x".repeat(100_000));
    let text = format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: a, annotations: {{{key}: a}}}}\n"
    );
    let parsed = crate::read("test", &text, &context());
    assert!(!parsed.findings.is_empty());
    assert!(
        parsed
            .findings
            .iter()
            .all(|found| found.field.len() <= MAX_FIELD)
    );
}
