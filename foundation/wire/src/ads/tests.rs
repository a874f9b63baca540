use proptest::prelude::*;

use super::*;
use crate::{hello, samples};

proptest! {
    #[test]
    fn clients_survive_the_wire(
        id in samples::identity(),
        advertise in proptest::collection::vec(samples::address(), 0..3),
        network in proptest::option::of(samples::name()),
        locality in "[a-z0-9-]{0,5}(/[a-z0-9-]{1,5}){0,2}",
    ) {
        let client = Client {
            id,
            hello: hello::ours(&["a", "b"]),
            advertise,
            network,
            locality: Locality::parse(&locality),
        };
        prop_assert_eq!(decode_client(&encode_client(&client)).unwrap(), client);
    }
}

#[test]
fn a_foreign_client_or_a_strange_hello_is_refused_by_field() {
    let mut node = encode_client(&Client {
        id: SpiffeId::parse("spiffe://td/pelago/node/east/n").unwrap(),
        hello: hello::ours(&[]),
        advertise: Vec::new(),
        network: None,
        locality: Locality::default(),
    });
    let metadata = node.metadata.as_mut().unwrap();
    let Some(Json::StructValue(pelago)) = &mut metadata.fields.get_mut("pelago").unwrap().kind
    else {
        panic!("an object");
    };
    let Some(Json::StructValue(hello)) = &mut pelago.fields.get_mut("hello").unwrap().kind else {
        panic!("an object");
    };
    hello.fields.get_mut("newestProtocol").unwrap().kind = Some(Json::NumberValue(1.5));
    assert_eq!(decode_client(&node).unwrap_err().field, "newestProtocol");
    node.metadata = None;
    assert_eq!(decode_client(&node).unwrap_err().field, "metadata.pelago");
}
