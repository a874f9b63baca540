//! What this crate's tests share: trust domains minted in memory, and a controller that signs
//! whatever it is asked to.

mod controller;

use std::sync::Arc;

use pelago_model::{Bundle, ClusterId, SpiffeId, TrustDomain};
use pelago_net::{Fabric, MemoryNet, ProcessFacts};
use pelago_runtime::clock::{Clock, TokioClock, UnixTime};
use tests_suites::mint::{Authority, Minted, NOW, Spec};
use zeroize::Zeroizing;

use crate::state::{Identity, IdentityWriter, channel};
use crate::svid::Svid;

pub(crate) use controller::{Controller, SECRET};

/// A trust domain `<name>.example` with one cluster `<name>`.
pub(crate) struct Domain {
    pub(crate) name: String,
    pub(crate) root: Authority,
    pub(crate) intermediate: Authority,
}

impl Domain {
    pub(crate) fn new(name: &str) -> Self {
        let root = Authority::root(&Spec::root(&format!("{name}.example")));
        let prefix = format!("spiffe://{name}.example");
        let intermediate = root.authority(&Spec::intermediate(name, &[&prefix]));
        Self {
            name: name.to_owned(),
            root,
            intermediate,
        }
    }

    pub(crate) fn trust_domain(&self) -> TrustDomain {
        TrustDomain::parse(&format!("{}.example", self.name)).unwrap()
    }

    pub(crate) fn id(&self, path: &str) -> SpiffeId {
        SpiffeId::parse(&format!("spiffe://{}.example/{path}", self.name)).unwrap()
    }

    pub(crate) fn bundle(&self, sequence: u64) -> Bundle {
        Bundle {
            trust_domain: self.trust_domain(),
            sequence,
            refresh_hint: 60,
            x509_authorities: vec![self.root.der().into()],
        }
    }

    pub(crate) fn svid(&self, path: &str) -> Arc<Svid> {
        svid(self.intermediate.leaf(&Spec::leaf(self.id(path).as_str())))
    }

    /// An identity that speaks as `path` and holds these domains' bundles.
    pub(crate) fn identity(&self, path: &str, held: &[&Self]) -> (IdentityWriter, Identity) {
        let (writer, identity) = channel(clock());
        writer.update(|state| {
            state.own = Some(self.svid(path));
            for domain in held {
                let bundle = Arc::new(domain.bundle(1));
                state.bundles.accept(bundle).unwrap();
            }
        });
        (writer, identity)
    }
}

pub(crate) fn svid(minted: Minted) -> Arc<Svid> {
    Arc::new(Svid::new(minted.chain, Zeroizing::new(minted.pkcs8)).unwrap())
}

pub(crate) fn cluster(name: &str) -> ClusterId {
    ClusterId::parse(name).unwrap()
}

pub(crate) fn clock() -> Clock {
    Arc::new(TokioClock::starting_at(UnixTime::from_secs(NOW)))
}

/// Two hosts of one fabric: a controller's and a node's.
pub(crate) fn hosts() -> (Fabric, MemoryNet, MemoryNet) {
    let fabric = Fabric::new();
    let host = |ip: &str| {
        let facts = ProcessFacts::of_user(1000, 1000);
        fabric.host([ip.parse().unwrap()], facts)
    };
    let (controller, node) = (host("10.0.0.1"), host("10.0.0.2"));
    (fabric, controller, node)
}
