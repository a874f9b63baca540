use pelago_model::authz::{Action, Pattern, Rule, Scope};

use crate::read::tests::context;
use crate::{Declaration, Parsed, PolicyDecl, read};

fn policy(spec: &str) -> (Option<PolicyDecl>, Parsed) {
    policy_in("shop", spec)
}

fn policy_in(namespace: &str, spec: &str) -> (Option<PolicyDecl>, Parsed) {
    let indented: String = spec.lines().map(|line| format!("  {line}\n")).collect();
    let text = format!(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: p, namespace: {namespace}}}\nspec:\n{indented}"
    );
    let parsed = read("p.yaml", &text, &context());
    let decl = parsed
        .declarations
        .first()
        .cloned()
        .map(|found| match found {
            Declaration::Policy(decl) => decl,
            other => panic!("{other:?}"),
        });
    (decl, parsed)
}

fn fields(parsed: &Parsed) -> Vec<&str> {
    parsed
        .findings
        .iter()
        .map(|finding| finding.field.as_str())
        .collect()
}

#[test]
fn principals_namespaces_and_ports_are_honoured() {
    let (decl, parsed) = policy(
        r#"action: ALLOW
selector: {matchLabels: {app: api}}
rules:
- from:
  - source: {principals: ["cluster.local/ns/shop/sa/web", "west.example/*", "*/sa/z", "spiffe://east.example/x"], notNamespaces: [dev]}
  to:
  - operation: {ports: ["8080"], notPorts: ["22"]}"#,
    );
    assert_eq!(parsed.findings, []);
    let decl = decl.expect("a policy");
    assert!(decl.complete);
    assert_eq!(decl.policy.action, Action::Allow);
    assert_eq!(
        decl.policy.scope,
        Scope::Workloads([("app".into(), "api".into())].into())
    );
    let rule = &decl.policy.rules[0];
    assert_eq!(
        rule.from[0].principals,
        [
            Pattern::Exact("east.example/ns/shop/sa/web".into()),
            Pattern::Prefix("west.example/".into()),
            Pattern::Suffix("/sa/z".into()),
            Pattern::Exact("east.example/x".into()),
        ]
    );
    assert_eq!(rule.from[0].not_namespaces, [Pattern::Exact("dev".into())]);
    assert_eq!(
        (rule.to[0].ports.as_slice(), rule.to[0].not_ports.as_slice()),
        (&[8080][..], &[22][..])
    );
}

#[test]
fn an_allow_loses_the_rule_that_is_not_honoured_and_no_other() {
    let (decl, parsed) = policy(
        r#"rules:
- from: [{source: {principals: [a]}}]
  when: [{key: request.headers, values: [x]}]
- from: [{source: {principals: [b]}}]
- to: [{operation: {paths: [/x], ports: ["80"]}}]"#,
    );
    let decl = decl.expect("a policy");
    assert!(!decl.complete && !parsed.broken);
    assert_eq!(decl.policy.rules.len(), 1);
    assert_eq!(
        decl.policy.rules[0].from[0].principals,
        [Pattern::Exact("b".into())]
    );
    assert_eq!(
        fields(&parsed),
        ["spec.rules[0].when", "spec.rules[2].to[0].operation.paths"]
    );
}

#[test]
fn a_deny_loses_only_the_condition() {
    let (decl, parsed) = policy(
        r#"action: DENY
rules:
- from: [{source: {requestPrincipals: ["*"], namespaces: [dev]}}]
  to: [{operation: {methods: [POST]}}]
  when: [{key: k, values: [v]}]"#,
    );
    let decl = decl.expect("a policy");
    assert!(!decl.complete);
    let rule = &decl.policy.rules[0];
    assert_eq!(rule.from[0].namespaces, [Pattern::Exact("dev".into())]);
    assert!(rule.to[0].ports.is_empty(), "any operation is denied");
    assert_eq!(
        fields(&parsed),
        [
            "spec.rules[0].when",
            "spec.rules[0].from[0].source.requestPrincipals",
            "spec.rules[0].to[0].operation.methods"
        ]
    );
}

#[test]
fn custom_denies_and_audit_does_nothing() {
    let (decl, parsed) = policy("action: CUSTOM\nprovider: {name: opa}\nrules:\n- {}");
    let decl = decl.expect("a policy");
    assert_eq!(decl.policy.action, Action::Deny);
    assert_eq!(decl.policy.rules, [Rule::default()]);
    assert!(!decl.complete);
    assert_eq!(fields(&parsed), ["spec.action"]);
    let (decl, parsed) = policy("action: AUDIT\nrules:\n- {}");
    assert_eq!((decl, fields(&parsed)), (None, vec!["spec.action"]));
}

#[test]
fn an_unserved_scope_never_widens_an_allow() {
    let spec = "targetRefs: [{kind: Gateway, name: g}]\nrules:\n- {}";
    let (decl, _) = policy(spec);
    let decl = decl.expect("a policy");
    assert_eq!(
        (decl.policy.scope, decl.policy.rules.len()),
        (Scope::Namespace, 0)
    );
    let (decl, _) = policy(&format!("action: DENY\n{spec}"));
    assert_eq!(decl.expect("a policy").policy.rules.len(), 1);
    let (decl, _) = policy_in(
        "istio-system",
        "selector: {matchLabels: {a: b}}\naction: DENY\nrules:\n- {}",
    );
    assert_eq!(decl.expect("a policy").policy.scope, Scope::Mesh);
}

#[test]
fn the_root_namespace_speaks_of_the_mesh_and_no_rules_match_nothing() {
    let (decl, parsed) = policy_in("istio-system", "{}");
    let decl = decl.expect("a policy");
    assert_eq!(
        (decl.policy.scope, decl.policy.rules, decl.complete),
        (Scope::Mesh, vec![], true)
    );
    assert_eq!(parsed.findings, []);
}

#[test]
fn a_wrong_value_breaks_the_document_and_still_never_permits() {
    for (action, left) in [("ALLOW", 0), ("DENY", 1)] {
        for rule in [
            "- from: [{source: {principals: web}}]",
            "- from: {source: {}}",
            "- to: [{operation: {ports: [http]}}]",
            "- to: [{}]",
            "- 7",
        ] {
            let (decl, parsed) = policy(&format!("action: {action}\nrules:\n{rule}"));
            assert!(parsed.broken, "{rule}");
            let decl = decl.expect("a policy");
            assert_eq!(decl.policy.rules.len(), left, "{action} {rule}");
            assert!(!decl.complete, "{rule}");
        }
    }
    let (decl, parsed) = policy("action: allow\nrules:\n- {}");
    assert_eq!(decl.expect("a policy").policy.action, Action::Deny);
    assert!(parsed.broken);
    let (decl, _) = policy("rule:\n- {}\nrules:\n- {}");
    assert_eq!(decl.expect("a policy").policy.rules, []);
}

#[test]
fn a_name_that_is_made_for_duplicates_cannot_be_taken_and_each_repetition_is_told() {
    let text = |name: &str| {
        format!(
            "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: {name}}}\nspec: {{action: DENY}}\n"
        )
    };
    let parsed = read("p.yaml", &text("pelago-duplicate-1"), &context());
    assert!(parsed.broken && parsed.declarations.is_empty());
    let parsed = read("p.yaml", &(text("a") + &text("a")), &context());
    assert!(parsed.broken && parsed.declarations.len() == 2);
}
