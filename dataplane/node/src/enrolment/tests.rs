use std::sync::Arc;

use pelago_model::token::Secret;
use pelago_model::{HostPort, Locality};
use pelago_net::{Fabric, ProcessFacts};
use pelago_runtime::clock::{TokioClock, UnixTime};

use super::*;
use crate::mint;
use crate::settings::Part;

const WEB: &str = "spiffe://east.example/pelago/node/east/web";
/// 2026-01-01.
const NOW: u64 = 1_767_225_600;

fn settings() -> Settings {
    Settings {
        name: "web".parse().unwrap(),
        network: "east-net".parse().unwrap(),
        locality: Locality::default(),
        controller: vec![HostPort::parse("10.0.0.1:15012").unwrap()],
        part: Part::Node {
            hbone: ([10, 0, 0, 2], 15008).into(),
            socks: None,
            socket: "/s".into(),
        },
        metrics: ([10, 0, 0, 2], 15020).into(),
        health: ([10, 0, 0, 2], 15021).into(),
    }
}

fn token(kind: PartKind, name: &str) -> TokenSource {
    let token = Token {
        purpose: Purpose::Part {
            kind,
            name: name.parse().unwrap(),
        },
        cluster: "east".parse().unwrap(),
        controller: SpiffeId::parse("spiffe://east.example/pelago/controller/east").unwrap(),
        addresses: vec![HostPort::parse("10.0.0.1:15012").unwrap()],
        pins: Vec::new(),
        secret: Secret::new([7; 32]),
        expires: NOW + 600,
    };
    TokenSource::Text(token.encode())
}

/// On a network where no controller answers.
async fn who(state: &StateDir, token: &TokenSource) -> Result<Stored, EnrolmentError> {
    let net = Fabric::new().host([[10, 0, 0, 2].into()], ProcessFacts::of_user(0, 0));
    let clock: Clock = Arc::new(TokioClock::starting_at(UnixTime::from_secs(NOW)));
    identity(&BoxNet::new(net), &clock, state, token, &settings()).await
}

fn holding(id: &str, year: i32) -> StateDir {
    let state = StateDir::memory();
    state.save(&mint::stored(id, year)).unwrap();
    state
}

#[tokio::test(start_paused = true)]
async fn a_stored_identity_needs_neither_token_nor_controller() {
    let state = holding(WEB, 2030);
    for token in [TokenSource::Absent, TokenSource::File("/none/such".into())] {
        assert_eq!(who(&state, &token).await.unwrap().svid.id().as_str(), WEB);
    }
}

#[tokio::test(start_paused = true)]
async fn without_state_and_token_it_says_what_to_do() {
    let error = who(&StateDir::memory(), &TokenSource::Absent)
        .await
        .unwrap_err();
    assert!(error.is_configuration());
    let text = error.to_string();
    assert!(
        text.contains("`pelago node token web --role node`"),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_that_cannot_be_used_is_refused_before_anyone_is_dialled() {
    let fresh = StateDir::memory();
    let unreadable = who(&fresh, &TokenSource::File("/none/such".into()))
        .await
        .unwrap_err();
    assert!(matches!(unreadable, EnrolmentError::Unreadable { .. }));
    let damaged = TokenSource::Text(Zeroizing::new("pelago1.abc.def".to_owned()));
    let damaged = who(&fresh, &damaged).await.unwrap_err();
    assert!(matches!(
        damaged,
        EnrolmentError::Token(TokenError::Damaged)
    ));
    for (kind, name, found) in [
        (PartKind::Node, "api", "node api"),
        (PartKind::Gateway, "web", "gateway web"),
    ] {
        let error = who(&fresh, &token(kind, name)).await.unwrap_err();
        let expected = format!("the token is for {found}, this is node web: use its own token");
        assert_eq!(error.to_string(), expected);
        assert!(error.is_configuration());
    }
}

#[tokio::test(start_paused = true)]
async fn a_controller_that_does_not_answer_is_no_fault_of_a_file() {
    let error = who(&StateDir::memory(), &token(PartKind::Node, "web"))
        .await
        .unwrap_err();
    assert!(matches!(error, EnrolmentError::Enrol(_)), "{error:?}");
    assert!(!error.is_configuration());
}

#[tokio::test(start_paused = true)]
async fn anothers_state_is_never_used_nor_overwritten() {
    let other = "spiffe://east.example/pelago/node/east/api";
    let state = holding(other, 2030);
    let error = who(&state, &token(PartKind::Node, "web"))
        .await
        .unwrap_err();
    assert!(
        matches!(error, EnrolmentError::OtherIdentity { .. }),
        "{error:?}"
    );
    assert_eq!(state.load().unwrap().unwrap().svid.id().as_str(), other);
}

#[tokio::test(start_paused = true)]
async fn an_expired_identity_asks_for_a_new_token() {
    let state = holding(WEB, 2025);
    let error = who(&state, &TokenSource::Absent).await.unwrap_err();
    assert!(matches!(error, EnrolmentError::Expired { .. }), "{error:?}");
    let error = who(&state, &token(PartKind::Node, "web"))
        .await
        .unwrap_err();
    assert!(
        matches!(error, EnrolmentError::Enrol(_)),
        "it is tried: {error:?}"
    );
}
