use std::time::Duration;

use super::*;

#[tokio::test(start_paused = true)]
async fn each_key_has_its_own_burst_and_refills() {
    let limiter = Limiter::new(2, 1);
    let now = Instant::now();
    assert!(limiter.allow(&"a", now));
    assert!(limiter.allow(&"a", now));
    assert!(!limiter.allow(&"a", now));
    assert!(limiter.allow(&"b", now));
    assert!(limiter.allow(&"a", now + Duration::from_secs(1)));
    assert!(!limiter.allow(&"a", now + Duration::from_secs(1)));
}

#[tokio::test(start_paused = true)]
async fn memory_is_bounded_and_forgets_the_idle() {
    let limiter = Limiter::new(1, 1);
    let now = Instant::now();
    for key in 0..MAX_BUCKETS {
        assert!(limiter.allow(&key, now));
    }
    assert!(!limiter.allow(&MAX_BUCKETS, now));
    assert!(limiter.allow(&MAX_BUCKETS, now + Duration::from_secs(2)));
}
