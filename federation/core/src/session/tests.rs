//! Two machines joined by a channel that can be cut, on a clock that only the
//! test moves.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use pelago_model::{Snapshot, Standing, Version};

use super::{Broken, Dialler, Event, Keep, Message, Session, Settings, keep};
use crate::export::{Shown, ShownKey};
use crate::fixture::*;
use crate::import::{Import, Limits};
use crate::lease::Lease;
use crate::merge::Merge;
use crate::view::{FactKey, View};

const MS: Duration = Duration::from_millis(1);

struct Side {
    name: &'static str,
    other: &'static str,
    merge: Merge,
    views: [View; 2],
    import: Import,
    lease: Lease,
    session: Option<Session>,
}

impl Side {
    fn new(name: &'static str, other: &'static str) -> Self {
        let granted = peer(other, &["shop/*"], &["shop/a"]);
        Self {
            name,
            other,
            merge: Merge::new(cluster(name)),
            views: [
                View::default(),
                view([peer_fact(granted.clone(), Standing::Demoted)]),
            ],
            import: Import::new(Arc::new(granted), Limits::default()),
            lease: Lease::unheard(Duration::ZERO, Duration::from_secs(60)),
            session: None,
        }
    }

    fn stand(&mut self, standing: Option<Standing>) {
        if let Some(standing) = standing {
            let (key, fact) = peer_fact(peer(self.other, &["shop/*"], &["shop/a"]), standing);
            self.views[1].set(key, fact);
        }
        self.merge.update(&mut self.views);
    }

    fn open(&mut self, now: Duration) -> Message {
        let (session, hello) = Session::open(
            cluster(self.name),
            audience(self.other),
            Settings::default(),
            now,
        );
        self.session = Some(session);
        hello
    }

    fn hear(&mut self, message: Message, now: Duration) -> Vec<Message> {
        let Some(session) = &mut self.session else {
            return Vec::new();
        };
        let (events, out) = session
            .receive(message, self.merge.snapshot(), now)
            .expect("a clean channel");
        for event in events {
            match event {
                Event::Full(all) => {
                    let gone: Vec<FactKey> = self.views[1]
                        .facts()
                        .map(|(key, _)| key.clone())
                        .filter(|key| !matches!(key, FactKey::Peer(_)))
                        .collect();
                    gone.iter().for_each(|key| self.views[1].remove(key));
                    let keys: Vec<ShownKey> = all.iter().map(Shown::key).collect();
                    self.import.replace(all);
                    keys.iter()
                        .for_each(|key| self.import.testify(key, &mut self.views[1]));
                }
                Event::Change(shown) => {
                    let key = shown.key();
                    self.import.take(*shown);
                    self.import.testify(&key, &mut self.views[1]);
                }
                Event::Alive(lease) => {
                    let standing = self.lease.heard(now, lease);
                    self.stand(standing);
                }
            }
        }
        self.stand(None);
        out
    }
}

struct Pair {
    now: Duration,
    sides: [Side; 2],
    wires: [VecDeque<Message>; 2],
    up: bool,
}

impl Pair {
    fn new() -> Self {
        Self {
            now: Duration::ZERO,
            sides: [Side::new("east", "west"), Side::new("west", "east")],
            wires: Default::default(),
            up: false,
        }
    }

    fn connect(&mut self) {
        self.up = true;
        for index in 0..2 {
            let hello = self.sides[index].open(self.now);
            self.wires[index] = [hello].into();
        }
    }

    /// Whatever was under way is lost, as when a connection breaks.
    fn cut(&mut self) {
        self.up = false;
        for index in 0..2 {
            self.wires[index].clear();
            self.sides[index].session = None;
        }
    }

    fn deliver(&mut self, random: &mut fastrand::Rng, most: usize) {
        for _ in 0..most {
            let index = usize::from(random.bool());
            if let Some(message) = self.wires[index].pop_front() {
                let out = self.sides[1 - index].hear(message, self.now);
                self.wires[1 - index].extend(out);
            }
        }
        self.publish();
    }

    fn publish(&mut self) {
        for index in 0..2 {
            let side = &mut self.sides[index];
            side.merge.update(&mut side.views);
            if let Some(session) = &mut side.session {
                self.wires[index].extend(session.publish(side.merge.snapshot()));
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        for index in 0..2 {
            let side = &mut self.sides[index];
            if let Some(session) = &mut side.session {
                match session.tick(self.now) {
                    Ok(message) => self.wires[index].extend(message),
                    Err(_) => side.session = None,
                }
            }
            let standing = side.lease.tick(self.now);
            side.stand(standing);
        }
    }

    fn settle(&mut self) {
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..200 {
            self.deliver(&mut random, 20);
        }
        assert!(self.wires.iter().all(VecDeque::is_empty));
    }
}

fn yaml(random: &mut fastrand::Rng) -> String {
    let mut text = String::new();
    for name in ["a", "b", "c"] {
        if random.bool() {
            text += &service(name);
        }
        if random.bool() {
            text += &export(name);
        }
        for index in 0..random.usize(0..3) {
            text += &workload(name, &format!("{name}-{index}"), "10.0.0.1");
        }
    }
    text
}

/// D12: whatever was lost on the way, after healing both sides hold what the
/// other shows, and nothing else.
#[test]
fn after_loss_and_partition_both_hold_what_the_other_shows() {
    for seed in 0..60 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut pair = Pair::new();
        for _ in 0..30 {
            match random.u8(0..6) {
                0 => pair.connect(),
                1 => pair.cut(),
                2 => pair.pass(MS * random.u32(0..4000)),
                3 | 4 => {
                    let index = usize::from(random.bool());
                    let facts = facts(pair.sides[index].name, &yaml(&mut random));
                    pair.sides[index].views[0].replace(facts);
                    pair.publish();
                }
                _ => pair.deliver(&mut random, 10),
            }
        }
        pair.cut();
        pair.connect();
        pair.settle();
        pair.pass(Duration::from_secs(1));
        pair.settle();
        let [east, west] = &pair.sides;
        for (one, other) in [(east, west), (west, east)] {
            let (ours, theirs) = (
                one.session.as_ref().expect("open"),
                other.session.as_ref().expect("open"),
            );
            assert_eq!(ours.our_hash(), theirs.their_hash(), "seed {seed}");
            assert_eq!(*one.merge.snapshot(), one.merge.full(), "seed {seed}");
            assert_eq!(one.lease.standing(), Standing::Fresh);
            let mut shown = crate::export::Ledger::default();
            for item in other.import.believed() {
                shown.note(&item);
            }
            assert_eq!(shown.hash(), ours.our_hash(), "seed {seed}");
        }
    }
}

#[test]
fn lost_contact_demotes_and_never_empties() {
    let mut pair = Pair::new();
    let all = facts(
        "west",
        &(service("b") + &export("b") + &workload("b", "b-1", "10.0.0.1")),
    );
    pair.sides[1].views[0].replace(all);
    pair.publish();
    pair.connect();
    pair.settle();
    let standing = |pair: &Pair| {
        pair.sides[0]
            .merge
            .snapshot()
            .workloads()
            .map(|w| w.standing)
            .collect::<Vec<_>>()
    };
    assert_eq!(standing(&pair), [Standing::Fresh]);
    pair.cut();
    pair.pass(Duration::from_secs(4));
    assert_eq!(standing(&pair), [Standing::Fresh], "the lease still counts");
    pair.pass(Duration::from_secs(1));
    assert_eq!(standing(&pair), [Standing::Demoted]);
    pair.pass(Duration::from_secs(3600));
    assert_eq!(standing(&pair), [Standing::Withdrawn]);
    pair.connect();
    pair.settle();
    assert_eq!(standing(&pair), [Standing::Fresh]);
}

fn open() -> Session {
    Session::open(
        cluster("east"),
        audience("west"),
        Settings::default(),
        Duration::ZERO,
    )
    .0
}

fn following() -> Session {
    let mut session = open();
    let s = Snapshot::default();
    session.receive(Message::Hello, &s, MS).expect("hello");
    session
        .receive(Message::Synced(Version::default()), &s, MS)
        .expect("synced");
    session
}

#[test]
fn what_comes_out_of_order_breaks_the_session() {
    let s = Snapshot::default();
    let beat = Message::Heartbeat {
        hash: Version::default(),
        lease: MS,
    };
    assert_eq!(
        open().receive(beat.clone(), &s, MS),
        Err(Broken::BeforeHello)
    );
    assert_eq!(
        following().receive(Message::Hello, &s, MS),
        Err(Broken::Twice("Hello"))
    );
    let again = following().receive(Message::Synced(Version::default()), &s, MS);
    assert_eq!(again, Err(Broken::Twice("Synced")));
    assert!(following().receive(beat, &s, MS).is_ok());
}

#[test]
fn a_tombstone_that_was_omitted_is_noticed() {
    let s = Snapshot::default();
    let mut session = following();
    let shown = Shown::Service(shown_service("west", "a", &["x"]));
    session
        .receive(Message::Shown(Box::new(shown)), &s, MS)
        .expect("shown");
    let beat = Message::Heartbeat {
        hash: Version::default(),
        lease: MS,
    };
    assert!(matches!(
        session.receive(beat, &s, MS),
        Err(Broken::Hash { .. })
    ));
}

#[test]
fn names_without_end_break_the_session() {
    let s = Snapshot::default();
    let mut session = following();
    let most = Settings::default().names;
    let broken = (0..=most).find_map(|index| {
        let shown = Shown::Service(shown_service("west", &format!("s{index}"), &[]));
        session
            .receive(Message::Shown(Box::new(shown)), &s, MS)
            .err()
    });
    assert_eq!(broken, Some(Broken::TooMuch(most)));
}

#[test]
fn heartbeats_are_due_and_silence_breaks() {
    let mut session = following();
    assert_eq!(session.due(), MS + Duration::from_secs(1));
    assert_eq!(session.tick(Duration::from_millis(500)), Ok(None));
    assert!(matches!(
        session.tick(Duration::from_millis(1001)),
        Ok(Some(Message::Heartbeat { .. }))
    ));
    assert_eq!(session.tick(Duration::from_millis(1002)), Ok(None));
    assert_eq!(
        session.tick(Duration::from_millis(5001)),
        Err(Broken::Silent(Duration::from_secs(5)))
    );
    assert!(
        open().tick(Duration::from_secs(5)).is_err(),
        "no Hello either"
    );
}

#[test]
fn both_sides_keep_the_session_of_the_smaller_id() {
    let (east, west) = (domain("east").id(), domain("west").id());
    for (old, new) in [(Dialler::Us, Dialler::Peer), (Dialler::Peer, Dialler::Us)] {
        let flip = |who| {
            if who == Dialler::Us {
                Dialler::Peer
            } else {
                Dialler::Us
            }
        };
        assert_eq!(
            keep(&east, &west, old, new),
            keep(&west, &east, flip(old), flip(new))
        );
    }
    assert_eq!(keep(&east, &west, Dialler::Us, Dialler::Peer), Keep::Old);
    assert_eq!(keep(&east, &west, Dialler::Peer, Dialler::Us), Keep::New);
    assert_eq!(keep(&east, &west, Dialler::Peer, Dialler::Peer), Keep::New);
}

#[test]
fn a_peer_that_shows_more_bytes_than_it_may_is_left() {
    let settings = Settings {
        bytes: 3_500,
        ..Settings::default()
    };
    let shown = |name: &str| {
        Message::Shown(Box::new(Shown::Service(shown_service(
            "west", name, &["a"; 10],
        ))))
    };
    let (mut session, _) =
        Session::open(cluster("east"), audience("west"), settings, Duration::ZERO);
    let mut hear = |message| {
        session
            .receive(message, &Snapshot::default(), Duration::ZERO)
            .map(drop)
    };
    assert_eq!(hear(Message::Hello), Ok(()));
    for _ in 0..100 {
        assert_eq!(
            hear(shown("a")),
            Ok(()),
            "the same again takes nothing more"
        );
    }
    assert_eq!(hear(shown("b")), Ok(()));
    let gone = Message::Shown(Box::new(Shown::Gone(shown_key("b"))));
    assert_eq!(hear(gone), Ok(()));
    assert_eq!(hear(shown("c")), Ok(()));
    assert_eq!(hear(shown("d")), Err(Broken::TooLarge(3_500)));
}

fn shown_key(name: &str) -> ShownKey {
    ShownKey::Service(object(&format!("shop/{name}")))
}
