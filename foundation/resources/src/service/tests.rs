use pelago_model::PortKey;
use pelago_model::service::Spread;

use crate::read::tests::context;
use crate::{Declaration, ServiceDecl, Target, read};

fn service(text: &str) -> (ServiceDecl, Vec<String>) {
    let parsed = read("s", text, &context());
    let findings = parsed
        .findings
        .iter()
        .map(|found| found.field.clone())
        .collect();
    match parsed.declarations.into_iter().next() {
        Some(Declaration::Service(service)) => (service, findings),
        other => panic!("{other:?} {:?}", parsed.findings),
    }
}

#[test]
fn a_service_with_named_and_numbered_targets() {
    let (service, findings) = service(
        r#"
apiVersion: v1
kind: Service
metadata:
  name: api
  namespace: shop
  uid: 1-2
  creationTimestamp: null
  annotations: {pelago.dev/locality: spread, pelago.dev/failover: off, other: true}
spec:
  type: ClusterIP
  selector: {app: api}
  ports:
  - {name: http, port: 80, targetPort: web, appProtocol: http}
  - {name: raw, port: 81, targetPort: 9000, protocol: TCP}
  - {name: same, port: 82}
  - {name: dns, port: 53, protocol: UDP}
status: {loadBalancer: {}}
"#,
    );
    assert_eq!(findings, ["spec.ports[3].protocol"]);
    assert_eq!(
        service.service.to_string(),
        "shop/api.shop.svc.cluster.local"
    );
    assert_eq!(
        (service.spread, service.failover),
        (Spread::Everywhere, false)
    );
    let target = |port| service.ports[&PortKey::tcp(port)].1.clone();
    assert_eq!(target(80), Target::Name("web".into()));
    assert_eq!(target(81), Target::Number(9000));
    assert_eq!(target(82), Target::Number(82));
    assert_eq!(service.ports.len(), 3);
}

#[test]
fn what_is_not_honoured_is_said() {
    let (_, findings) = service(
        "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {clusterIP: None, type: NodePort, sessionAffinity: ClientIP}\n",
    );
    assert_eq!(
        findings,
        ["spec.type", "spec.clusterIP", "spec.sessionAffinity"]
    );
}

#[test]
fn an_external_name_and_a_dotted_name_are_refused() {
    for text in [
        "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {type: ExternalName, externalName: x.y}\n",
        "apiVersion: v1\nkind: Service\nmetadata: {name: a.b}\nspec: {}\n",
        "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 70000}]}\n",
        "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 0, targetPort: 0}]}\n",
        "apiVersion: v1\nkind: Service\nmetadata: {name: a, annotations: {pelago.dev/failover: maybe}}\nspec: {}\n",
    ] {
        assert!(read("s", text, &context()).broken, "{text}");
    }
}
