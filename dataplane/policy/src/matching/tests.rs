//! Istio's semantics at layer 4, as a table.

use pelago_model::Reason;
use pelago_model::authz::{Action, Operation, Pattern, Policy, Rule, Scope, Source};

use crate::tests::{Mesh, cluster, from, home, id, patterns, policy, service, to, uid, workload};
use crate::{Caller, Denied, Silent, explain};

/// What a caller of our own cluster gets from `api` under these policies.
fn asked(policies: Vec<Policy>, caller: &str) -> Result<(), Reason> {
    asked_from("east", policies, caller).map_err(|denied| denied.reason)
}

fn asked_from(issuer: &str, policies: Vec<Policy>, caller: &str) -> Result<(), Denied> {
    let mesh = Mesh::default()
        .service(service(
            "api",
            &[("west", "west.example"), ("west", "cluster.local")],
        ))
        .workload(workload("east", "api", 1, &["api"]));
    let snapshot = policies.into_iter().fold(mesh, Mesh::policy).build();
    let (id, issuer) = (id(caller), cluster(issuer));
    let caller = Caller {
        id: &id,
        issuer_cluster: Some(&issuer),
    };
    let api = uid("east", "api");
    explain(
        &snapshot,
        &home(),
        caller,
        &api,
        &to("api", 80),
        &mut Silent,
    )
}

fn allow(rules: Vec<Rule>) -> Vec<Policy> {
    vec![policy("shop/p", Scope::Namespace, Action::Allow, rules)]
}

fn deny(rules: Vec<Rule>) -> Vec<Policy> {
    vec![policy("shop/p", Scope::Namespace, Action::Deny, rules)]
}

fn principals(texts: &[&str]) -> Source {
    Source {
        principals: patterns(texts),
        ..Source::default()
    }
}

fn namespaces(texts: &[&str]) -> Source {
    Source {
        namespaces: patterns(texts),
        ..Source::default()
    }
}

fn not_namespaces(texts: &[&str]) -> Source {
    Source {
        not_namespaces: patterns(texts),
        ..Source::default()
    }
}

fn ports(ports: &[u16], not_ports: &[u16]) -> Rule {
    let operation = Operation {
        ports: ports.to_vec(),
        not_ports: not_ports.to_vec(),
    };
    Rule {
        from: Vec::new(),
        to: vec![operation],
    }
}

const WEB: &str = "spiffe://east.example/ns/shop/sa/web";
const OURS_ELSEWHERE: &str = "spiffe://east.example/ns/other/sa/web";
const FOREIGN: &str = "spiffe://west.example/ns/shop/sa/web";
const OPAQUE: &str = "spiffe://east.example/machine/7";

const NO: Result<(), Reason> = Err(Reason::NotAllowed);
const DENIED: Result<(), Reason> = Err(Reason::PolicyDenied);

#[test]
fn without_policies_our_own_are_admitted() {
    assert_eq!(asked(Vec::new(), WEB), Ok(()));
}

#[test]
fn an_allow_policy_without_rules_denies_everything_and_a_deny_policy_nothing() {
    assert_eq!(asked(allow(Vec::new()), WEB), NO);
    assert_eq!(asked(deny(Vec::new()), WEB), Ok(()));
}

#[test]
fn an_empty_rule_matches_everything() {
    assert_eq!(asked(allow(vec![Rule::default()]), WEB), Ok(()));
    assert_eq!(asked(deny(vec![Rule::default()]), WEB), DENIED);
}

#[test]
fn principals_are_compared_as_text() {
    let table = [
        (&["east.example/ns/shop/sa/web"][..], Ok(())),
        (&["east.example/ns/shop/sa/api"], NO),
        (&["east.example/ns/shop/*"], Ok(())),
        (&["*/sa/web"], Ok(())),
        (&["*"], Ok(())),
        (&["cluster.local/ns/shop/sa/web"], Ok(())),
        (&["cluster.local/*"], Ok(())),
        (&["cluster.local/ns/shop/sa/we*"], Ok(())),
        (&["cluster.local/ns/other/*"], NO),
        // A dot is a dot, a star inside is a star.
        (&["east.example/ns/shop/sa/w.b"], NO),
        (&["east.example/ns/*/sa/web"], NO),
        (&["eastXexample/ns/shop/sa/web"], NO),
        (&["no", "east.example/ns/shop/sa/web"], Ok(())),
        // The scheme is no part of a principal.
        (&["spiffe://east.example/ns/shop/sa/web"], NO),
        (&["EAST.example/ns/shop/sa/web"], NO),
    ];
    for (texts, expected) in table {
        assert_eq!(
            asked(allow(vec![from(principals(texts))]), WEB),
            expected,
            "{texts:?}"
        );
    }
}

#[test]
fn another_domain_called_cluster_local_is_not_ours() {
    let rules = allow(vec![from(principals(&["cluster.local/ns/shop/sa/web"]))]);
    let denied = asked_from("west", rules, "spiffe://cluster.local/ns/shop/sa/web");
    assert_eq!(denied.unwrap_err().reason, Reason::NotAllowed);
}

#[test]
fn not_principals_take_away() {
    let but_web = Source {
        not_principals: patterns(&["*/sa/web"]),
        ..Source::default()
    };
    assert_eq!(asked(allow(vec![from(but_web.clone())]), WEB), NO);
    assert_eq!(asked(deny(vec![from(but_web)]), OPAQUE), DENIED);
}

#[test]
fn namespaces_speak_of_our_own_domain_only() {
    let shop = || allow(vec![from(namespaces(&["shop"]))]);
    assert_eq!(asked(shop(), WEB), Ok(()));
    assert_eq!(asked(shop(), OURS_ELSEWHERE), NO);
    assert_eq!(asked(shop(), OPAQUE), NO);
    assert_eq!(
        asked_from("west", shop(), FOREIGN).unwrap_err().reason,
        Reason::NotAllowed,
        "a foreign namespace of the same name is another"
    );
    let deny_shop = deny(vec![from(namespaces(&["shop"]))]);
    assert_eq!(asked_from("west", deny_shop, FOREIGN), Ok(()));
}

#[test]
fn excluded_namespaces_fail_closed_for_those_who_have_none() {
    let but_other = || vec![from(not_namespaces(&["other"]))];
    assert_eq!(asked(allow(but_other()), WEB), Ok(()));
    assert_eq!(asked(allow(but_other()), OURS_ELSEWHERE), NO);
    assert_eq!(asked(allow(but_other()), OPAQUE), NO);
    assert_eq!(asked(deny(but_other()), OPAQUE), DENIED);
    assert_eq!(asked(deny(but_other()), OURS_ELSEWHERE), Ok(()));
    let reason = |policies| asked_from("west", policies, FOREIGN).map_err(|d| d.reason);
    assert_eq!(reason(allow(but_other())), NO);
    assert_eq!(reason(deny(but_other())), DENIED);
}

#[test]
fn fields_of_a_source_must_all_match_and_sources_any() {
    let both = Source {
        principals: patterns(&["*/sa/web"]),
        namespaces: patterns(&["other"]),
        ..Source::default()
    };
    assert_eq!(asked(allow(vec![from(both.clone())]), WEB), NO);
    assert_eq!(
        asked(allow(vec![from(both.clone())]), OURS_ELSEWHERE),
        Ok(())
    );
    let either = Rule {
        from: vec![both, principals(&["*/sa/web"])],
        to: Vec::new(),
    };
    assert_eq!(asked(allow(vec![either]), WEB), Ok(()));
}

#[test]
fn ports_are_the_workloads_own() {
    let table = [
        (ports(&[8080], &[]), Ok(())),
        (ports(&[80], &[]), NO),
        (ports(&[80, 8080], &[]), Ok(())),
        (ports(&[], &[8080]), NO),
        (ports(&[], &[80]), Ok(())),
    ];
    for (rule, expected) in table {
        assert_eq!(asked(allow(vec![rule.clone()]), WEB), expected, "{rule:?}");
    }
}

#[test]
fn source_and_operation_must_both_match() {
    let rule = |principal, port| Rule {
        from: vec![principals(&[principal])],
        ..ports(&[port], &[])
    };
    assert_eq!(asked(allow(vec![rule("*/sa/web", 8080)]), WEB), Ok(()));
    assert_eq!(asked(allow(vec![rule("*/sa/web", 1)]), WEB), NO);
    assert_eq!(asked(allow(vec![rule("*/sa/api", 8080)]), WEB), NO);
}

#[test]
fn clusters_are_those_that_issued() {
    let of = |name| {
        let source = Source {
            clusters: vec![cluster(name)],
            ..Source::default()
        };
        allow(vec![from(source)])
    };
    assert_eq!(asked(of("east"), WEB), Ok(()));
    assert_eq!(asked(of("west"), WEB), NO);
    assert_eq!(asked_from("west", of("west"), FOREIGN), Ok(()));
}

#[test]
fn deny_is_asked_before_allow_and_names_its_policy() {
    let mut policies = allow(vec![Rule::default()]);
    policies.push(policy(
        "shop/no-web",
        Scope::Namespace,
        Action::Deny,
        vec![from(principals(&["*/sa/web"]))],
    ));
    let denied = asked_from("east", policies.clone(), WEB).unwrap_err();
    assert_eq!(denied.reason, Reason::PolicyDenied);
    assert_eq!(denied.policy.unwrap().to_string(), "shop/no-web");
    assert_eq!(
        asked(policies, OURS_ELSEWHERE.replace("/web", "/y").as_str()),
        Ok(())
    );
}

#[test]
fn a_policy_speaks_of_its_scope() {
    let labels = |app: &str| Scope::Workloads([("app".to_owned(), app.to_owned())].into());
    let table = [
        ("shop/p", Scope::Namespace, NO),
        ("other/p", Scope::Namespace, Ok(())),
        ("istio-system/p", Scope::Mesh, NO),
        ("shop/p", labels("api"), NO),
        ("shop/p", labels("web"), Ok(())),
        ("other/p", labels("api"), Ok(())),
    ];
    for (key, scope, expected) in table {
        let shut = policy(key, scope.clone(), Action::Allow, Vec::new());
        assert_eq!(asked(vec![shut], WEB), expected, "{key} {scope:?}");
    }
}

#[test]
fn several_allow_policies_add_up() {
    let policies = vec![
        policy("shop/shut", Scope::Namespace, Action::Allow, Vec::new()),
        policy(
            "istio-system/web",
            Scope::Mesh,
            Action::Allow,
            vec![from(principals(&["*/sa/web"]))],
        ),
    ];
    assert_eq!(asked(policies.clone(), WEB), Ok(()));
    assert_eq!(asked(policies, OPAQUE), NO);
}

#[test]
fn patterns_of_nothing_match_nothing_unless_exact() {
    assert!(!Pattern::Present.matches(""));
}
