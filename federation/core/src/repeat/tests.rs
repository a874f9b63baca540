use std::sync::Arc;

use pelago_model::Policy;
use pelago_model::authz::Action;
use pelago_resources::{DUPLICATE, Declaration, Severity};

use super::{Stated, policies};
use crate::fixture::{cluster, context, view};
use crate::merge::Merge;

fn stated(source: &str, spec: &str) -> Stated {
    let yaml = format!(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: p, namespace: shop}}\nspec: {spec}\n"
    );
    let mut parsed = pelago_resources::read(source, &yaml, &context("east"));
    let Some(Declaration::Policy(decl)) = parsed.declarations.pop() else {
        panic!("a policy: {parsed:?}");
    };
    Stated {
        source: source.to_owned(),
        policy: Arc::new(decl),
    }
}

/// What holds in the snapshot; `before` is the last good version.
fn hold(before: Option<&Stated>, list: &[Stated]) -> Vec<Policy> {
    let mut merge = Merge::new(cluster("east"));
    if let Some(before) = before {
        merge.remember(before.policy.policy.clone());
    }
    merge.update(&mut [view(policies(list).0)]);
    let found = merge.snapshot().policies();
    found.map(|policy| policy.as_ref().clone()).collect()
}

const ANYONE: &str = "{action: ALLOW, rules: [{}]}";
const WEB: &str = "{action: ALLOW, selector: {matchLabels: {app: web}}, rules: [{from: [{source: {namespaces: [shop]}}]}]}";
const DENY_1: &str = "{action: DENY, rules: [{to: [{operation: {ports: ['1']}}]}]}";
const DENY_2: &str = "{action: DENY, rules: [{to: [{operation: {ports: ['2']}}]}]}";

#[test]
fn every_deny_holds_whichever_stands_first() {
    for (a, b) in [(DENY_1, DENY_2), (DENY_2, DENY_1)] {
        let list = [stated("a", a), stated("b", b)];
        let found = hold(None, &list);
        let mut ports: Vec<u16> = found.iter().map(|p| p.rules[0].to[0].ports[0]).collect();
        ports.sort_unstable();
        assert_eq!(ports, [1, 2]);
        let (_, findings) = policies(&list);
        assert_eq!((findings.len(), findings[0].severity), (1, Severity::Error));
        assert_eq!(findings[0].source, "b");
    }
}

#[test]
fn nothing_is_permitted_that_one_of_them_does_not_permit_and_every_scope_is_closed() {
    for (a, b) in [(ANYONE, WEB), (WEB, ANYONE)] {
        let found = hold(None, &[stated("a", a), stated("b", b)]);
        assert_eq!(found.len(), 2, "both close what they speak of");
        assert!(
            found
                .iter()
                .all(|p| p.action == Action::Allow && p.rules.is_empty())
        );
    }
    let found = hold(None, &[stated("a", ANYONE), stated("b", DENY_1)]);
    let rules = |action| {
        found
            .iter()
            .find(|p| p.action == action)
            .map(|p| p.rules.len())
    };
    assert_eq!(
        (rules(Action::Allow), rules(Action::Deny)),
        (Some(0), Some(1))
    );
}

#[test]
fn what_both_permit_is_permitted() {
    let both = "{action: ALLOW, rules: [{to: [{operation: {ports: ['1']}}]}, {to: [{operation: {ports: ['2']}}]}]}";
    let one = "{action: ALLOW, rules: [{to: [{operation: {ports: ['2']}}]}]}";
    let found = hold(None, &[stated("a", both), stated("b", one)]);
    assert!(
        found
            .iter()
            .all(|p| p.rules.len() == 1 && p.rules[0].to[0].ports == [2])
    );
}

/// Whoever adds a file that sorts first changes nothing of what was good.
#[test]
fn a_last_good_allow_goes_on_to_hold() {
    let before = stated("b", WEB);
    let found = hold(Some(&before), &[stated("a", ANYONE), stated("b", WEB)]);
    let own = found.iter().find(|p| p.key.name.as_str() == "p");
    assert_eq!(own, Some(&before.policy.policy));
    let other = found
        .iter()
        .find(|p| p.key.name.as_str().starts_with(DUPLICATE));
    assert_eq!(other.map(|p| p.rules.len()), Some(0));
}

#[test]
fn the_same_words_twice_are_one_policy() {
    let list = [stated("a", WEB), stated("b", WEB), stated("c", WEB)];
    assert_eq!(hold(None, &list), [list[0].policy.policy.clone()]);
    let (_, findings) = policies(&list);
    assert_eq!(
        (findings.len(), findings[0].severity),
        (2, Severity::Warning)
    );
}
