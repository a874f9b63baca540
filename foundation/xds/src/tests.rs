//! Two machines joined, with lost streams and states nobody saw.

use std::collections::VecDeque;
use std::sync::Arc;

use pelago_model::{Kind, Snapshot};
use pelago_wire::ads::{self, DeltaDiscoveryRequest, DeltaDiscoveryResponse};
use proptest::prelude::*;

use crate::publication::{Chunk, Publication};
use crate::samples::{client, resource, snapshot};
use crate::subscription::Subscription;

#[derive(Debug, Clone)]
enum Step {
    /// The server's state becomes this one.
    Publish(Vec<(usize, u8, u8)>),
    /// The server makes a response.
    Respond,
    /// The client reads one.
    Read,
    /// The server reads an answer.
    Answer,
    /// The stream is lost with all that is in flight.
    Disconnect,
}

fn step() -> impl Strategy<Value = Step> {
    let state = proptest::collection::vec((0_usize..4, 0_u8..6, 0_u8..3), 0..16);
    prop_oneof![
        2 => state.prop_map(Step::Publish),
        4 => Just(Step::Respond),
        4 => Just(Step::Read),
        3 => Just(Step::Answer),
        1 => Just(Step::Disconnect),
    ]
}

struct Joined {
    state: Arc<Snapshot>,
    publication: Publication,
    responses: VecDeque<DeltaDiscoveryResponse>,
    subscription: Subscription,
    requests: VecDeque<DeltaDiscoveryRequest>,
    snapshot: Snapshot,
}

const CHUNK: Chunk = Chunk {
    resources: 3,
    bytes: 400,
};

impl Joined {
    fn new() -> Self {
        let mut joined = Self {
            state: Arc::default(),
            publication: Publication::new(Arc::default(), CHUNK),
            responses: VecDeque::new(),
            subscription: Subscription::default(),
            requests: VecDeque::new(),
            snapshot: Snapshot::default(),
        };
        joined.connect();
        joined
    }

    fn connect(&mut self) {
        self.publication = Publication::new(Arc::clone(&self.state), CHUNK);
        self.responses.clear();
        self.requests = self
            .subscription
            .connect(&ads::encode_client(&client()))
            .into();
    }

    /// Whether anything happened.
    fn step(&mut self, step: Step) -> bool {
        match step {
            Step::Publish(state) => {
                let state = state
                    .into_iter()
                    .map(|(kind, n, v)| resource(Kind::ALL[kind], n, v));
                self.state = snapshot(state);
                self.publication.publish(Arc::clone(&self.state));
            }
            Step::Respond => match self.publication.respond() {
                Some(response) => self.responses.push_back(response),
                None => return false,
            },
            Step::Read => match self.responses.pop_front() {
                Some(response) => {
                    let received = self.subscription.response(response).unwrap();
                    assert!(received.rejected.is_empty());
                    self.snapshot.apply(&received.delta);
                    self.requests.push_back(received.answer);
                }
                None => return false,
            },
            Step::Answer => match self.requests.pop_front() {
                Some(request) => self.publication.request(&request).unwrap(),
                None => return false,
            },
            Step::Disconnect => self.connect(),
        }
        true
    }

    fn settle(&mut self) {
        while self.step(Step::Answer) || self.step(Step::Respond) || self.step(Step::Read) {}
    }
}

proptest! {
    #[test]
    fn both_ends_come_to_the_same_state(steps in proptest::collection::vec(step(), 0..80)) {
        let mut joined = Joined::new();
        for step in steps {
            joined.step(step);
        }
        joined.settle();
        prop_assert!(joined.subscription.synced());
        prop_assert!(joined.publication.progress().synced);
        prop_assert_eq!(joined.snapshot.state_hash(), joined.state.state_hash());
        prop_assert!(joined.snapshot == *joined.state);
        // And nothing is told again.
        joined.step(Step::Disconnect);
        for _ in 0..4 {
            joined.step(Step::Answer);
        }
        while let Some(response) = joined.publication.respond() {
            prop_assert!(response.resources.is_empty() && response.removed_resources.is_empty());
        }
    }
}
