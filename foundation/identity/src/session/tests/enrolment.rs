//! From token to first SVID.

use pelago_model::token::Pin;

use super::*;
use crate::enrol::EnrolError;
use crate::pinned::PinnedError;

#[tokio::test(start_paused = true)]
async fn a_token_becomes_an_svid() {
    let world = world().await;
    let stored = enrol(&world.node, &clock(), &world.token()).await.unwrap();
    assert_eq!(*stored.svid.id(), world.east.id("pelago/node/east/n1"));
    assert_eq!(stored.renew_at, NOW + 3600);
    assert_eq!(
        stored.controller(),
        Some(world.east.id("pelago/controller/east"))
    );
    let held = stored.bundles.get(&world.east.trust_domain()).unwrap();
    assert_eq!(**held, world.east.bundle(1));
}

#[tokio::test(start_paused = true)]
async fn the_secret_is_sent_to_no_one_but_the_pinned_controller() {
    let world = world().await;
    let mut wrong_pin = world.token();
    wrong_pin.pins = vec![Pin([1; 32])];
    let mut wrong_controller = world.token();
    wrong_controller.controller = world.east.id("pelago/controller/east2");
    let mut expired = world.token();
    expired.expires = NOW;
    for token in [wrong_pin, wrong_controller] {
        let error = enrol(&world.node, &clock(), &token).await.unwrap_err();
        let contact = matches!(error, EnrolError::Contact(PinnedError::Reach(_)));
        assert!(contact, "{error:?}");
    }
    let error = enrol(&world.node, &clock(), &expired).await.unwrap_err();
    assert!(matches!(
        error,
        EnrolError::Contact(PinnedError::Expired { .. })
    ));
    assert_eq!(world.controller.heard.borrow().enrols, 0);
    let mut wrong_secret = world.token();
    wrong_secret.secret = Secret::new([8; 32]);
    let error = enrol(&world.node, &clock(), &wrong_secret)
        .await
        .unwrap_err();
    assert!(matches!(error, EnrolError::Refused(_)));
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_asked_for_again_with_the_same_key() {
    let world = world().await;
    world.controller.told.send_modify(|told| told.lose = 2);
    enrol(&world.node, &clock(), &world.token()).await.unwrap();
    let csrs = world.controller.heard.borrow().csrs.clone();
    assert!(csrs.len() == 3 && csrs[0] == csrs[1] && csrs[1] == csrs[2]);
    // Not for ever.
    world.controller.told.send_modify(|told| told.lose = 9);
    let error = enrol(&world.node, &clock(), &world.token())
        .await
        .unwrap_err();
    assert!(matches!(error, EnrolError::Refused(_)));
    assert_eq!(world.controller.heard.borrow().csrs.len(), 6);
}

#[tokio::test(start_paused = true)]
async fn what_enrolment_answers_is_verified() {
    let world = world().await;
    let stranger = Domain::new("east");
    world.controller.sign_with(stranger.intermediate);
    let error = enrol(&world.node, &clock(), &world.token())
        .await
        .unwrap_err();
    assert!(matches!(error, EnrolError::Unverified(_)), "{error:?}");
    let mut other = world.token();
    other.purpose = Purpose::Part {
        kind: PartKind::Gateway,
        name: Name::parse("g1").unwrap(),
    };
    let error = enrol(&world.node, &clock(), &other).await.unwrap_err();
    assert!(
        matches!(error, EnrolError::WrongIdentity { .. }),
        "{error:?}"
    );
}
