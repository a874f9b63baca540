use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::samples;

proptest! {
    #[test]
    fn services_survive_the_wire(service in samples::exported_service()) {
        let bytes = encode_service(&service).encode_to_vec();
        let decoded = decode_service(ExportedService::decode(bytes.as_slice()).unwrap());
        prop_assert_eq!(decoded.unwrap(), service);
    }

    #[test]
    fn gateways_survive_the_wire(gateway in samples::exported_gateway()) {
        prop_assert_eq!(decode_gateway(&encode_gateway(&gateway)).unwrap(), gateway);
    }

    #[test]
    fn tombstones_survive_the_wire(namespace in samples::namespace(), name in samples::name()) {
        for removed in [Removed::Gateway(name.clone()), Removed::Service { namespace, name }] {
            prop_assert_eq!(decode_removed(&encode_removed(&removed)).unwrap(), removed);
        }
    }
}

fn service() -> ExportedService {
    ExportedService {
        namespace: "shop".to_owned(),
        name: "api".to_owned(),
        host: "api.shop.svc.cluster.local".to_owned(),
        ports: Vec::new(),
        endpoints: Vec::new(),
    }
}

fn endpoint(uid: usize) -> ExportedEndpoint {
    ExportedEndpoint {
        uid: format!("west/{uid}"),
        identity: "spiffe://west.example/ns/shop/sa/api".to_owned(),
        network: "west/net".to_owned(),
        ..ExportedEndpoint::default()
    }
}

#[test]
fn an_endpoint_or_port_told_twice_is_refused() {
    let port = ExportedPort {
        port: 80,
        transport: "TCP".to_owned(),
        ..ExportedPort::default()
    };
    let mut twice = service();
    twice.ports = vec![port.clone(), port];
    assert_eq!(decode_service(twice).unwrap_err().field, "ports");
    let mut twice = service();
    twice.endpoints = vec![endpoint(1), endpoint(1)];
    assert_eq!(decode_service(twice).unwrap_err().field, "endpoints");
}

#[test]
fn udp_is_refused_by_name() {
    let mut udp = service();
    udp.ports = vec![ExportedPort {
        port: 53,
        transport: "UDP".to_owned(),
        ..ExportedPort::default()
    }];
    let error = decode_service(udp).unwrap_err();
    assert_eq!((error.field, error.value.as_str()), ("transport", "UDP"));
}

#[test]
fn more_endpoints_than_the_limit_are_refused_before_any_is_read() {
    let mut full = service();
    full.endpoints = (0..MAX_ENDPOINTS).map(endpoint).collect();
    assert!(full.encoded_len() < crate::MAX_MESSAGE);
    assert!(decode_service(full.clone()).is_ok());
    full.endpoints.push(ExportedEndpoint::default());
    let error = decode_service(full).unwrap_err();
    assert_eq!(error.value, "10001 entries");
}

#[test]
fn a_tombstone_without_a_name_is_refused() {
    assert!(decode_removed(&Tombstone { gone: None }).is_err());
    let gone = Some(tombstone::Gone::Service("shop".to_owned()));
    assert!(decode_removed(&Tombstone { gone }).is_err());
}
