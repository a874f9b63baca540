use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use super::{Limits, Pool, Pooled};

const ROOM: usize = 3;
const LIMITS: Limits = Limits {
    tunnels: 5,
    idle: Duration::from_secs(10),
};

#[derive(Debug, Clone)]
struct Fake {
    key: u8,
    number: usize,
    closed: Rc<Cell<bool>>,
    streams: Rc<Cell<usize>>,
}

impl Pooled for Fake {
    fn is_closed(&self) -> bool {
        self.closed.get()
    }

    fn has_room(&self) -> bool {
        self.streams.get() < ROOM
    }

    fn streams(&self) -> usize {
        self.streams.get()
    }
}

fn fake(key: u8, number: usize) -> Fake {
    Fake {
        key,
        number,
        closed: Rc::default(),
        streams: Rc::default(),
    }
}

#[derive(Debug, Clone)]
enum Step {
    Use(u8),
    Finish(usize),
    Close(usize),
    Evict,
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..3_u8).prop_map(Step::Use),
        4 => any::<usize>().prop_map(Step::Finish),
        1 => any::<usize>().prop_map(Step::Close),
        2 => Just(Step::Evict),
        2 => (0..15_u64).prop_map(Step::Wait),
    ]
}

proptest! {
    #[test]
    fn what_is_given_lives_has_room_and_is_of_its_key(steps in prop::collection::vec(step(), 0..200)) {
        let mut pool: Pool<u8, Fake> = Pool::new(LIMITS);
        let mut now = Instant::now();
        let mut all: Vec<Fake> = Vec::new();
        for step in steps {
            match step {
                Step::Use(key) => match pool.get(&key, now) {
                    Some(got) => {
                        prop_assert_eq!(got.key, key);
                        prop_assert!(!got.is_closed() && got.has_room());
                        got.streams.set(got.streams.get() + 1);
                    }
                    None => {
                        let new = fake(key, all.len());
                        let busy = all.iter().filter(|it| !it.is_closed() && it.streams() > 0).count();
                        new.streams.set(1);
                        let kept = pool.insert(key, new.clone(), now);
                        // Refused only when everything kept is in use.
                        prop_assert!(kept || busy >= LIMITS.tunnels);
                        all.push(new);
                    }
                },
                Step::Finish(at) if !all.is_empty() => {
                    let it = &all[at % all.len()];
                    it.streams.set(it.streams.get().saturating_sub(1));
                }
                Step::Close(at) if !all.is_empty() => all[at % all.len()].closed.set(true),
                Step::Evict => {
                    let before = pool.len();
                    let gone = pool.evict(now);
                    prop_assert_eq!(pool.len() + gone, before);
                    pool.retain(|key, it| {
                        assert!(!it.is_closed());
                        assert_eq!(*key, it.key);
                        true
                    });
                }
                Step::Wait(seconds) => now += Duration::from_secs(seconds),
                Step::Finish(_) | Step::Close(_) => {}
            }
            prop_assert!(pool.len() <= LIMITS.tunnels);
        }
        // Left alone, everything goes.
        all.iter().for_each(|it| it.streams.set(0));
        pool.evict(now + LIMITS.idle);
        prop_assert!(pool.is_empty());
    }
}

#[test]
fn the_first_is_used_until_it_is_full() {
    let (mut pool, now) = (Pool::new(LIMITS), Instant::now());
    let (first, second) = (fake(0, 1), fake(0, 2));
    assert!(pool.insert(0, first.clone(), now) && pool.insert(0, second.clone(), now));
    let number = |pool: &mut Pool<u8, Fake>| pool.get(&0, now).map(|it| it.number);
    assert_eq!(number(&mut pool), Some(1));
    first.streams.set(ROOM);
    assert_eq!(number(&mut pool), Some(2));
    second.closed.set(true);
    assert_eq!(number(&mut pool), None);
    first.streams.set(0);
    assert_eq!(number(&mut pool), Some(1));
    assert_eq!(pool.get(&1, now).map(|it| it.number), None);
}

#[test]
fn busy_stays_idle_goes_after_its_time() {
    let (mut pool, now) = (Pool::new(LIMITS), Instant::now());
    let tunnel = fake(0, 1);
    tunnel.streams.set(1);
    assert!(pool.insert(0, tunnel.clone(), now));
    let hour = now + Duration::from_secs(3600);
    assert_eq!(pool.evict(hour), 0);
    tunnel.streams.set(0);
    assert_eq!(pool.evict(hour + LIMITS.idle - Duration::from_millis(1)), 0);
    assert_eq!(pool.evict(hour + LIMITS.idle), 1);
}

#[test]
fn a_full_pool_lets_the_longest_idle_go_and_never_a_busy_one() {
    let (mut pool, now) = (Pool::new(LIMITS), Instant::now());
    let all: Vec<Fake> = (0..5).map(|n| fake(n, usize::from(n))).collect();
    for (n, it) in (0..).zip(&all) {
        it.streams.set(usize::from(it.key < 2));
        let inserted = now + Duration::from_secs(n);
        assert!(pool.insert(it.key, it.clone(), inserted));
    }
    let later = now + Duration::from_secs(5);
    assert!(pool.insert(9, fake(9, 9), later));
    assert!(pool.get(&2, later).is_none());
    assert!(pool.get(&0, later).is_some() && pool.get(&3, later).is_some());
    all.iter().for_each(|it| it.streams.set(1));
    pool.get(&9, later).unwrap().streams.set(1);
    assert!(!pool.insert(7, fake(7, 7), later));
    assert_eq!(pool.retain(|key, _| *key != 9), 1);
    assert_eq!(pool.len(), 4);
}
