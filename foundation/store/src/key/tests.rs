use super::*;

#[test]
fn accepts_paths_of_plain_segments() {
    let long = "k".repeat(MAX_KEY);
    for text in ["a", "peer/west", "vm/web-1@x:1_.2/A", long.as_str()] {
        assert_eq!(Key::new(text).unwrap().as_str(), text);
    }
}

#[test]
fn refuses_the_rest_and_quotes_it() {
    let long = "k".repeat(MAX_KEY + 1);
    let refused = [
        "", "/", "a/", "/a", "a//b", "a b", "ä", "a\0", "a*", "a\n", "a\\b", &long,
    ];
    for text in refused {
        let error = Key::new(text).unwrap_err();
        assert_eq!(error.length, text.len());
        assert!(text.starts_with(&error.text), "{error}");
        assert!(error.text.len() <= 64);
    }
}

#[test]
fn orders_as_its_text() {
    let mut keys = ["a/b", "a", "a-b", "a0"].map(|text| Key::new(text).unwrap());
    keys.sort();
    assert_eq!(keys.map(|key| key.to_string()), ["a", "a-b", "a/b", "a0"]);
}
