use pelago_model::Selector;

use super::*;

fn entry(name: &str, path: &str) -> RegistrationEntry {
    RegistrationEntry {
        id: pelago_model::Name::parse(name).unwrap(),
        spiffe_id: id(path),
        node: pelago_model::Name::parse("n1").unwrap(),
        selectors: vec![Selector::Uid(1)],
        ttl_seconds: None,
        hint: String::new(),
    }
}

fn id(path: &str) -> SpiffeId {
    SpiffeId::parse(&format!("spiffe://east.example/{path}")).unwrap()
}

fn plan() -> Plan {
    Plan::new(id("pelago/node/east/n1"), 1000, 7)
}

fn key() -> Zeroizing<Vec<u8>> {
    Zeroizing::new(vec![1])
}

#[test]
fn own_is_due_at_its_time_and_asked_once() {
    let mut plan = plan();
    assert_eq!((plan.due(999), plan.next()), (None, 1000));
    assert_eq!(plan.due(1000), Some(OWN));
    let request = plan.ask(OWN, key(), 1000).unwrap();
    assert_eq!(plan.due(1000), None);
    assert_eq!(plan.next(), 1000 + ANSWER_LIMIT);
    assert!(plan.is_stalled(1000 + ANSWER_LIMIT));
    let asked = plan.answered(request).unwrap();
    assert_eq!(asked.id, id("pelago/node/east/n1"));
    assert!(plan.answered(request).is_none());
    assert!(plan.answered(77).is_none());
}

#[test]
fn renewals_are_spread_by_a_tenth_and_never_late() {
    let mut plan = plan();
    let far = 1_000_000;
    let dues: Vec<u64> = (0..200).map(|_| plan.renewed(OWN, 3600, far, 0)).collect();
    assert!(dues.iter().all(|due| (3240..=3960).contains(due)));
    assert!(dues.iter().any(|due| *due < 3400) && dues.iter().any(|due| *due > 3800));
    // A renewal asked for after the certificate ends comes at two thirds instead.
    assert_eq!(plan.renewed(OWN, u64::MAX, 300, 0), 200);
    assert_eq!(plan.renewed(OWN, 0, far, 5), 6);
    assert_eq!(plan.renewed(OWN, 10, 3, 5), 6);
}

#[test]
fn entries_are_a_full_set() {
    let mut plan = plan();
    plan.entries(&[entry("a", "ns/x/sa/a"), entry("b", "ns/x/sa/b")], 10);
    assert_eq!(plan.due(10), Some("a"));
    let a = plan.ask("a", key(), 10).unwrap();
    let b = plan.ask("b", key(), 10).unwrap();
    // `a` goes on waiting, `b` becomes another identity, `c` is new.
    let next = [
        entry("a", "ns/x/sa/a"),
        entry("b", "ns/x/sa/other"),
        entry("c", "ns/x/sa/c"),
    ];
    plan.entries(&next, 11);
    assert!(plan.answered(b).is_none());
    assert_eq!(plan.due(11), Some("b"));
    plan.ask("b", key(), 11).unwrap();
    assert_eq!(plan.due(11), Some("c"));
    assert_eq!(plan.answered(a).unwrap().entry, "a");
    plan.entries(&[], 12);
    assert_eq!((plan.due(12), plan.next()), (None, 1000));
    assert!(plan.ask("a", key(), 12).is_none());
}

#[test]
fn refusals_back_off() {
    let mut plan = plan();
    let mut waits = Vec::new();
    for _ in 0..40 {
        plan.refused(OWN, true, 0);
        waits.push(plan.next());
    }
    assert!(waits[0] <= 2 && waits.iter().all(|wait| (1..=60).contains(wait)));
    assert!(waits[39] >= 30);
    plan.refused(OWN, false, 0);
    assert!((300..=600).contains(&plan.next()));
    plan.renewed(OWN, 100, 10_000, 0);
    plan.refused(OWN, true, 0);
    assert!(plan.next() <= 2);
}

#[test]
fn only_so_many_requests_are_on_their_way() {
    let mut plan = plan();
    let entries: Vec<_> = (0..100)
        .map(|i| entry(&format!("e{i}"), &format!("ns/x/sa/s{i}")))
        .collect();
    plan.entries(&entries, 0);
    let mut asked = 0;
    while let Some(next) = plan.due(0).map(str::to_owned) {
        plan.ask(&next, key(), 0).unwrap();
        asked += 1;
    }
    assert_eq!(asked, WINDOW);
    assert_eq!(plan.next(), ANSWER_LIMIT);
    plan.forget_asked();
    assert!(plan.due(0).is_some());
}
