use std::collections::BTreeMap;

use pelago_model::{ClusterId, Name, Namespace, NetworkId, TrustDomain};
use pelago_resources::{Context, Finding, Severity};

use super::Texts;
use crate::sources::Testimony;

pub(crate) fn context() -> Context {
    let cluster = ClusterId::parse("east").expect("id");
    Context {
        trust_domain: TrustDomain::parse("east.example").expect("domain"),
        network: NetworkId::of(cluster.clone(), Name::parse("east-net").expect("name")),
        root_namespace: Namespace::parse("istio-system").expect("namespace"),
        cluster,
    }
}

fn export(name: &str) -> String {
    format!(
        "---\napiVersion: multicluster.x-k8s.io/v1alpha1\nkind: ServiceExport\nmetadata: {{name: {name}}}\n"
    )
}

const DENY: &str = "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p}\nspec: {action: DENY, rules: [{}]}\n";

fn texts(list: &[(&str, &str)]) -> BTreeMap<String, String> {
    list.iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect()
}

fn says(testimony: &Testimony) -> usize {
    testimony.facts.len()
}

#[test]
fn a_broken_text_keeps_what_it_said_and_a_removed_one_says_nothing() {
    let mut source = Texts::new(context());
    let (a, b) = (export("a"), export("b") + &export("c"));
    let said = source.update(texts(&[("a", &a), ("b", &b)]), Vec::new());
    assert_eq!(
        (says(&said), said.settled, said.findings.len()),
        (3, true, 0)
    );
    let broken = export("d") + "---\nkind: [";
    let said = source.update(texts(&[("a", &a), ("b", &broken)]), Vec::new());
    assert_eq!(
        (says(&said), said.settled),
        (3, true),
        "the last good content of b holds"
    );
    assert_eq!(said.findings[0].source, "b");
    let said = source.update(texts(&[("b", &broken)]), Vec::new());
    assert_eq!((says(&said), said.findings.len()), (2, 1));
    let said = source.update(texts(&[("b", &export("d"))]), Vec::new());
    assert_eq!((says(&said), said.findings.len()), (1, 0), "made good");
}

#[test]
fn a_text_that_never_was_whole_says_only_its_policies_and_settles_nothing() {
    let mut source = Texts::new(context());
    let broken = export("a") + DENY + "---\nkind: [";
    let said = source.update(texts(&[("a", &broken)]), Vec::new());
    assert_eq!((says(&said), said.settled), (1, false));
}

#[test]
fn what_cannot_be_read_keeps_what_it_said() {
    let mut source = Texts::new(context());
    source.update(
        texts(&[("a", &export("a")), ("b", &export("b"))]),
        Vec::new(),
    );
    let refused = Finding::new(Severity::Error, "b", "file", "", "cannot be read");
    let said = source.update(texts(&[("a", &export("a"))]), vec![refused.clone()]);
    assert_eq!((says(&said), said.settled), (2, false));
    let said = source.unreadable(refused);
    assert_eq!((says(&said), said.findings.len()), (2, 2));
}

#[test]
fn of_two_texts_the_first_holds_and_the_other_is_named() {
    let mut source = Texts::new(context());
    let said = source.update(
        texts(&[("a", &export("x")), ("b", &export("x"))]),
        Vec::new(),
    );
    assert_eq!(says(&said), 1);
    assert_eq!(
        (
            said.findings[0].source.as_str(),
            said.findings[0].object.as_str()
        ),
        ("b", "ServiceExport default/x")
    );
}
