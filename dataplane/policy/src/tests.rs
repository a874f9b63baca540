//! A small mesh to decide on, shared by the tests of every room.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pelago_model::authz::{Action, Pattern, Policy, Rule, Scope, Source};
use pelago_model::service::{ServicePort, Spread};
use pelago_model::*;
use pelago_svid::{Usage, VerifiedPeer};
use rustls_pki_types::CertificateDer;
use tests_suites::mint::{Authority, ISSUER, NOW, Spec};

use crate::{Destination, Home};

pub(crate) fn home() -> Home {
    Home {
        cluster: ClusterId::parse("east").unwrap(),
        trust_domain: TrustDomain::parse("east.example").unwrap(),
        network: NetworkId::parse("east/net").unwrap(),
        locality: Locality::parse("eu/a"),
        reserved_ports: BTreeSet::from([15999]),
    }
}

pub(crate) fn id(text: &str) -> SpiffeId {
    SpiffeId::parse(text).unwrap()
}

pub(crate) fn cluster(text: &str) -> ClusterId {
    ClusterId::parse(text).unwrap()
}

pub(crate) fn uid(cluster: &str, name: &str) -> WorkloadUid {
    WorkloadUid::parse(&format!("{cluster}/x/WorkloadEntry/shop/{name}")).unwrap()
}

pub(crate) fn key(name: &str) -> ServiceKey {
    ServiceKey::parse(&format!("shop/{name}.shop.svc.cluster.local")).unwrap()
}

pub(crate) fn to(name: &str, port: u16) -> Destination {
    Destination::Service {
        host: key(name).host,
        port,
    }
}

pub(crate) fn service(name: &str, exported_to: &[(&str, &str)]) -> Service {
    Service {
        key: key(name),
        ports: BTreeMap::from([(PortKey::tcp(80), ServicePort::default())]),
        aliases: vec![Hostname::parse(&format!("{name}.alias")).unwrap()],
        addresses: Vec::new(),
        cluster: cluster("east"),
        exported_to: exported_to
            .iter()
            .map(|(cluster, domain)| Audience {
                cluster: self::cluster(cluster),
                trust_domain: TrustDomain::parse(domain).unwrap(),
            })
            .collect(),
        spread: Spread::Nearest,
        failover: true,
    }
}

/// A workload of `cluster` named `name` at `10.0.0.<last>` (no address for 0),
/// serving `services` on port 80 by its own port 8080.
pub(crate) fn workload(cluster: &str, name: &str, last: u8, services: &[&str]) -> Workload {
    let endpoint = |service: &&str| {
        let endpoint = Endpoint {
            host: key(service).host,
            ports: BTreeMap::from([(PortKey::tcp(80), 8080)]),
        };
        (key(service), endpoint)
    };
    Workload {
        uid: uid(cluster, name),
        name: Name::parse(name).unwrap(),
        namespace: Namespace::parse("shop").unwrap(),
        identity: id(&format!("spiffe://{cluster}.example/ns/shop/sa/{name}")),
        cluster: self::cluster(cluster),
        network: NetworkId::parse(&format!("{cluster}/net")).unwrap(),
        addresses: (last > 0)
            .then(|| [10, 0, 0, last].into())
            .into_iter()
            .collect(),
        tunnel: Tunnel::Hbone(15008),
        locality: Locality::parse("eu/a"),
        weight: 1,
        health: Health::Healthy,
        standing: Standing::Fresh,
        node: None,
        endpoints: services.iter().map(endpoint).collect(),
        labels: BTreeMap::from([("app".to_owned(), name.to_owned())]),
    }
}

pub(crate) fn gateway(cluster: &str, name: &str) -> Gateway {
    Gateway {
        id: GatewayId::parse(&format!("{cluster}/{name}")).unwrap(),
        network: NetworkId::parse(&format!("{cluster}/net")).unwrap(),
        identity: id(&format!(
            "spiffe://{cluster}.example/pelago/gateway/{cluster}/{name}"
        )),
        addresses: vec![HostPort::parse(&format!("{name}.{cluster}.example:15443")).unwrap()],
        standing: Standing::Fresh,
    }
}

pub(crate) fn policy(key: &str, scope: Scope, action: Action, rules: Vec<Rule>) -> Policy {
    Policy {
        key: PolicyKey::parse(key).unwrap(),
        scope,
        action,
        rules,
    }
}

pub(crate) fn from(source: Source) -> Rule {
    Rule {
        from: vec![source],
        to: Vec::new(),
    }
}

pub(crate) fn patterns(texts: &[&str]) -> Vec<Pattern> {
    texts.iter().map(|text| Pattern::parse(text)).collect()
}

/// A peer of that identity, issued by that cluster (or by none that says so),
/// through real verification.
pub(crate) fn peer(id: &str, issuer: Option<&str>) -> VerifiedPeer {
    let id = self::id(id);
    let domain = id.trust_domain();
    let root = Authority::root(&Spec::root(domain.as_str()));
    let below = Spec::intermediate(issuer.unwrap_or("any"), &[&format!("spiffe://{domain}")]);
    let below = if issuer.is_some() {
        below
    } else {
        below.without(ISSUER)
    };
    let minted = root.authority(&below).leaf(&Spec::leaf(id.as_str()));
    let mut bundles = BundleSet::default();
    let bundle = Bundle {
        trust_domain: domain.clone(),
        sequence: 1,
        refresh_hint: 60,
        x509_authorities: vec![root.root_der().into()],
    };
    bundles.accept(Arc::new(bundle)).unwrap();
    let chain: Vec<_> = minted.chain.into_iter().map(CertificateDer::from).collect();
    pelago_svid::verify(&chain, &bundles, Usage::Client, NOW).unwrap()
}

/// A snapshot under construction.
#[derive(Default)]
pub(crate) struct Mesh(Vec<Resource>);

impl Mesh {
    pub(crate) fn service(mut self, service: Service) -> Self {
        self.0.push(Resource::Service(Arc::new(service)));
        self
    }

    pub(crate) fn workload(mut self, workload: Workload) -> Self {
        self.0.push(Resource::Workload(Arc::new(workload)));
        self
    }

    pub(crate) fn gateway(mut self, gateway: Gateway) -> Self {
        self.0.push(Resource::Gateway(Arc::new(gateway)));
        self
    }

    pub(crate) fn policy(mut self, policy: Policy) -> Self {
        self.0.push(Resource::Policy(Arc::new(policy)));
        self
    }

    pub(crate) fn build(self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        snapshot.apply(&Delta {
            upserts: self.0,
            removals: Vec::new(),
        });
        snapshot
    }
}
