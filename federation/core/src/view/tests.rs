use pelago_model::{Name, Namespace};
use pelago_resources::ObjectKey;

use super::{Fact, FactKey, View};

fn key(name: &str) -> FactKey {
    FactKey::Export(ObjectKey {
        namespace: Namespace::parse("shop").expect("namespace"),
        name: Name::parse(name).expect("name"),
    })
}

#[test]
fn only_changes_are_logged_and_what_was_read_is_forgotten() {
    let mut view = View::default();
    view.set(key("a"), Fact::Export);
    view.set(key("a"), Fact::Export);
    view.remove(&key("b"));
    assert_eq!(view.revision(), 1);
    view.replace([(key("b"), Fact::Export)].into());
    let changes: Vec<_> = view.changes_since(1).cloned().collect();
    assert_eq!(changes, [key("a"), key("b")]);
    view.forget(2);
    assert_eq!(view.changes_since(0).count(), 1);
    assert_eq!(view.changes_since(view.revision()).count(), 0);
}
