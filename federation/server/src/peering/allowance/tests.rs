use std::time::Duration;

use tokio::time::Instant;

use super::Allowance;

#[test]
fn a_flood_is_cut_to_the_steady_rate() {
    let start = Instant::now();
    let mut allowance = Allowance::new(start);
    let took = (0..10_000_u64)
        .filter(|ms| allowance.take(start + Duration::from_millis(*ms)))
        .count();
    assert_eq!(took, 8 + 9);
}
