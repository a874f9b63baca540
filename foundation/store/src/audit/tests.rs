use super::*;
use crate::memory::MemoryStore;

fn store() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new())
}

fn entry(object: &str) -> AuditEntry {
    AuditEntry {
        time: UnixTime::from_secs(1_700_000_000),
        actor: Actor::LocalUid(1000, Some("ada".to_owned())),
        verb: "peer.join".to_owned(),
        object: object.to_owned(),
        outcome: Outcome::Done,
        reason: None,
    }
}

async fn overwrite(store: &Arc<dyn Store>, sequence: u64, value: Option<Vec<u8>>) {
    let key = key(sequence).unwrap();
    store
        .compare_and_swap(&key, Expected::Any, value)
        .await
        .unwrap();
}

#[tokio::test]
async fn lists_newest_first_with_its_actors() {
    let audit = Audit::new(store());
    assert_eq!(audit.list(10).await.unwrap(), vec![]);
    for object in ["peer/a", "peer/b", "peer/c"] {
        audit.record(entry(object)).await.unwrap();
    }
    let mut refused = entry("peer/d");
    refused.actor = Actor::Spiffe("spiffe://east/pelago/node/east/n1".to_owned());
    refused.outcome = Outcome::Refused;
    refused.reason = Some("token_used".to_owned());
    assert_eq!(audit.record(refused).await.unwrap(), 4);
    let newest = audit.list(2).await.unwrap();
    assert_eq!(newest.len(), 2);
    assert_eq!(
        (newest[0].sequence, newest[0].object.as_str()),
        (4, "peer/d")
    );
    assert_eq!(newest[0].actor, "spiffe://east/pelago/node/east/n1");
    assert_eq!(newest[0].reason.as_deref(), Some("token_used"));
    assert_eq!(
        (newest[1].sequence, newest[1].actor.as_str()),
        (3, "uid/1000(ada)")
    );
    assert_eq!(newest[1].time.to_string(), "2023-11-14T22:13:20Z");
    assert_eq!(audit.list(usize::MAX).await.unwrap().len(), 4);
    assert_eq!(audit.list(0).await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_second_process_finds_the_end_of_any_length() {
    for length in [0, 1, 2, 3, 7, 8, 9, 100] {
        let store = store();
        let first = Audit::new(Arc::clone(&store));
        for _ in 0..length {
            first.record(entry("x")).await.unwrap();
        }
        let second = Audit::new(store);
        assert_eq!(second.record(entry("y")).await.unwrap(), length + 1);
        assert_eq!(first.record(entry("z")).await.unwrap(), length + 2);
        assert_eq!(second.verify().await.unwrap(), length + 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn replicas_append_without_clashing() {
    let store = store();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let audit = Arc::new(Audit::new(Arc::clone(&store)));
        for _ in 0..25 {
            let audit = Arc::clone(&audit);
            tasks.spawn(async move { audit.record(entry("x")).await });
        }
    }
    let mut numbers = Vec::new();
    while let Some(recorded) = tasks.join_next().await {
        numbers.push(recorded.unwrap().unwrap());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=100).collect::<Vec<_>>());
    assert_eq!(Audit::new(store).verify().await.unwrap(), 100);
}

#[tokio::test]
async fn verify_names_the_entry_that_was_altered_or_removed() {
    let store = store();
    let audit = Audit::new(Arc::clone(&store));
    for n in 0..5 {
        audit.record(entry(&format!("peer/{n}"))).await.unwrap();
    }
    let original = audit.bytes(3).await.unwrap().unwrap();
    let altered = String::from_utf8(original.clone())
        .unwrap()
        .replace("peer/2", "peer/9");
    overwrite(&store, 3, Some(altered.into_bytes())).await;
    let error = audit.verify().await.unwrap_err();
    assert!(
        matches!(error, AuditError::Broken { sequence: 4 }),
        "{error}"
    );

    overwrite(&store, 3, None).await;
    let error = audit.verify().await.unwrap_err();
    assert!(
        matches!(error, AuditError::Missing { sequence: 3 }),
        "{error}"
    );
    let error = audit.list(5).await.unwrap_err();
    assert!(
        matches!(error, AuditError::Missing { sequence: 3 }),
        "{error}"
    );

    overwrite(&store, 3, Some(b"{".to_vec())).await;
    let error = audit.verify().await.unwrap_err();
    assert!(
        matches!(error, AuditError::Unreadable { sequence: 3, .. }),
        "{error}"
    );

    overwrite(&store, 3, Some(original)).await;
    assert_eq!(audit.verify().await.unwrap(), 5);
}

#[tokio::test]
async fn long_texts_are_cut_not_refused() {
    let audit = Audit::new(store());
    let mut long = entry(&"ö".repeat(1000));
    long.verb = "v".repeat(1000);
    long.reason = Some("r".repeat(100_000));
    audit.record(long).await.unwrap();
    let record = audit.list(1).await.unwrap().remove(0);
    assert_eq!(record.object, "ö".repeat(256));
    assert_eq!(
        (record.verb.len(), record.reason.unwrap().len()),
        (64, 1024)
    );
}

#[test]
fn actors_are_written_for_people_and_tools() {
    let written = [
        (Actor::LocalUid(0, None), "uid/0"),
        (Actor::Token("n7".to_owned()), "token/n7"),
        (Actor::System("rotation"), "system/rotation"),
    ];
    for (actor, text) in written {
        assert_eq!(actor.to_string(), text);
    }
}

#[tokio::test]
async fn what_is_told_already_is_not_told_twice() {
    let store = store();
    let audit = Audit::new(Arc::clone(&store));
    assert_eq!(audit.record_once(entry("peer/a")).await.unwrap(), 1);
    audit.record(entry("peer/b")).await.unwrap();
    let again = AuditEntry {
        actor: Actor::Recorded("uid/1000(ada)".to_owned()),
        ..entry("peer/a")
    };
    // Another process, later, tells the same.
    let other = Audit::new(Arc::clone(&store));
    assert_eq!(other.record_once(again.clone()).await.unwrap(), 1);
    let later = UnixTime::from_secs(1_700_000_001);
    for different in [
        AuditEntry {
            time: later,
            ..again.clone()
        },
        AuditEntry {
            actor: Actor::System("ca"),
            ..again.clone()
        },
        AuditEntry {
            verb: "peer.remove".to_owned(),
            ..again.clone()
        },
        AuditEntry {
            object: "peer/c".to_owned(),
            ..again.clone()
        },
        AuditEntry {
            outcome: Outcome::Failed,
            ..again.clone()
        },
    ] {
        let before = audit.list(1).await.unwrap()[0].sequence;
        assert_eq!(audit.record_once(different).await.unwrap(), before + 1);
    }
    assert_eq!(audit.verify().await.unwrap(), 7);
    // The search ends somewhere.
    for n in 0..MAX_LIST {
        audit.record(entry(&format!("peer/{n}"))).await.unwrap();
    }
    assert_eq!(audit.record_once(again).await.unwrap(), 1008);
}
