use std::time::Duration;

use pelago_federation_core::export::{Shown, ShownKey};
use pelago_federation_core::session::Event;
use pelago_model::{Name, Version};
use tokio::time::Instant;

use super::{LONGEST, PAUSE, Pace};
use crate::peering::Heard;

fn change(name: &str) -> Event {
    let name = Name::parse(name).expect("name");
    Event::Change(Box::new(Shown::Gone(ShownKey::Gateway(name))))
}

#[test]
fn of_ten_thousand_words_about_one_thing_the_newest_is_told_after_a_pause() {
    let now = Instant::now();
    let mut pace = Pace::new(now);
    assert_eq!(pace.due(), None);
    let none = Version::default();
    pace.hear(change("a"), none, none);
    assert_eq!(pace.due(), Some(now), "the first at once");
    assert_eq!(pace.tell(now).len(), 1);
    for index in 0..10_000 {
        pace.hear(change(["a", "b"][index % 2]), none, none);
        pace.hear(Event::Alive(Duration::from_secs(5)), none, none);
    }
    let due = pace.due().expect("waits");
    assert!((PAUSE..PAUSE + LONGEST).contains(&(due - now)));
    let told = pace.tell(due);
    let [Heard::Changes(changes), Heard::Alive { .. }] = told.as_slice() else {
        panic!("{told:?}");
    };
    assert_eq!(changes.len(), 2);
    assert_eq!(pace.due(), None);
    // A full list makes what came before it void, not what comes after.
    pace.hear(change("a"), none, none);
    pace.hear(Event::Full(Vec::new()), none, none);
    pace.hear(change("b"), none, none);
    let told = pace.tell(due);
    assert!(matches!(told.as_slice(), [Heard::Full(_), Heard::Changes(list)] if list.len() == 1));
}
