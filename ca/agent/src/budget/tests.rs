use super::*;

#[test]
fn a_user_has_a_limit_and_gives_back() {
    let budget = Budget::new(2, 10);
    let first = budget.take(7).unwrap();
    let _second = budget.take(7).unwrap();
    assert!(budget.take(7).is_none());
    assert!(budget.take(8).is_some(), "another user is not concerned");
    drop(first);
    assert!(budget.take(7).is_some());
}

#[test]
fn all_users_together_have_a_limit_and_nobody_is_remembered() {
    let budget = Budget::new(2, 3);
    let held: Vec<_> = (0..3).map(|uid| budget.take(uid).unwrap()).collect();
    assert!(budget.take(9).is_none());
    drop(held);
    assert!(budget.held().by_user.is_empty());
    assert!(budget.take(9).is_some());
}
