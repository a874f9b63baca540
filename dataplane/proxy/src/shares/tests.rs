use super::*;

fn stranger(last: u8) -> Who {
    Who::Stranger(IpAddr::from([10, 0, 0, last]))
}

#[test]
fn nobody_takes_more_than_its_share_and_others_have_theirs() {
    let shares = Shares::new(2);
    let first = shares.take(stranger(1)).unwrap();
    let _second = shares.take(stranger(1)).unwrap();
    assert!(shares.take(stranger(1)).is_none());
    assert!(shares.take(stranger(2)).is_some());
    drop(first);
    assert!(shares.take(stranger(1)).is_some());
}

#[test]
fn who_takes_nothing_is_forgotten() {
    let shares = Shares::new(2);
    let taken = [1, 2, 3].map(|last| shares.take(stranger(last)));
    assert_eq!(shares.lock().len(), 3);
    drop(taken);
    assert!(shares.lock().is_empty());
}
