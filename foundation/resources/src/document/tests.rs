use super::split;
use crate::node::Shape;

#[test]
fn documents_keep_the_lines_of_their_file() {
    let text = "# head\n---\na: 1\n---\n# nothing\n--- # c\nb:\n  c: |\n    x\n    ---\n  d: 2\n";
    let found: Vec<_> = split(text).collect();
    assert_eq!(found.len(), 2);
    let second = found[1].parse().expect("YAML");
    let b = second.field("b").expect("b");
    let Shape::Map(entries) = &b.shape else {
        panic!("{b:?}")
    };
    assert_eq!((entries[1].key.as_str(), entries[1].line), ("d", 11));
    assert_eq!(entries[0].value.text(), Some("x\n---\n"));
}

#[test]
fn a_syntax_error_has_the_line_of_the_file() {
    let error = split("a: 1\n---\nb: [1,\nc: }\n")
        .nth(1)
        .expect("two")
        .parse()
        .expect_err("bad");
    assert!((3..=5).contains(&error.line), "{error:?}");
}

#[test]
fn bombs_and_giants_are_refused() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let before = format!("*a{}", level - 1);
        bomb += &format!("a{level}: &a{level} [{}]\n", vec![before; 10].join(", "));
    }
    let deep = "[".repeat(100_000);
    let giant = format!("a: {}", "x".repeat(super::MAX_DOCUMENT));
    let twice = "a: 1\na: 2\n".to_owned();
    let number = "7: x\n".to_owned();
    for text in [bomb, deep, giant, twice, number] {
        let parsed = split(&text).next().expect("one").parse();
        assert!(
            parsed.is_err(),
            "{}",
            text.chars().take(40).collect::<String>()
        );
    }
}

#[test]
fn words_that_look_like_booleans_stay_text() {
    let node = split("a: on\nb: off\nc: yes\nd: true\n")
        .next()
        .expect("one")
        .parse()
        .expect("YAML");
    assert_eq!(node.field("a").and_then(|n| n.text()), Some("on"));
    assert_eq!(node.field("c").and_then(|n| n.text()), Some("yes"));
    assert_eq!(node.field("d").and_then(|n| n.text()), None);
}
