use pelago_model::SpiffeId;

use super::*;
use crate::mint::{Authority, entry};

const A: &str = "spiffe://east.example/ns/shop/sa/a";
const B: &str = "spiffe://east.example/ns/shop/sa/b";
/// 2026-01-01.
const NOW: u64 = 1_767_225_600;

fn of(uid: u32) -> Facts {
    Facts {
        uid: Some(uid),
        ..Facts::default()
    }
}

fn state(entries: Vec<RegistrationEntry>, svids: &[&Arc<Svid>], bundles: &[Arc<Bundle>]) -> State {
    let mut state = State {
        entries,
        entries_received: true,
        ..State::default()
    };
    for svid in svids {
        state.workloads.insert(svid.id().clone(), Arc::clone(svid));
    }
    for bundle in bundles {
        state.bundles.accept(Arc::clone(bundle)).unwrap();
    }
    state
}

#[test]
fn only_matching_entries_give_svids_in_the_order_of_their_ids() {
    let ca = Authority::new("east.example");
    let (a, b) = (ca.svid(A, 2030), ca.svid(B, 2030));
    let entries = vec![
        entry("shop.z", A, "unix:uid:7", "x"),
        entry("shop.b", B, "unix:uid:7", "x"),
        entry(
            "shop.c",
            "spiffe://east.example/ns/shop/sa/c",
            "unix:uid:8",
            "",
        ),
    ];
    let state = state(entries, &[&a, &b], &[ca.bundle(1)]);
    let answer = X509svidResponse::from(&svids(&state, &of(7), NOW).unwrap());
    let ids: Vec<_> = answer
        .svids
        .iter()
        .map(|svid| svid.spiffe_id.as_str())
        .collect();
    assert_eq!(ids, [B, A]);
    let hints: Vec<_> = answer.svids.iter().map(|svid| svid.hint.as_str()).collect();
    assert_eq!(hints, ["x", ""], "the second of two equal hints is cleared");
    assert_eq!(svids(&state, &of(9), NOW).unwrap_err(), Refusal::NoIdentity);
}

#[test]
fn nobody_is_refused_for_good_before_entries_are_known() {
    let state = State::default();
    assert_eq!(svids(&state, &of(7), NOW).unwrap_err(), Refusal::NotReady);
    assert_eq!(bundles(&state, &of(7), NOW).unwrap_err(), Refusal::NotReady);
}

#[test]
fn entries_from_before_a_restart_serve_whom_they_match_and_refuse_nobody_for_good() {
    let ca = Authority::new("east.example");
    let a = ca.svid(A, 2030);
    let entries = vec![entry("shop.a", A, "unix:uid:7", "")];
    let mut state = state(entries, &[&a], &[ca.bundle(1)]);
    state.entries_received = false;
    assert!(svids(&state, &of(7), NOW).is_ok());
    assert!(bundles(&state, &of(7), NOW).is_ok());
    assert_eq!(svids(&state, &of(8), NOW).unwrap_err(), Refusal::NotReady);
}

#[test]
fn without_a_valid_svid_or_its_bundle_there_is_no_answer() {
    let ca = Authority::new("east.example");
    let entries = vec![entry("shop.a", A, "unix:uid:7", "")];
    let expired = ca.svid(A, 2025);
    let valid = ca.svid(A, 2030);
    let without = state(entries.clone(), &[], &[ca.bundle(1)]);
    assert_eq!(svids(&without, &of(7), NOW).unwrap_err(), Refusal::NoSvid);
    let old = state(entries.clone(), &[&expired], &[ca.bundle(1)]);
    assert_eq!(svids(&old, &of(7), NOW).unwrap_err(), Refusal::NoSvid);
    let rootless = state(entries, &[&valid], &[]);
    assert_eq!(
        svids(&rootless, &of(7), NOW).unwrap_err(),
        Refusal::NoBundle
    );
    assert_eq!(
        bundles(&rootless, &of(7), NOW).unwrap_err(),
        Refusal::NoBundle
    );
}

#[test]
fn own_bundle_and_federated_ones_are_told_apart() {
    let (ca, other) = (
        Authority::new("east.example"),
        Authority::new("west.example"),
    );
    let a = ca.svid(A, 2030);
    let entries = vec![entry("shop.a", A, "unix:uid:7", "")];
    let both = [ca.bundle(1), other.bundle(1)];
    let state = state(entries, &[&a], &both);
    let answer = X509svidResponse::from(&svids(&state, &of(7), NOW).unwrap());
    let [ours, theirs] = both.map(|bundle| bundle.x509_authorities[0].to_vec());
    assert_eq!(answer.svids[0].bundle, ours);
    assert_eq!(answer.svids[0].x509_svid_key, a.key_der());
    let federated: Vec<_> = answer.federated_bundles.into_iter().collect();
    assert_eq!(
        federated,
        [("spiffe://west.example".to_owned(), theirs.clone())]
    );
    let answer = X509BundlesResponse::from(&bundles(&state, &of(7), NOW).unwrap());
    let all: Vec<_> = answer.bundles.into_iter().collect();
    assert_eq!(
        all,
        [
            ("spiffe://east.example".to_owned(), ours),
            ("spiffe://west.example".to_owned(), theirs)
        ]
    );
}

#[test]
fn a_renewed_svid_is_another_state_and_the_same_one_is_not() {
    let ca = Authority::new("east.example");
    let entries = vec![entry("shop.a", A, "unix:uid:7", "")];
    let (first, second) = (ca.svid(A, 2030), ca.svid(A, 2030));
    let before = state(entries.clone(), &[&first], &[ca.bundle(1)]);
    let after = state(entries, &[&second], &[ca.bundle(1)]);
    let see = |state| svids(state, &of(7), NOW).unwrap();
    assert!(see(&before) == see(&before));
    assert!(see(&before) != see(&after));
}

#[test]
fn two_entries_of_one_identity_are_one_svid() {
    let ca = Authority::new("east.example");
    let a = ca.svid(A, 2030);
    let entries = vec![
        entry("shop.a", A, "unix:uid:7", "first"),
        entry("shop.b", A, "unix:uid:7", "second"),
    ];
    let state = state(entries, &[&a], &[ca.bundle(1)]);
    let answer = X509svidResponse::from(&svids(&state, &of(7), NOW).unwrap());
    assert_eq!(answer.svids.len(), 1);
    assert_eq!(answer.svids[0].hint, "first");
    assert_eq!(
        SpiffeId::parse(&answer.svids[0].spiffe_id).unwrap(),
        *a.id()
    );
}
