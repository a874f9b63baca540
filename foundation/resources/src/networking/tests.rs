use crate::read::tests::context;
use crate::{Declaration, Parsed, read};

fn entry(spec: &str) -> Parsed {
    let text = format!(
        "apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {{name: api-1, namespace: shop, labels: {{app: api, v: '1'}}, annotations: {{pelago.dev/node: n1}}}}\nspec: {spec}\n"
    );
    read("w", &text, &context())
}

#[test]
fn a_workload_with_defaults() {
    let parsed = entry("{address: '127.0.1.1', ports: {http: 8080}, labels: {v: '2'}}");
    assert_eq!(parsed.findings, []);
    let [Declaration::Workload(workload)] = parsed.declarations.as_slice() else {
        panic!()
    };
    assert_eq!(
        workload.uid.as_str(),
        "east/networking.istio.io/WorkloadEntry/shop/api-1"
    );
    assert_eq!(
        workload.identity.as_str(),
        "spiffe://east.example/ns/shop/sa/default"
    );
    assert_eq!(workload.network.to_string(), "east/east-net");
    assert_eq!(workload.weight, 1);
    assert_eq!(
        workload.node.as_ref().map(|node| node.as_str()),
        Some("spiffe://east.example/pelago/node/east/n1")
    );
    assert_eq!(workload.labels["v"], "2");
    assert_eq!(workload.ports["http"], 8080);
}

#[test]
fn everything_told_is_taken() {
    let parsed =
        entry("{address: '::1', network: other, locality: r/z/s, weight: 3, serviceAccount: web}");
    let [Declaration::Workload(workload)] = parsed.declarations.as_slice() else {
        panic!()
    };
    assert_eq!(workload.network.to_string(), "east/other");
    assert_eq!(workload.locality.to_string(), "r/z/s");
    assert_eq!(workload.weight, 3);
    assert!(workload.identity.as_str().ends_with("/sa/web"));
}

#[test]
fn wrong_values_name_their_field() {
    for (spec, field) in [
        ("{}", "spec.address"),
        ("{address: host.example}", "spec.address"),
        ("{address: 1.2.3.4, weight: -1}", "spec.weight"),
        ("{address: 1.2.3.4, network: west/net}", "spec.network"),
        (
            "{address: 1.2.3.4, serviceAccount: 'a/b'}",
            "spec.serviceAccount",
        ),
        ("{address: 1.2.3.4, ports: {http: 0}}", "spec.ports.http"),
    ] {
        let parsed = entry(spec);
        assert!(parsed.broken, "{spec}");
        assert_eq!(parsed.findings[0].field, field);
    }
}
