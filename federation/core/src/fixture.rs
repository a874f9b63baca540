//! Facts for tests: two clusters, `east` (ours) and `west`, told in YAML.

use std::collections::BTreeMap;
use std::sync::Arc;

use pelago_model::gateway::{Gateway, GatewayId};
use pelago_model::service::{Audience, ServicePort};
use pelago_model::{
    ClusterId, ExportedEndpoint, ExportedGateway, ExportedService, Grant, Health, HostPort,
    Hostname, Locality, Name, Namespace, NetworkId, PartKind, Peer, PortKey, ServicePattern,
    SpiffeId, Standing, TrustDomain, WorkloadUid,
};
use pelago_resources::{Context, ObjectKey};

use crate::view::{Fact, FactKey, View, declared};

pub(crate) fn cluster(name: &str) -> ClusterId {
    ClusterId::parse(name).expect("cluster")
}

pub(crate) fn domain(name: &str) -> TrustDomain {
    TrustDomain::parse(&format!("{name}.example")).expect("domain")
}

pub(crate) fn object(text: &str) -> ObjectKey {
    let (namespace, name) = text.split_once('/').expect("ns/name");
    ObjectKey {
        namespace: Namespace::parse(namespace).expect("namespace"),
        name: Name::parse(name).expect("name"),
    }
}

pub(crate) fn context(name: &str) -> Context {
    Context {
        cluster: cluster(name),
        trust_domain: domain(name),
        network: NetworkId::parse(&format!("{name}/{name}-net")).expect("network"),
        root_namespace: Namespace::parse("istio-system").expect("namespace"),
    }
}

pub(crate) fn facts(name: &str, yaml: &str) -> BTreeMap<FactKey, Fact> {
    let parsed = pelago_resources::read("test", yaml, &context(name));
    assert_eq!(parsed.findings, []);
    parsed.declarations.into_iter().map(declared).collect()
}

pub(crate) fn service(name: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{selector: {{app: {name}}}, ports: [{{port: 80, targetPort: http}}]}}\n"
    )
}

pub(crate) fn workload(app: &str, name: &str, ip: &str) -> String {
    format!(
        "---\napiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{address: {ip}, labels: {{app: {app}}}, ports: {{http: 8080}}, serviceAccount: {app}}}\n"
    )
}

pub(crate) fn export(name: &str) -> String {
    format!(
        "---\napiVersion: multicluster.x-k8s.io/v1alpha1\nkind: ServiceExport\nmetadata: {{name: {name}, namespace: shop}}\n"
    )
}

pub(crate) fn peer(name: &str, exports: &[&str], merges: &[&str]) -> Peer {
    let patterns = |list: &[&str]| {
        list.iter()
            .map(|text| ServicePattern::parse(text).expect("pattern"))
            .collect()
    };
    Peer {
        cluster: cluster(name),
        trust_domain: domain(name),
        controller: domain(name).controller(&cluster(name)),
        addresses: vec![HostPort::parse(&format!("gw.{name}.example:15443")).expect("address")],
        grant: Grant {
            export: patterns(exports),
            merge: patterns(merges),
        },
    }
}

pub(crate) fn peer_fact(peer: Peer, standing: Standing) -> (FactKey, Fact) {
    (
        FactKey::Peer(peer.cluster.clone()),
        Fact::Peer(Arc::new(peer), standing),
    )
}

pub(crate) fn audience(name: &str) -> Audience {
    Audience {
        cluster: cluster(name),
        trust_domain: domain(name),
    }
}

pub(crate) fn gateway(name: &str) -> Gateway {
    let own = Name::parse("gw-1").expect("name");
    Gateway {
        identity: domain(name).part(PartKind::Gateway, &cluster(name), &own),
        id: GatewayId {
            cluster: cluster(name),
            name: own,
        },
        network: NetworkId::parse(&format!("{name}/{name}-net")).expect("network"),
        addresses: vec![HostPort::parse(&format!("gw.{name}.example:15443")).expect("address")],
        standing: Standing::Fresh,
    }
}

pub(crate) fn shown_gateway(name: &str) -> ExportedGateway {
    let gateway = gateway(name);
    ExportedGateway {
        name: gateway.id.name,
        network: gateway.network,
        identity: gateway.identity,
        addresses: gateway.addresses,
    }
}

pub(crate) fn shown_service(cluster: &str, name: &str, workloads: &[&str]) -> ExportedService {
    let endpoint = |workload: &&str| ExportedEndpoint {
        uid: WorkloadUid::parse(&format!("{cluster}/x/{workload}")).expect("uid"),
        identity: SpiffeId::parse(&format!("spiffe://{cluster}.example/ns/shop/sa/{name}"))
            .expect("id"),
        network: NetworkId::parse(&format!("{cluster}/{cluster}-net")).expect("network"),
        locality: Locality::default(),
        weight: 1,
        health: Health::Healthy,
    };
    ExportedService {
        namespace: Namespace::parse("shop").expect("namespace"),
        name: Name::parse(name).expect("name"),
        host: Hostname::parse(&format!("{name}.shop.svc.cluster.local")).expect("host"),
        ports: vec![(PortKey::tcp(80), ServicePort::default())],
        endpoints: workloads.iter().map(endpoint).collect(),
    }
}

pub(crate) fn view(facts: impl IntoIterator<Item = (FactKey, Fact)>) -> View {
    let mut view = View::default();
    for (key, fact) in facts {
        view.set(key, fact);
    }
    view
}
