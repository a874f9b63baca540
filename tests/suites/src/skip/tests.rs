use std::fs;

use super::{append, line};

#[test]
fn a_skip_is_one_line() {
    assert_eq!(
        line("interop", "no\npython3"),
        "skipped: interop, no python3\n"
    );
}

#[test]
fn skips_add_up() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("skips.txt");
    append(&list, &line("a", "x")).unwrap();
    append(&list, &line("b", "y")).unwrap();
    assert_eq!(
        fs::read_to_string(list).unwrap(),
        "skipped: a, x\nskipped: b, y\n"
    );
}
