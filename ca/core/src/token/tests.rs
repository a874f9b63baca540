use pelago_model::{Name, PartKind};

use super::*;

fn record() -> TokenRecord {
    TokenRecord {
        purpose: Purpose::Part {
            kind: PartKind::Node,
            name: Name::parse("vm1").expect("a name"),
        },
        created: 100,
        expires: 200,
        actor: "uid/0".to_owned(),
        state: TokenState::Unused,
    }
}

fn outcome() -> Outcome {
    Outcome::Enrolled(Certificate {
        id: SpiffeId::parse("spiffe://east.example/pelago/node/east/vm1").expect("an ID"),
        serial: [7; 16],
        not_before: 40,
        not_after: 500,
        renew_after: 60,
        issuer: "intermediate-1".to_owned(),
    })
}

const ONE: Pin = Pin([1; 32]);
const TWO: Pin = Pin([2; 32]);

#[test]
fn redeemed_once_and_again_by_the_same_key() {
    let record = record();
    assert_eq!(redeem(&record, &ONE, 150), Redeem::First);
    assert_eq!(redeem(&record, &ONE, 200), Redeem::First);
    assert_eq!(redeem(&record, &ONE, 201), Redeem::Expired);
    let used = record.used(ONE, 150, outcome());
    assert_eq!(redeem(&used, &ONE, 160), Redeem::Again(&outcome()));
    assert_eq!(redeem(&used, &TWO, 160), Redeem::Used);
}

#[test]
fn after_its_expiry_a_token_is_worthless_to_everyone() {
    let used = record().used(ONE, 150, outcome());
    assert_eq!(redeem(&used, &ONE, 201), Redeem::Expired);
    assert_eq!(redeem(&used, &TWO, 201), Redeem::Used);
}

#[test]
fn records_survive_the_store_without_the_secret() {
    let used = record().used(ONE, 150, outcome());
    let text = serde_json::to_string(&used).expect("writes");
    let read: TokenRecord = serde_json::from_str(&text).expect("reads");
    assert_eq!(read, used);
    let secret = Secret::new([9; 32]);
    let id = TokenId::of(&secret);
    assert_eq!(id.as_str().len(), 64);
    assert!(!String::from(secret).contains(id.short()));
}

#[test]
fn an_outcome_is_unsettled_until_all_is_written() {
    assert_eq!(record().unsettled(), None);
    let used = record().used(ONE, 150, outcome());
    assert_eq!(used.unsettled(), Some(&outcome()));
    let settled = used.settled();
    assert_eq!(settled.unsettled(), None);
    assert_eq!(redeem(&settled, &ONE, 160), Redeem::Again(&outcome()));
}

#[test]
fn lifetimes_keep_their_bounds() {
    assert_eq!(ttl(0), Ok(DEFAULT_TTL));
    assert_eq!(ttl(1), Ok(1));
    assert_eq!(ttl(MAX_TTL + 1), Err(TtlError { asked: MAX_TTL + 1 }));
}
