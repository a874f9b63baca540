use super::*;

fn authority(kind: Kind, number: u32, state: State) -> Authority {
    Authority {
        id: kind.id(number),
        kind,
        number,
        state,
        issuer: None,
        certificate: vec![u8::try_from(number).expect("small"); 3].into(),
        not_before: 0,
        not_after: 300,
    }
}

fn domain() -> TrustDomain {
    TrustDomain::parse("east.example").expect("a domain")
}

#[test]
fn the_active_root_is_first_in_the_bundle() {
    let authorities = [
        authority(Kind::Root, 1, State::Retiring),
        authority(Kind::Root, 2, State::Active),
        authority(Kind::Root, 3, State::Published),
        authority(Kind::Root, 4, State::Staged),
        authority(Kind::Root, 5, State::Revoked),
        authority(Kind::Intermediate, 6, State::Active),
    ];
    let bundle = publish(&authorities, None, &domain(), 60);
    let numbers: Vec<u8> = bundle.x509_authorities.iter().map(|der| der[0]).collect();
    assert_eq!(numbers, [2, 3, 1]);
    assert_eq!(bundle.sequence, 1);
}

#[test]
fn the_sequence_grows_with_content_and_only_then() {
    let mut authorities = vec![authority(Kind::Root, 1, State::Active)];
    let first = publish(&authorities, None, &domain(), 60);
    assert_eq!(publish(&authorities, Some(&first), &domain(), 60), first);
    authorities.push(authority(Kind::Root, 2, State::Published));
    let second = publish(&authorities, Some(&first), &domain(), 60);
    assert_eq!(second.sequence, 2);
    assert!(first.accept(&second).is_ok());
    assert_eq!(
        publish(&authorities, Some(&second), &domain(), 30).sequence,
        3
    );
}

#[test]
fn numbers_count_up_and_the_newest_active_signs() {
    let authorities = [
        authority(Kind::Intermediate, 1, State::Retiring),
        authority(Kind::Intermediate, 2, State::Active),
        authority(Kind::Intermediate, 3, State::Active),
    ];
    assert_eq!(next_number(&authorities, Kind::Intermediate), 4);
    assert_eq!(next_number(&authorities, Kind::Root), 1);
    let active = active(&authorities, Kind::Intermediate).map(|one| one.number);
    assert_eq!(active, Some(3));
}

#[test]
fn due_in_the_last_third_or_before_leaves_would_be_cut() {
    assert!(!is_due(0, 300, 100, 10));
    assert!(is_due(0, 300, 201, 10));
    assert!(is_due(0, 300, 151, 150));
    // A lead longer than the life itself does not renew for ever.
    assert!(!is_due(0, 300, 1, 10_000));
    assert!(is_due(0, 300, 1000, 10));
}

#[test]
fn records_survive_the_store() {
    let record = authority(Kind::Root, 1, State::Active);
    let text = serde_json::to_string(&record).expect("writes");
    assert!(text.contains("\"active\""));
    let read: Authority = serde_json::from_str(&text).expect("reads");
    assert_eq!(read, record);
}

#[test]
fn what_has_not_begun_is_due() {
    // 300 s long, made by a clock that was ahead.
    assert!(is_due(1000, 1300, 999, 10));
    assert!(!is_due(1000, 1300, 1000, 10));
}
