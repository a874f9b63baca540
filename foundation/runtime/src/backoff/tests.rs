use super::*;

const FIRST: Duration = Duration::from_millis(100);
const CAP: Duration = Duration::from_secs(5);

#[test]
fn doubles_within_its_jitter_up_to_the_cap() {
    for seed in 0..100 {
        let mut backoff = Backoff::new(FIRST, CAP, seed);
        for failure in 0..80 {
            let step = CAP.min(FIRST * 2_u32.pow(failure.min(20)));
            let wait = backoff.failed();
            assert!(
                wait >= step / 2 && wait <= step,
                "{failure}: {wait:?} of {step:?}"
            );
        }
        assert_eq!(backoff.failures(), 80);
    }
}

#[test]
fn success_starts_over() {
    let mut backoff = Backoff::new(FIRST, CAP, 1);
    for _ in 0..10 {
        backoff.failed();
    }
    backoff.succeeded();
    assert!(backoff.failed() <= FIRST);
}

#[test]
fn seeds_keep_clients_out_of_step() {
    let waits = |seed| {
        let mut backoff = Backoff::new(FIRST, CAP, seed);
        std::array::from_fn::<_, 5, _>(|_| backoff.failed())
    };
    assert_eq!(waits(7), waits(7));
    assert_ne!(waits(7), waits(8));
}

#[test]
fn cap_below_the_first_step_is_the_first_step() {
    let mut backoff = Backoff::new(CAP, FIRST, 1);
    assert!(backoff.failed() >= CAP / 2);
    assert!(Backoff::new(Duration::MAX, Duration::MAX, 1).failed() >= CAP);
    assert_eq!(
        Backoff::new(Duration::ZERO, Duration::ZERO, 1).failed(),
        Duration::ZERO
    );
}
