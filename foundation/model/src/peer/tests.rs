use super::*;

#[test]
fn grants_cover_names_and_namespaces() {
    let grant = Grant {
        export: vec![ServicePattern::parse("shop/*").unwrap()],
        merge: vec![ServicePattern::parse("core/api").unwrap()],
    };
    assert!(grant.exports("shop", "web"));
    assert!(grant.exports("core", "api") && grant.merges("core", "api"));
    assert!(!grant.exports("core", "web") && !grant.merges("shop", "web"));
}

#[test]
fn no_pattern_grants_everything() {
    for bad in [
        "*",
        "*/*",
        "*/web",
        "shop",
        "shop/",
        "shop/w*",
        "/web",
        "shop/web/x",
    ] {
        assert!(ServicePattern::parse(bad).is_err(), "{bad}");
    }
}
