use std::time::Duration;

use tokio::time::Instant;

use super::Allowance;

#[tokio::test(start_paused = true)]
async fn the_whole_limit_at_once_and_no_more() {
    let now = Instant::now();
    let mut allowance = Allowance::new(400, now);
    assert!(allowance.spend(399, now));
    assert!(allowance.spend(1, now));
    assert!(allowance.spend(0, now));
    assert!(!allowance.spend(1, now));
}

#[tokio::test(start_paused = true)]
async fn an_eighth_comes_back_each_second_up_to_the_limit() {
    let now = Instant::now();
    let mut allowance = Allowance::new(400, now);
    assert!(allowance.spend(400, now));
    let later = now + Duration::from_secs(1);
    assert!(allowance.spend(50, later));
    assert!(!allowance.spend(1, later));
    let much_later = later + Duration::from_secs(3600);
    assert!(allowance.spend(400, much_later));
    assert!(!allowance.spend(1, much_later));
}
