//! The resources of a mesh, as people write them.

use std::net::IpAddr;

/// A workload with its registration, served by the node of the same name.
#[must_use]
pub fn workload(trust_domain: &str, name: &str, ip: IpAddr) -> String {
    format!(
        "\
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {{name: {name}-1, namespace: shop, annotations: {{pelago.dev/node: {name}}}}}
spec: {{address: {ip}, labels: {{app: {name}}}, serviceAccount: {name}}}
---
apiVersion: pelago.dev/v1alpha1
kind: RegistrationEntry
metadata: {{name: {name}, namespace: shop}}
spec: {{spiffeId: spiffe://{trust_domain}/ns/shop/sa/{name}, node: {name}, selectors: [\"unix:uid:1000\"]}}
"
    )
}

/// A service on port 80 of the workload of that name.
#[must_use]
pub fn service(name: &str, annotations: &str) -> String {
    format!(
        "\
---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: shop, annotations: {{{annotations}}}}}
spec: {{selector: {{app: {name}}}, ports: [{{port: 80, targetPort: 8080}}]}}
"
    )
}

/// Lets a service be shown to peers.
#[must_use]
pub fn export(name: &str) -> String {
    format!(
        "\
---
apiVersion: multicluster.x-k8s.io/v1alpha1
kind: ServiceExport
metadata: {{name: {name}, namespace: shop}}
"
    )
}

/// A policy on one workload against or for principals.
#[must_use]
pub fn policy(name: &str, app: &str, action: &str, principal: &str) -> String {
    format!(
        "\
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: {name}, namespace: shop}}
spec:
  selector: {{matchLabels: {{app: {app}}}}}
  action: {action}
  rules: [{{from: [{{source: {{principals: [\"{principal}\"]}}}}]}}]
"
    )
}
