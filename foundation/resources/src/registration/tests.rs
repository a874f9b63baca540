use pelago_model::Selector;

use crate::read::tests::context;
use crate::{Declaration, Parsed, read};

fn entry(spec: &str) -> Parsed {
    let text = format!(
        "apiVersion: pelago.dev/v1alpha1\nkind: RegistrationEntry\nmetadata: {{name: api, namespace: shop}}\nspec: {spec}\n"
    );
    read("r", &text, &context())
}

#[test]
fn an_entry_is_named_after_its_object() {
    let parsed = entry(
        "{spiffeId: 'spiffe://east.example/ns/shop/sa/api', node: n1, selectors: ['unix:uid:1000'], ttl: 1h30m, hint: x}",
    );
    assert_eq!(parsed.findings, []);
    let [Declaration::Entry(_, entry)] = parsed.declarations.as_slice() else {
        panic!()
    };
    assert_eq!(entry.id.as_str(), "shop.api");
    assert_eq!(entry.selectors, [Selector::Uid(1000)]);
    assert_eq!(entry.ttl_seconds, Some(5400));
}

#[test]
fn what_may_not_be_granted_is_refused_by_field() {
    let with = |id: &str, rest: &str| format!("{{spiffeId: '{id}', node: n, {rest}}}");
    let id = "spiffe://east.example/a";
    for (spec, field) in [
        (
            with("spiffe://west.example/a", "selectors: ['unix:uid:1']"),
            "spec.spiffeId",
        ),
        (
            with(
                "spiffe://east.example/pelago/node/east/n",
                "selectors: ['unix:uid:1']",
            ),
            "spec.spiffeId",
        ),
        (
            with("spiffe://east.example", "selectors: ['unix:uid:1']"),
            "spec.spiffeId",
        ),
        (with(id, "selectors: []"), "spec.selectors"),
        (with(id, "selectors: ['k8s:ns:x']"), "spec.selectors"),
        (with(id, "selectors: ['unix:uid:1'], ttl: 5"), "spec.ttl"),
        (with(id, "selectors: ['unix:uid:1'], ttl: 10s"), "spec.ttl"),
        (
            with(id, "selectors: ['unix:uid:1'], ttl: 99999999999999999999h"),
            "spec.ttl",
        ),
        (with(id, "selectors: 7"), "spec.selectors"),
        ("{node: n}".to_owned(), "spec.spiffeId"),
    ] {
        let parsed = entry(&spec);
        assert!(parsed.broken && parsed.declarations.is_empty(), "{spec}");
        assert_eq!(parsed.findings[0].field, field, "{spec}");
    }
}
