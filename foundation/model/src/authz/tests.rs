use super::*;

#[test]
fn patterns_are_istio_s() {
    for (pattern, text, fits) in [
        ("a", "a", true),
        ("a", "ab", false),
        ("a*", "ab", true),
        ("*b", "ab", true),
        ("*", "x", true),
        ("*", "", false),
        ("a.b", "axb", false),
        ("a*b", "aXb", false),
        ("a*b", "a*b", true),
    ] {
        assert_eq!(
            Pattern::parse(pattern).matches(text),
            fits,
            "{pattern} {text}"
        );
    }
}
