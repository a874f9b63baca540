use std::collections::BTreeMap;

use pelago_model::{Gateway, GatewayId, NetworkId, SpiffeId, Standing};
use proptest::prelude::*;

use super::*;
use crate::samples;

proptest! {
    #[test]
    fn every_resource_survives_the_wire(resource in samples::resource()) {
        let name = resource.name();
        let decoded = decode(name.kind(), &name.to_string(), &encode(&resource), &mut Interner::default());
        prop_assert_eq!(decoded.unwrap(), resource);
    }

    #[test]
    fn no_bytes_panic(kind in 0_usize..4, value in proptest::collection::vec(any::<u8>(), 0..64)) {
        let kind = Kind::ALL[kind];
        let any = Any { type_url: type_url(kind).to_owned(), value };
        let _ = decode(kind, "a/b", &any, &mut Interner::default());
    }
}

fn read(message: &impl prost::Message, kind: Kind, name: &str) -> Result<Resource, Malformed> {
    let any = Any {
        type_url: type_url(kind).to_owned(),
        value: message.encode_to_vec(),
    };
    decode(kind, name, &any, &mut Interner::default())
}

fn wire_gateway() -> super::Gateway {
    gateway::encode(&Gateway {
        id: GatewayId::parse("east/gw").unwrap(),
        network: NetworkId::parse("east/net").unwrap(),
        identity: SpiffeId::parse("spiffe://td/pelago/gateway/east/gw").unwrap(),
        addresses: Vec::new(),
        standing: Standing::Fresh,
    })
}

fn wire_policy() -> Policy {
    Policy {
        namespace: "shop".to_owned(),
        name: "p".to_owned(),
        scope: Some(Scope {
            scope: Some(scope::Scope::Namespace(true)),
        }),
        action: Action::Deny.into(),
        rules: Vec::new(),
    }
}

#[test]
fn an_error_names_message_field_value_and_what_is_allowed() {
    let mut gateway = wire_gateway();
    gateway.addresses = vec!["gw:15443".to_owned(), "gw".to_owned()];
    let error = read(&gateway, Kind::Gateway, "east/gw").unwrap_err();
    assert_eq!((error.message, error.field), ("Gateway", "addresses"));
    assert_eq!(error.value, "gw");
    assert!(error.allowed.contains("host:port"), "{error}");
}

#[test]
fn a_name_that_is_not_the_resources_own_is_refused() {
    assert!(read(&wire_gateway(), Kind::Gateway, "east/gw").is_ok());
    let error = read(&wire_gateway(), Kind::Gateway, "west/gw").unwrap_err();
    assert_eq!(error.field, "name");
}

#[test]
fn another_type_than_asked_for_is_refused() {
    let any = Any {
        type_url: type_url(Kind::Service).to_owned(),
        value: wire_gateway().encode_to_vec(),
    };
    let error = decode(Kind::Gateway, "east/gw", &any, &mut Interner::default()).unwrap_err();
    assert_eq!(error.field, "type_url");
}

#[test]
fn a_policy_that_says_something_unknown_is_never_read_as_a_wider_one() {
    assert!(read(&wire_policy(), Kind::Policy, "shop/p").is_ok());
    let mut no_scope = wire_policy();
    no_scope.scope = None;
    let mut false_scope = wire_policy();
    false_scope.scope = Some(Scope {
        scope: Some(scope::Scope::Mesh(false)),
    });
    let mut unknown_action = wire_policy();
    unknown_action.action = 7;
    let mut empty_pattern = wire_policy();
    empty_pattern.rules = vec![Rule {
        from: vec![Source {
            principals: vec![Pattern { pattern: None }],
            ..Source::default()
        }],
        to: Vec::new(),
    }];
    let mut large_port = wire_policy();
    large_port.rules = vec![Rule {
        from: Vec::new(),
        to: vec![Operation {
            ports: vec![65_616],
            not_ports: Vec::new(),
        }],
    }];
    for (policy, field) in [
        (no_scope, "scope"),
        (false_scope, "scope"),
        (unknown_action, "action"),
        (empty_pattern, "rules.from.principals"),
        (large_port, "rules.to.ports"),
    ] {
        let error = read(&policy, Kind::Policy, "shop/p").unwrap_err();
        assert_eq!(error.field, field);
    }
}

#[test]
fn lists_texts_and_resources_have_limits() {
    let mut gateway = wire_gateway();
    gateway.addresses = vec!["gw:1".to_owned(); 65];
    let error = read(&gateway, Kind::Gateway, "east/gw").unwrap_err();
    assert_eq!(
        (error.value.as_str(), error.field),
        ("65 entries", "addresses")
    );

    let mut policy = wire_policy();
    policy.scope = Some(Scope {
        scope: Some(scope::Scope::Workloads(Selector {
            labels: BTreeMap::from([("a".repeat(1025), String::new())]),
        })),
    });
    let error = read(&policy, Kind::Policy, "shop/p").unwrap_err();
    assert_eq!(error.field, "scope.workloads");
    assert!(error.value.len() <= 256);

    let any = Any {
        type_url: type_url(Kind::Policy).to_owned(),
        value: vec![0; MAX_RESOURCE + 1],
    };
    let error = decode(Kind::Policy, "shop/p", &any, &mut Interner::default()).unwrap_err();
    assert_eq!(error.field, "resource bytes");
}

#[test]
fn equal_ids_of_two_resources_share_their_text() {
    let mut interner = Interner::default();
    let mut both = ["east/a", "east/b"].map(|name| {
        let mut gateway = wire_gateway();
        gateway.name = name[5..].to_owned();
        let any = Any {
            type_url: type_url(Kind::Gateway).to_owned(),
            value: gateway.encode_to_vec(),
        };
        match decode(Kind::Gateway, name, &any, &mut interner).unwrap() {
            Resource::Gateway(gateway) => gateway,
            other => panic!("{other:?}"),
        }
    });
    both.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(
        both[0].identity.as_str().as_ptr(),
        both[1].identity.as_str().as_ptr()
    );
}

#[test]
fn type_urls_are_read_back_and_unknown_ones_are_not() {
    for each in Kind::ALL {
        assert_eq!(kind(type_url(each)), Some(each));
    }
    assert_eq!(
        kind("type.googleapis.com/envoy.config.cluster.v3.Cluster"),
        None
    );
}
