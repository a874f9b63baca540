use futures_util::FutureExt as _;
use futures_util::future::Abortable;

use super::*;

struct Sitting {
    seat: Seat<IpAddr>,
    wait: Abortable<std::future::Pending<()>>,
}

fn sit(seats: &Seats<IpAddr>, at: &str) -> Sitting {
    let (seat, registration) = seats.take(source(at.parse().unwrap()));
    Sitting {
        seat,
        wait: Abortable::new(std::future::pending(), registration),
    }
}

impl Sitting {
    fn stays(&mut self) -> bool {
        (&mut self.wait).now_or_never().is_none()
    }
}

#[test]
fn a_flood_pushes_only_itself_out() {
    let seats = Seats::new(2, 4);
    let mut calm = sit(&seats, "10.0.0.1");
    let mut flood: Vec<_> = (0..5).map(|_| sit(&seats, "10.0.0.9")).collect();
    let stay: Vec<_> = flood.iter_mut().map(Sitting::stays).collect();
    assert_eq!(stay, [false, false, false, true, true]);
    // All are taken: the greediest gives one, the newest comer sits.
    let mut others = [sit(&seats, "10.0.0.2"), sit(&seats, "10.0.0.3")];
    assert!(calm.stays() && others.iter_mut().all(Sitting::stays));
    let stay: Vec<_> = flood.iter_mut().map(Sitting::stays).collect();
    assert_eq!(stay, [false, false, false, false, true]);
}

#[test]
fn a_seat_left_is_free_and_ages_are_kept() {
    let seats = Seats::new(2, 9);
    let (mut a, b) = (sit(&seats, "10.0.0.1"), sit(&seats, "10.0.0.1"));
    drop(b.seat);
    let mut c = sit(&seats, "10.0.0.1");
    assert!(a.stays() && c.stays());
    let mut d = sit(&seats, "10.0.0.1");
    assert!(!a.stays() && c.stays() && d.stays());
    // Its own going afterwards changes nothing.
    drop(a);
    assert_eq!(seats.taken().by_age.len(), 2);
    drop((c, d));
    assert!(seats.taken().by_age.is_empty());
}

#[test]
fn a_network_of_ipv6_is_one_source() {
    let seats = Seats::new(1, 9);
    let mut first = sit(&seats, "2001:db8::1");
    let mut other = sit(&seats, "2001:db8:0:1::1");
    let mut mapped = sit(&seats, "::ffff:10.0.0.1");
    let mut second = sit(&seats, "2001:db8::2");
    assert!(!first.stays() && second.stays() && other.stays() && mapped.stays());
    let mut plain = sit(&seats, "10.0.0.1");
    assert!(!mapped.stays() && plain.stays());
}
