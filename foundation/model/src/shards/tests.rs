use super::*;

#[test]
fn a_clone_shares_all_but_what_changes() {
    let mut one = Shards::default();
    for key in 0..10_000 {
        one.insert(key, key);
    }
    let mut two = one.clone();
    two.insert(7, 8);
    two.remove(&9);
    assert_eq!(one.get(&7), Some(&7));
    assert_eq!((one.len(), two.len()), (10_000, 9_999));
    assert!(one.differing(&two).count() <= 2);
    assert_eq!(two.remove(&9), None);
}
