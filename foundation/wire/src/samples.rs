//! Random model values for the round-trip properties.

use std::net::IpAddr;
use std::sync::Arc;

use pelago_model::authz::{Action, Operation, Pattern, Rule, Scope, Source};
use pelago_model::service::{ServicePort, Spread};
use pelago_model::{
    Audience, Bundle, ClusterId, Endpoint, ExportedEndpoint, ExportedGateway, ExportedService,
    Gateway, GatewayId, Grant, Health, HostPort, Hostname, Locality, Name, Namespace, NetworkId,
    Policy, PolicyKey, PortKey, RegistrationEntry, Resource, Selector, Service, ServiceKey,
    ServicePattern, SpiffeId, Standing, TrustDomain, Tunnel, Workload, WorkloadUid,
};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;

pub(crate) fn label() -> impl Strategy<Value = String> {
    "[a-z0-9]([a-z0-9-]{0,6}[a-z0-9])?"
}

pub(crate) fn cluster() -> impl Strategy<Value = ClusterId> {
    label().prop_map(|text| ClusterId::parse(&text).unwrap())
}

pub(crate) fn name() -> impl Strategy<Value = Name> {
    vec(label(), 1..3).prop_map(|labels| Name::parse(&labels.join(".")).unwrap())
}

pub(crate) fn namespace() -> impl Strategy<Value = Namespace> {
    label().prop_map(|text| Namespace::parse(&text).unwrap())
}

pub(crate) fn host() -> impl Strategy<Value = Hostname> {
    (label(), "[a-z][a-z0-9_]{0,6}[a-z]")
        .prop_map(|(a, b)| Hostname::parse(&format!("{a}.{b}")).unwrap())
}

pub(crate) fn domain() -> impl Strategy<Value = TrustDomain> {
    "[a-z0-9._-]{1,12}".prop_map(|text| TrustDomain::parse(&text).unwrap())
}

pub(crate) fn identity() -> impl Strategy<Value = SpiffeId> {
    (domain(), "[a-zA-Z0-9_-]{1,8}", label())
        .prop_map(|(domain, ns, sa)| domain.workload(&ns, &sa).unwrap())
}

pub(crate) fn network() -> impl Strategy<Value = NetworkId> {
    (option::of(cluster()), name()).prop_map(|(cluster, name)| match cluster {
        Some(cluster) => NetworkId::of(cluster, name),
        None => NetworkId::shared(name),
    })
}

pub(crate) fn address() -> impl Strategy<Value = HostPort> {
    let byname = (host(), 1_u16..)
        .prop_map(|(host, port)| HostPort::parse(&format!("{host}:{port}")).unwrap());
    let byip = (any::<IpAddr>(), 1_u16..)
        .prop_map(|(ip, port)| std::net::SocketAddr::new(ip, port).into());
    prop_oneof![byname, byip]
}

fn uid() -> impl Strategy<Value = WorkloadUid> {
    "[!-~]{1,20}".prop_map(|text| WorkloadUid::parse(&text).unwrap())
}

fn key() -> impl Strategy<Value = ServiceKey> {
    (namespace(), host()).prop_map(|(namespace, host)| ServiceKey { namespace, host })
}

fn port() -> impl Strategy<Value = PortKey> {
    (1_u16..).prop_map(PortKey::tcp)
}

pub(crate) fn locality() -> impl Strategy<Value = Locality> {
    ("\\PC{0,5}", "\\PC{0,5}", "\\PC{0,5}").prop_map(|(region, zone, subzone)| Locality {
        region,
        zone,
        subzone,
    })
}

fn standing() -> impl Strategy<Value = Standing> {
    prop_oneof![
        Just(Standing::Fresh),
        Just(Standing::Demoted),
        Just(Standing::Withdrawn)
    ]
}

fn health() -> impl Strategy<Value = Health> {
    prop_oneof![Just(Health::Healthy), Just(Health::Unhealthy)]
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    (host(), btree_map(port(), 1_u16.., 0..3)).prop_map(|(host, ports)| Endpoint { host, ports })
}

fn workload() -> impl Strategy<Value = Workload> {
    let who = (uid(), name(), namespace(), identity(), cluster(), network());
    let place = (
        vec(any::<IpAddr>(), 0..3),
        1_u16..,
        locality(),
        any::<u32>(),
        health(),
        standing(),
        option::of(identity()),
    );
    let serves = (
        btree_map(key(), endpoint(), 0..3),
        btree_map("\\PC{0,8}", "\\PC{0,8}", 0..3),
    );
    (who, place, serves).prop_map(|(who, place, (endpoints, labels))| Workload {
        uid: who.0,
        name: who.1,
        namespace: who.2,
        identity: who.3,
        cluster: who.4,
        network: who.5,
        addresses: place.0,
        tunnel: Tunnel::Hbone(place.1),
        locality: place.2,
        weight: place.3,
        health: place.4,
        standing: place.5,
        node: place.6,
        endpoints,
        labels,
    })
}

fn service() -> impl Strategy<Value = Service> {
    let text = || option::of("\\PC{0,8}");
    let port_of =
        (text(), text()).prop_map(|(name, app_protocol)| ServicePort { name, app_protocol });
    let audience = (cluster(), domain()).prop_map(|(cluster, trust_domain)| Audience {
        cluster,
        trust_domain,
    });
    (
        key(),
        btree_map(port(), port_of, 0..3),
        vec(host(), 0..3),
        vec((network(), any::<IpAddr>()), 0..3),
        cluster(),
        btree_set(audience, 0..3),
        prop_oneof![Just(Spread::Nearest), Just(Spread::Everywhere)],
        any::<bool>(),
    )
        .prop_map(
            |(key, ports, aliases, addresses, cluster, exported_to, spread, failover)| Service {
                key,
                ports,
                aliases,
                addresses,
                cluster,
                exported_to,
                spread,
                failover,
            },
        )
}

fn gateway() -> impl Strategy<Value = Gateway> {
    (
        (cluster(), name()),
        network(),
        identity(),
        vec(address(), 0..3),
        standing(),
    )
        .prop_map(|(id, network, identity, addresses, standing)| Gateway {
            id: GatewayId {
                cluster: id.0,
                name: id.1,
            },
            network,
            identity,
            addresses,
            standing,
        })
}

fn pattern() -> impl Strategy<Value = Pattern> {
    prop_oneof![
        "\\PC{0,8}".prop_map(Pattern::Exact),
        "\\PC{0,8}".prop_map(Pattern::Prefix),
        "\\PC{0,8}".prop_map(Pattern::Suffix),
        Just(Pattern::Present)
    ]
}

fn policy() -> impl Strategy<Value = Policy> {
    let patterns = || vec(pattern(), 0..3);
    let source = (
        patterns(),
        patterns(),
        patterns(),
        patterns(),
        vec(cluster(), 0..2),
    )
        .prop_map(
            |(principals, not_principals, namespaces, not_namespaces, clusters)| Source {
                principals,
                not_principals,
                namespaces,
                not_namespaces,
                clusters,
            },
        );
    let operation = (vec(any::<u16>(), 0..3), vec(any::<u16>(), 0..3))
        .prop_map(|(ports, not_ports)| Operation { ports, not_ports });
    let rule = (vec(source, 0..3), vec(operation, 0..3)).prop_map(|(from, to)| Rule { from, to });
    let scope = prop_oneof![
        Just(Scope::Mesh),
        Just(Scope::Namespace),
        btree_map("\\PC{0,8}", "\\PC{0,8}", 0..3).prop_map(Scope::Workloads)
    ];
    (
        namespace(),
        name(),
        scope,
        prop_oneof![Just(Action::Allow), Just(Action::Deny)],
        vec(rule, 0..3),
    )
        .prop_map(|(namespace, name, scope, action, rules)| Policy {
            key: PolicyKey { namespace, name },
            scope,
            action,
            rules,
        })
}

pub(crate) fn resource() -> impl Strategy<Value = Resource> {
    prop_oneof![
        policy().prop_map(|p| Resource::Policy(Arc::new(p))),
        gateway().prop_map(|g| Resource::Gateway(Arc::new(g))),
        service().prop_map(|s| Resource::Service(Arc::new(s))),
        workload().prop_map(|w| Resource::Workload(Arc::new(w))),
    ]
}

pub(crate) fn bundle() -> impl Strategy<Value = Bundle> {
    let der = vec(any::<u8>(), 0..9).prop_map(Arc::<[u8]>::from);
    (domain(), any::<u64>(), any::<u64>(), vec(der, 1..4)).prop_map(
        |(trust_domain, sequence, refresh_hint, x509_authorities)| Bundle {
            trust_domain,
            sequence,
            refresh_hint,
            x509_authorities,
        },
    )
}

pub(crate) fn entry() -> impl Strategy<Value = RegistrationEntry> {
    let selector = prop_oneof![
        any::<u32>().prop_map(Selector::Uid),
        any::<u32>().prop_map(Selector::Gid),
        "/[ -~]{0,9}".prop_map(Selector::Path),
    ];
    (
        (name(), identity(), name()),
        vec(selector, 1..3),
        option::of(1_u64..),
        "\\PC{0,9}",
    )
        .prop_map(|(names, selectors, ttl_seconds, hint)| RegistrationEntry {
            id: names.0,
            spiffe_id: names.1,
            node: names.2,
            selectors,
            ttl_seconds,
            hint,
        })
}

pub(crate) fn grant() -> impl Strategy<Value = Grant> {
    let pattern = || {
        (namespace(), option::of(name())).prop_map(|(namespace, name)| {
            let name = name.map_or_else(|| "*".to_owned(), String::from);
            ServicePattern::parse(&format!("{namespace}/{name}")).unwrap()
        })
    };
    (vec(pattern(), 0..3), vec(pattern(), 0..3)).prop_map(|(export, merge)| Grant { export, merge })
}

pub(crate) fn exported_service() -> impl Strategy<Value = ExportedService> {
    let endpoint = (
        uid(),
        identity(),
        network(),
        locality(),
        any::<u32>(),
        health(),
    )
        .prop_map(|(uid, identity, network, locality, weight, health)| {
            let endpoint = ExportedEndpoint {
                uid: uid.clone(),
                identity,
                network,
                locality,
                weight,
                health,
            };
            (uid, endpoint)
        });
    // An empty port name is written as none, so none is drawn.
    let text = || option::of("\\PC{1,8}");
    let port_of =
        (text(), text()).prop_map(|(name, app_protocol)| ServicePort { name, app_protocol });
    (
        namespace(),
        name(),
        host(),
        btree_map(port(), port_of, 0..3),
        vec(endpoint, 0..3),
    )
        .prop_map(|(namespace, name, host, ports, endpoints)| {
            let endpoints: std::collections::BTreeMap<_, _> = endpoints.into_iter().collect();
            ExportedService {
                namespace,
                name,
                host,
                ports: ports.into_iter().collect(),
                endpoints: endpoints.into_values().collect(),
            }
        })
}

pub(crate) fn exported_gateway() -> impl Strategy<Value = ExportedGateway> {
    (name(), network(), identity(), vec(address(), 0..3)).prop_map(
        |(name, network, identity, addresses)| ExportedGateway {
            name,
            network,
            identity,
            addresses,
        },
    )
}
