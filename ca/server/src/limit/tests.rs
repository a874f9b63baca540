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

#[test]
fn a_source_is_an_address_or_a_network() {
    let of = |text: &str| source(text.parse().expect("an address"));
    assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:0:2"));
    assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    assert_ne!(of("::ffff:192.0.2.1"), of("::ffff:192.0.2.2"));
}
