use std::error::Error as _;

use pelago_net::Fabric;
use pelago_runtime::scope::Scope;
use pelago_wire::trust::EnrolRequest;
use pelago_wire::trust::trust_client::TrustClient;
use tonic::Status;

use super::*;
use crate::error::TlsError;
use crate::kit::{Controller, Domain, hosts};
use crate::state::IdentityWriter;

struct World {
    east: Domain,
    controller: Controller,
    target: Target,
    channels: Channels,
    node: IdentityWriter,
    fabric: Fabric,
    nets: [pelago_net::MemoryNet; 2],
    _scope: Scope,
}

async fn world() -> World {
    let east = Domain::new("east");
    let (fabric, controller_net, node_net) = hosts();
    let scope = Scope::new("test");
    let (controller, address) = Controller::start(&east, &controller_net, &scope).await;
    let (node, identity) = east.identity("pelago/node/east/n1", &[&east]);
    let target = Target {
        addresses: vec![address],
        sni: crate::SNI_CONTROL.to_owned(),
        as_id: east.id("pelago/node/east/n1"),
        expect: Expect::exactly(east.id("pelago/controller/east")),
    };
    World {
        east,
        controller,
        target,
        channels: Channels::new(BoxNet::new(node_net.clone()), identity),
        node,
        fabric,
        nets: [controller_net, node_net],
        _scope: scope,
    }
}

impl World {
    /// A call that reaches the controller and is refused there.
    async fn call(&self, target: &Target) -> Status {
        let mut client = TrustClient::new(self.channels.channel(target));
        client.enrol(EnrolRequest::default()).await.unwrap_err()
    }

    fn remotes(&self) -> usize {
        let mut remotes = self.controller.heard.borrow().remotes.clone();
        remotes.sort();
        remotes.dedup();
        remotes.len()
    }
}

#[tokio::test(start_paused = true)]
async fn everyone_shares_one_connection_to_a_target() {
    let world = world().await;
    for _ in 0..3 {
        let status = world.call(&world.target).await;
        assert_eq!(status.code(), tonic::Code::PermissionDenied);
    }
    assert_eq!(world.remotes(), 1);
    world.channels.forget(&world.target);
    world.call(&world.target).await;
    assert_eq!(world.remotes(), 2);
}

#[tokio::test(start_paused = true)]
async fn addresses_are_tried_in_order_and_names_resolved() {
    let world = world().await;
    let name = HostPort::parse("controller.test:15012").unwrap();
    let nowhere = HostPort::parse("10.0.0.1:1").unwrap();
    let nobody = HostPort::parse("nobody.test:15012").unwrap();
    let target = Target {
        addresses: vec![nobody, nowhere, name],
        ..world.target.clone()
    };
    let status = world.call(&target).await;
    assert_eq!(status.code(), tonic::Code::Unavailable);
    world
        .fabric
        .name("controller.test", ["10.0.0.1".parse().unwrap()]);
    let status = world.call(&target).await;
    assert_eq!(status.code(), tonic::Code::PermissionDenied);
    let none = Target {
        addresses: Vec::new(),
        ..target
    };
    assert_eq!(world.call(&none).await.code(), tonic::Code::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn another_identity_is_not_spoken_to() {
    let world = world().await;
    let target = Target {
        expect: Expect::exactly(world.east.id("pelago/controller/west")),
        ..world.target.clone()
    };
    let status = world.call(&target).await;
    let mut cause = status.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<TlsError>() {
            assert!(matches!(error, TlsError::WrongIdentity { .. }));
            assert_eq!(world.controller.heard.borrow().enrols, 0);
            return;
        }
        cause = error.source();
    }
    panic!("no TLS error in {status:?}");
}

#[tokio::test(start_paused = true)]
async fn the_next_connection_uses_the_rotated_state() {
    let world = world().await;
    world.call(&world.target).await;
    // Both sides move to a new root; nobody restarts.
    let new = Domain::new("east");
    let mut both = world.east.bundle(2);
    both.x509_authorities.extend(new.bundle(2).x509_authorities);
    for writer in [&world.node, &*world.controller.writer] {
        let both = Arc::new(both.clone());
        writer.update(|state| state.bundles.accept(both).unwrap());
    }
    world
        .controller
        .writer
        .update(|state| state.own = Some(new.svid("pelago/controller/east")));
    world.channels.forget(&world.target);
    let status = world.call(&world.target).await;
    assert_eq!(status.code(), tonic::Code::PermissionDenied);
    // A node without an SVID of the identity that should speak cannot connect at all.
    world.node.update(|state| state.own = None);
    world.channels.forget(&world.target);
    let status = world.call(&world.target).await;
    assert_eq!(status.code(), tonic::Code::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn a_dead_controller_is_noticed_and_found_again() {
    let world = world().await;
    world.call(&world.target).await;
    let mut client = TrustClient::new(world.channels.channel(&world.target));
    let hello = pelago_wire::trust::TrustRequest {
        message: Some(pelago_wire::trust::trust_request::Message::Hello(
            pelago_wire::hello::ours(&[]),
        )),
    };
    let asks = futures_util::stream::StreamExt::chain(
        futures_util::stream::iter([hello]),
        futures_util::stream::pending(),
    );
    let mut open = client.session(asks).await.unwrap().into_inner();
    // Hello, entries, bundles.
    for _ in 0..3 {
        assert!(open.message().await.unwrap().is_some());
    }
    let [near, far] = &world.nets;
    world.fabric.cut(near, far);
    // Nothing else would ever arrive: only the keepalive ends this.
    let lost = tokio::time::timeout(Duration::from_secs(60), open.message()).await;
    assert!(lost.unwrap().is_err());
    world.fabric.heal(near, far);
    let mut status = world.call(&world.target).await;
    if status.code() == tonic::Code::Unavailable {
        status = world.call(&world.target).await;
    }
    assert_eq!(status.code(), tonic::Code::PermissionDenied);
}
