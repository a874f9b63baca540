use pelago_model::Name;

use super::*;

fn entry(sa: &str, selectors: &[&str]) -> RegistrationEntry {
    RegistrationEntry {
        id: Name::parse(sa).unwrap(),
        spiffe_id: SpiffeId::parse(&format!("spiffe://td/ns/shop/sa/{sa}")).unwrap(),
        node: Name::parse("node").unwrap(),
        selectors: selectors
            .iter()
            .map(|text| Selector::parse(text).unwrap())
            .collect(),
        ttl_seconds: None,
        hint: String::new(),
    }
}

fn process(uid: u32, path: &str) -> ProcessFacts {
    ProcessFacts {
        path: Some(path.into()),
        groups: vec![7],
        ..ProcessFacts::of_user(uid, 100)
    }
}

fn owned(holders: Holders) -> Owner {
    Owner { uid: 1, holders }
}

fn asked(holders: Holders, entries: &[RegistrationEntry]) -> Option<String> {
    caller(&owned(holders), entries).map(|id| id.path().rsplit('/').next().unwrap().to_owned())
}

#[test]
fn the_one_entry_whose_selectors_all_match() {
    let entries = [
        entry("web", &["unix:uid:1", "unix:path:/bin/web"]),
        entry("api", &["unix:uid:1", "unix:path:/bin/api"]),
        entry("db", &["unix:gid:7", "unix:uid:2"]),
    ];
    let one = |process| asked(Holders::Known(vec![process]), &entries);
    assert_eq!(one(process(1, "/bin/web")).as_deref(), Some("web"));
    assert_eq!(one(process(1, "/bin/api")).as_deref(), Some("api"));
    assert_eq!(one(process(2, "/bin/x")).as_deref(), Some("db"));
    assert_eq!(one(process(1, "/bin/x")), None);
    assert_eq!(one(process(3, "/bin/web")), None);
}

#[test]
fn several_identities_are_none() {
    let entries = [
        entry("web", &["unix:uid:1"]),
        entry("api", &["unix:gid:100"]),
    ];
    assert_eq!(
        asked(Holders::Known(vec![process(1, "/x")]), &entries),
        None
    );
    // Two entries of one identity are one.
    let mut same = entries;
    same[1].spiffe_id = same[0].spiffe_id.clone();
    assert_eq!(
        asked(Holders::Known(vec![process(1, "/x")]), &same).as_deref(),
        Some("web")
    );
}

#[test]
fn every_holder_of_the_socket_must_be_the_same_workload() {
    let entries = [
        entry("web", &["unix:path:/bin/web"]),
        entry("api", &["unix:path:/bin/api"]),
    ];
    let both = |other: &str| Holders::Known(vec![process(1, "/bin/web"), process(1, other)]);
    assert_eq!(asked(both("/bin/web"), &entries).as_deref(), Some("web"));
    assert_eq!(asked(both("/bin/api"), &entries), None);
    assert_eq!(asked(both("/bin/other"), &entries), None);
    assert_eq!(asked(Holders::Known(Vec::new()), &entries), None);
}

#[test]
fn unreadable_processes_are_known_by_uid_alone() {
    let only_uid = [entry("web", &["unix:uid:1"])];
    assert_eq!(
        asked(Holders::Unreadable, &only_uid).as_deref(),
        Some("web")
    );
    let more = [entry("web", &["unix:uid:1", "unix:path:/bin/web"])];
    assert_eq!(asked(Holders::Unreadable, &more), None);
    assert_eq!(
        asked(Holders::Unreadable, &[entry("web", &["unix:uid:2"])]),
        None
    );
}
