use super::*;

fn change(revision: u64, key: &str, size: usize) -> Change {
    Change {
        revision,
        key: Key::new(key).unwrap(),
        value: Some(vec![0; size].into()),
    }
}

fn small(changes: usize, bytes: usize) -> Feed {
    Feed::starting_after(0, Limits { changes, bytes })
}

#[tokio::test]
async fn forgets_beyond_its_number_of_changes() {
    let feed = small(2, 1 << 20);
    assert_eq!(feed.publish([change(1, "a", 1), change(2, "b", 1)]), 0);
    assert_eq!(feed.publish([change(3, "c", 1)]), 1);
    assert_eq!(feed.watch("", 0).next().await, Some(Event::Relist));
    let mut watch = feed.watch("", 1);
    assert!(matches!(watch.next().await, Some(Event::Put(key, _)) if key.as_str() == "b"));
}

#[tokio::test]
async fn forgets_beyond_its_bytes() {
    let feed = small(100, 1000);
    for revision in 1..=10 {
        feed.publish([change(revision, "a", 400)]);
    }
    assert_eq!(feed.shared.ring().changes.len(), 2);
    assert!(feed.shared.ring().bytes <= 1000);
    assert_eq!(feed.shared.ring().floor, 8);
}

/// A watcher of a quiet prefix keeps up by reading what does not concern it.
#[tokio::test]
async fn quiet_prefix_does_not_fall_behind_while_it_is_awaited() {
    let feed = small(4, 1 << 20);
    let mut watch = feed.watch("quiet/", 0);
    for revision in 1..=20 {
        let waiting = std::pin::pin!(watch.next());
        assert!(futures_util::poll!(waiting).is_pending());
        feed.publish([change(revision, "busy/a", 1)]);
    }
    feed.publish([change(21, "quiet/a", 1)]);
    assert!(matches!(watch.next().await, Some(Event::Put(..))));
}

/// A listing may see a commit just before it is published.
#[tokio::test]
async fn cursor_ahead_of_the_feed_waits_for_it() {
    let feed = small(4, 1 << 20);
    let mut watch = feed.watch("", 2);
    feed.publish([change(1, "a", 1), change(2, "b", 1), change(3, "c", 1)]);
    assert!(matches!(watch.next().await, Some(Event::Put(key, _)) if key.as_str() == "c"));
}
