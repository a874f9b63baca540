//! Those who hold something good and want more.

use std::sync::Arc;
use std::time::Duration;

use pelago_identity::session::Session;
use pelago_identity::{Channels, StateDir, channel, enrol};
use pelago_model::token::Token;
use pelago_store::Expected;
use pelago_wire::hello;
use pelago_wire::trust::trust_client::TrustClient;
use pelago_wire::trust::{TrustRequest, TrustResponse, trust_request};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use super::world::{Site, World, config, until};
use crate::CaConfig;

/// Gives a site's bundle this sequence.
async fn publish(site: &Site, domain: &str, sequence: u64) {
    let mut bundle = site.bundle_of(domain).expect("held").as_ref().clone();
    bundle.sequence = sequence;
    let bundles = &site.server.ca.tables.bundles;
    let put = bundles.put(domain, Expected::Any, &bundle).await;
    put.expect("written");
    until("published", || async {
        site.bundle_of(domain)
            .is_some_and(|held| held.sequence == sequence)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_token_does_not_let_anyone_take_a_peers_place() {
    let world = World::new();
    let (east, west) = (world.site("east", 1).await, world.site("west", 2).await);
    east.join(&west.peer_token(&[], &[]).await)
        .await
        .expect("joined");
    let honest = west.bundle_of("east.example").expect("held");
    // Another cluster of the same names, with roots of its own.
    let twin = world.host(3).serve(config("east", "east.example")).await;
    publish(&twin, "east.example", 7).await;
    let token = west.peer_token(&["shop/orders"], &[]).await;
    let refused = twin.join(&token).await.expect_err("refused");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(
        refused.message().contains("pelago peer remove east"),
        "{refused}"
    );
    assert!(west.token_is_unused(&token).await);
    assert_eq!(west.bundle_of("east.example"), Some(honest));
    // The peer itself may come again, with another grant.
    east.join(&token).await.expect("joined again");
}

#[tokio::test(start_paused = true)]
async fn a_token_of_somebody_with_a_peers_names_is_not_used() {
    let world = World::new();
    let (east, west) = (world.site("east", 1).await, world.site("west", 2).await);
    east.join(&west.peer_token(&[], &[]).await)
        .await
        .expect("joined");
    let honest = east.bundle_of("west.example").expect("held");
    let twin = world.host(3).serve(config("west", "west.example")).await;
    publish(&twin, "west.example", 7).await;
    let text = twin.peer_token(&[], &[]).await;
    let refused = east.join(&text).await.expect_err("refused");
    assert!(
        refused.message().contains("pelago peer remove west"),
        "{refused}"
    );
    // Nor when the true root is pinned beside the other.
    let mut token = Token::decode(&text).expect("a token");
    token
        .pins
        .push(pelago_svid::pin(&honest.x509_authorities[0]).expect("a root"));
    east.join(&token.encode()).await.expect_err("refused");
    assert!(twin.token_is_unused(&text).await);
    assert_eq!(east.bundle_of("west.example"), Some(honest));
}

#[tokio::test(start_paused = true)]
async fn a_root_that_goes_takes_its_sessions_with_it() {
    let world = World::new();
    let (east, west) = (world.site("east", 1).await, world.site("west", 2).await);
    east.join(&west.peer_token(&[], &[]).await)
        .await
        .expect("joined");
    until("the peer's session is there", || async {
        east.server.ca.seats.has("peer.west")
    })
    .await;
    let twin = world.host(3).serve(config("west", "west.example")).await;
    publish(&twin, "west.example", 7).await;
    let other = twin.bundle_of("west.example").expect("held");
    let bundles = &east.server.ca.tables.bundles;
    let put = bundles.put("west.example", Expected::Any, &other).await;
    put.expect("written");
    until("the session is ended", || async {
        !east.server.ca.seats.has("peer.west")
    })
    .await;
    // It comes back as often as it likes, and gets none.
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!east.server.ca.seats.has("peer.west"));
    }
}

async fn open(
    channels: &Channels,
    target: &pelago_identity::Target,
) -> Result<(mpsc::Sender<TrustRequest>, Streaming<TrustResponse>), Status> {
    let mut client = TrustClient::new(channels.channel(target));
    let (say, said) = mpsc::channel(16);
    let hello = TrustRequest {
        message: Some(trust_request::Message::Hello(hello::ours(&[]))),
    };
    say.send(hello).await.expect("sent");
    let hear = client
        .session(ReceiverStream::new(said))
        .await?
        .into_inner();
    Ok((say, hear))
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_with_the_certificate_that_opened_it() {
    let world = World::new();
    let short = CaConfig {
        svid_ttl: Duration::from_secs(600),
        renew_every: Duration::from_secs(200),
        ..config("east", "east.example")
    };
    let east = world.host(1).serve(short).await;
    let token = Token::decode(&east.node_token("vm1", "node").await).expect("a token");
    let net = world.host(2).net;
    let stored = enrol(&net, &world.clock, &token).await.expect("enrolled");
    let (writer, identity) = channel(Arc::clone(&world.clock));
    writer.update(|state| {
        state.own = Some(Arc::clone(&stored.svid));
        state.bundles = stored.bundles.clone();
    });
    let channels = Channels::new(net, identity);
    let target = east.control(stored.svid.id().clone());
    let (_say, mut hear) = open(&channels, &target).await.expect("opened");
    let ends = async {
        loop {
            match hear.message().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("ended without a word"),
                Err(status) => break status,
            }
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(700), ends).await;
    let ended = ended.expect("ends");
    assert_eq!(ended.code(), Code::Unauthenticated, "{ended}");
    let now = world.clock.now().as_secs();
    assert!((stored.svid.not_after()..=stored.svid.not_after() + 31).contains(&now));
    // The connection is there still, and opens no other session.
    let refused = open(&channels, &target).await.expect_err("refused");
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert!(!east.server.ca.seats.has("node.vm1"));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_renewed_comes_back_on_a_connection_that_shows_it() {
    let world = World::new();
    let short = CaConfig {
        svid_ttl: Duration::from_secs(600),
        renew_every: Duration::from_secs(200),
        ..config("east", "east.example")
    };
    let east = world.host(1).serve(short).await;
    let token = Token::decode(&east.node_token("vm1", "node").await).expect("a token");
    let net = world.host(2).net;
    let stored = enrol(&net, &world.clock, &token).await.expect("enrolled");
    let (writer, identity) = channel(Arc::clone(&world.clock));
    let target = east.control(stored.svid.id().clone());
    let session = Session::new(writer, StateDir::memory(), stored, 7);
    let channels = Channels::new(net, identity.clone());
    let running = session.run(channels, target, east.scope.shutdown());
    east.scope.spawn("node", running);
    // Five lifetimes of what it enrolled with.
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_secs(60)).await;
        let own = identity.current().own.clone().expect("held");
        assert!(own.not_after() > world.clock.now().as_secs());
        until("the session is open", || async {
            east.server.ca.seats.has("node.vm1")
        })
        .await;
    }
}
