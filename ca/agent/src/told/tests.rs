use super::*;

#[test]
fn a_user_that_asks_all_day_is_told_of_once_a_minute() {
    let told = Told::default();
    let began = Instant::now();
    let lines = (0..1200).filter(|tenth| {
        let now = began + Duration::from_millis(tenth * 100);
        told.is_first(7, now)
    });
    assert_eq!(lines.count(), 2);
    let users = (0..1000).filter(|uid| told.is_first(*uid, began + Duration::from_secs(999)));
    assert_eq!(users.count(), MOST);
}
