use std::time::Duration;

use pelago_model::Standing;

use super::Lease;

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn only_transitions_come_out() {
    let mut lease = Lease::unheard(at(0), at(60));
    assert_eq!(lease.standing(), Standing::Demoted);
    assert_eq!(lease.heard(at(1), at(5)), Some(Standing::Fresh));
    assert_eq!(lease.heard(at(2), at(5)), None);
    assert_eq!(lease.tick(at(6)), None);
    assert_eq!(lease.due(), Some(at(7)));
    assert_eq!(lease.tick(at(7)), Some(Standing::Demoted));
    assert_eq!(lease.tick(at(8)), None);
    assert_eq!(lease.tick(at(67)), Some(Standing::Withdrawn));
    assert_eq!((lease.due(), lease.tick(at(1000))), (None, None));
    assert_eq!(lease.heard(at(1001), at(5)), Some(Standing::Fresh));
}

#[test]
fn a_long_pause_skips_to_withdrawn_and_silence_from_the_start_ends_there_too() {
    let mut lease = Lease::unheard(at(0), at(60));
    lease.heard(at(0), at(5));
    assert_eq!(lease.tick(at(1000)), Some(Standing::Withdrawn));
    let mut lease = Lease::unheard(at(0), at(60));
    assert_eq!(lease.tick(at(60)), Some(Standing::Withdrawn));
}

#[test]
fn a_lease_is_kept_within_bounds() {
    let mut lease = Lease::unheard(at(0), at(60));
    lease.heard(at(0), Duration::ZERO);
    assert_eq!(lease.due(), Some(Lease::SHORTEST));
    lease.heard(at(0), Duration::MAX);
    assert_eq!(lease.due(), Some(Lease::LONGEST));
}
