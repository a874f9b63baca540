use pelago_model::{ClusterId, Name, Namespace, NetworkId, TrustDomain};

use crate::{Context, Declaration, read};

/// Cluster `east` of `east.example`.
pub(crate) fn context() -> Context {
    let cluster = ClusterId::parse("east").expect("id");
    Context {
        trust_domain: TrustDomain::parse("east.example").expect("domain"),
        network: NetworkId::of(cluster.clone(), Name::parse("east-net").expect("name")),
        root_namespace: Namespace::parse("istio-system").expect("namespace"),
        cluster,
    }
}

fn findings(text: &str) -> String {
    let parsed = read("mesh/a.yaml", text, &context());
    let lines: Vec<String> = parsed.findings.iter().map(ToString::to_string).collect();
    format!(
        "{}broken={}",
        lines
            .iter()
            .map(|line| format!("{line}\n"))
            .collect::<String>(),
        parsed.broken
    )
}

#[test]
fn unknown_fields_are_named_with_the_nearest_and_the_rest_holds() {
    let text = "apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop}
spec:
  selecter: {app: api}
  sessionAffinityConfig: {}
  ports:
  - port: 80
    targetPrt: 8080
    nodePort: 30000
extra: 1
";
    assert_eq!(
        findings(text),
        "mesh/a.yaml:11: warning: Service shop/api: extra: is not a field of this kind and has no effect
mesh/a.yaml:5: warning: Service shop/api: spec.selecter: is not a field of this kind and has no effect; did you mean \"selector\"?
mesh/a.yaml:6: warning: Service shop/api: spec.sessionAffinityConfig: is not honoured by this version and has no effect
mesh/a.yaml:9: warning: Service shop/api: spec.ports[0].targetPrt: is not a field of this kind and has no effect; did you mean \"targetPort\"?
mesh/a.yaml:10: warning: Service shop/api: spec.ports[0].nodePort: is not honoured by this version and has no effect
broken=false"
    );
}

#[test]
fn wrong_types_and_values_name_what_is_allowed() {
    let text = "apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop, annotations: {pelago.dev/locality: far}}
spec:
  selector: [a]
  type: Cluster
  ports:
  - port: http
---
apiVersion: v2
kind: Service
metadata: {name: b}
---
kind: Service
---
apiVersion: v1
kind: ConfigMap
metadata: {name: c}
";
    assert_eq!(
        findings(text),
        "mesh/a.yaml:5: error: Service shop/api: spec.selector: is a list; allowed: an object
mesh/a.yaml:6: error: Service shop/api: spec.type: is \"Cluster\"; allowed: ClusterIP, NodePort, LoadBalancer, ExternalName
mesh/a.yaml:8: error: Service shop/api: spec.ports[0].port: is \"http\"; allowed: a number
mesh/a.yaml:10: error: document 2: apiVersion: version \"v2\"; allowed: v1
mesh/a.yaml:14: error: document 3: apiVersion: is missing; every document needs apiVersion and kind
mesh/a.yaml:16: warning: document 4: kind: kind \"ConfigMap\" of \"v1\" is not read by this version; known kinds: Service, WorkloadEntry, RegistrationEntry, ServiceExport, AuthorizationPolicy
broken=true"
    );
}

#[test]
fn a_broken_document_does_not_hide_the_others() {
    let text = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {}\n---\na: [\n---\napiVersion: v1\nkind: List\nitems:\n- {apiVersion: multicluster.x-k8s.io/v1alpha1, kind: ServiceExport, metadata: {name: a, namespace: b}}\n";
    let parsed = read("a", text, &context());
    assert!(parsed.broken);
    assert_eq!(parsed.findings.len(), 1, "{:?}", parsed.findings);
    let objects: Vec<String> = parsed
        .declarations
        .iter()
        .map(|found| found.object().to_string())
        .collect();
    assert_eq!(objects, ["Service default/a", "ServiceExport b/a"]);
}

#[test]
fn a_syntax_error_is_one_line_with_its_place() {
    let text = "apiVersion: v1\nkind: Service\n---\nkind: [a,\nmetadata: }\n";
    assert_eq!(
        findings(text),
        "mesh/a.yaml:1: error: document 1: metadata: is missing; allowed: an object with a name
mesh/a.yaml:4: error: document 2: mismatched bracket '[' closed by '}'
broken=true"
    );
}

#[test]
fn the_same_object_twice_is_an_error() {
    let one =
        "apiVersion: multicluster.x-k8s.io/v1alpha1\nkind: ServiceExport\nmetadata: {name: a}\n";
    let parsed = read("a", &format!("{one}---\n{one}"), &context());
    assert!(parsed.broken);
    assert!(matches!(
        parsed.declarations.as_slice(),
        [Declaration::Export(_)]
    ));
}

#[test]
fn too_many_documents_are_an_error() {
    let text = "---\na\n".repeat(crate::MAX_DOCUMENTS + 5);
    let parsed = read("a", &text, &context());
    assert!(parsed.broken);
}

#[test]
fn any_bytes_are_answered() {
    for text in [
        "",
        "\0",
        "---",
        "--- ---",
        "&a *a",
        "? {}\n: x",
        "{",
        "a: !!binary x",
        "\u{feff}a: 1",
    ] {
        let _ = read("a", text, &context());
    }
}
