use super::nearest;

#[test]
fn a_typo_finds_its_name_and_a_stranger_finds_none() {
    let known = ["selector", "ports", "sessionAffinity"];
    assert_eq!(nearest("selecter", known.into_iter()), Some("selector"));
    assert_eq!(nearest("Selector", known.into_iter()), Some("selector"));
    assert_eq!(
        nearest("prots", known.into_iter()),
        None,
        "two edits of five"
    );
    assert_eq!(nearest("port", known.into_iter()), Some("ports"));
    assert_eq!(nearest("volumes", known.into_iter()), None);
    assert_eq!(nearest(&"s".repeat(1_000_000), known.into_iter()), None);
}
