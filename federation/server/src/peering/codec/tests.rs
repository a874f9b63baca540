use std::time::Duration;

use pelago_federation_core::export::{Shown, ShownKey};
use pelago_federation_core::session::Message;
use pelago_model::{Name, Namespace, Version};
use pelago_resources::ObjectKey;
use pelago_wire::peering::PeerMessage;

use super::{decode, encode};

#[test]
fn every_message_comes_back_as_it_was() {
    let object = ObjectKey {
        namespace: Namespace::parse("shop").expect("namespace"),
        name: Name::parse("api").expect("name"),
    };
    let gone = |key| Message::Shown(Box::new(Shown::Gone(key)));
    for message in [
        Message::Hello,
        gone(ShownKey::Service(object.clone())),
        gone(ShownKey::Gateway(object.name)),
        Message::Synced(Version::of_bytes(b"x")),
        Message::Heartbeat {
            hash: Version::of_bytes(b"y"),
            lease: Duration::from_secs(5),
        },
    ] {
        assert_eq!(
            decode(encode(message.clone())).expect("ours"),
            Some(message)
        );
    }
    assert_eq!(decode(PeerMessage { message: None }).expect("newer"), None);
}
