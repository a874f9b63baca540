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
    testimony.facts.len() + testimony.policies.len()
}

#[test]
fn a_broken_text_keeps_what_it_said_and_a_removed_one_says_nothing() {
    let mut source = Texts::new(context(), BTreeMap::new());
    let (a, b) = (export("a"), export("b") + &export("c"));
    let said = source.update(texts(&[("a", &a), ("b", &b)]), BTreeMap::new());
    assert_eq!(
        (says(&said), said.settled, said.findings.len()),
        (3, true, 0)
    );
    let broken = export("d") + "---\nkind: [";
    let said = source.update(texts(&[("a", &a), ("b", &broken)]), BTreeMap::new());
    assert_eq!(
        (says(&said), said.settled),
        (3, true),
        "the last good content of b holds"
    );
    assert_eq!(said.findings[0].source, "b");
    let said = source.update(texts(&[("b", &broken)]), BTreeMap::new());
    assert_eq!((says(&said), said.findings.len()), (2, 1));
    let said = source.update(texts(&[("b", &export("d"))]), BTreeMap::new());
    assert_eq!((says(&said), said.findings.len()), (1, 0), "made good");
}

#[test]
fn a_text_that_never_was_whole_says_only_its_policies_and_settles_nothing() {
    let mut source = Texts::new(context(), BTreeMap::new());
    let broken = export("a") + DENY + "---\nkind: [";
    let said = source.update(texts(&[("a", &broken)]), BTreeMap::new());
    assert_eq!((says(&said), said.settled), (1, false));
}

#[test]
fn what_cannot_be_read_keeps_what_it_said() {
    let mut source = Texts::new(context(), BTreeMap::new());
    source.update(
        texts(&[("a", &export("a")), ("b", &export("b"))]),
        BTreeMap::new(),
    );
    let refused = Finding::new(Severity::Error, "b", "file", "", "cannot be read");
    let said = source.update(
        texts(&[("a", &export("a"))]),
        [("b".to_owned(), refused)].into(),
    );
    assert_eq!((says(&said), said.settled), (2, false));
    let said = source.unreadable(Finding::new(Severity::Error, "f", "folder", "", "gone"));
    assert_eq!((says(&said), said.findings.len()), (2, 2));
}

#[test]
fn of_two_texts_the_first_holds_and_the_other_is_named() {
    let mut source = Texts::new(context(), BTreeMap::new());
    let said = source.update(
        texts(&[("a", &export("x")), ("b", &export("x"))]),
        BTreeMap::new(),
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

#[test]
fn after_a_restart_a_broken_text_says_what_it_said_when_it_was_last_whole() {
    let good = export("a") + DENY;
    let mut source = Texts::new(context(), BTreeMap::new());
    source.update(
        texts(&[("a", &good), ("gone", &export("b"))]),
        BTreeMap::new(),
    );
    let kept = source.update(
        texts(&[("a", "kind: ["), ("gone", &export("b"))]),
        BTreeMap::new(),
    );
    assert_eq!(kept.texts["a"].as_ref(), good);

    let mut source = Texts::new(context(), kept.texts.clone());
    assert_eq!(source.unread().texts, kept.texts);
    let why = Finding::new(Severity::Error, "folder", "folder", "", "cannot be read");
    let said = source.unreadable(why);
    assert_eq!(
        (says(&said), said.settled, said.readable),
        (3, false, false)
    );
    assert_eq!(said.texts, kept.texts, "in doubt nothing is forgotten");
    let said = source.update(texts(&[("a", "kind: [")]), BTreeMap::new());
    assert_eq!(
        (says(&said), said.settled, said.findings.len()),
        (2, true, 1)
    );
    assert_eq!(said.texts.keys().collect::<Vec<_>>(), ["a"]);
    let said = source.update(texts(&[("a", &export("a"))]), BTreeMap::new());
    assert_eq!(said.texts["a"].as_ref(), export("a"));
}

#[test]
fn a_text_with_countless_findings_does_not_hide_those_of_others() {
    let mut source = Texts::new(context(), BTreeMap::new());
    let bad = "---\nkind: [\n".repeat(2_000);
    let names: Vec<String> = (0..20).map(|n| format!("a{n:02}")).collect();
    let mut all: BTreeMap<String, String> = names
        .iter()
        .map(|name| (name.clone(), bad.clone()))
        .collect();
    all.insert("z".to_owned(), bad);
    let said = source.update(all, BTreeMap::new());
    assert_eq!(said.findings.len(), 1_001);
    let of_one = |name: &str| said.findings.iter().filter(|f| f.source == name).count();
    assert_eq!(of_one("a00"), 100);
}
