//! The one loop: whatever changed goes into its view, the views are merged, and
//! what follows is published.
//!
//! It alone holds the merged truth. Wake-ups carry no data: everything shared is
//! read again. What peers say comes in order through a bounded channel, which
//! holds them back when this loop has more to do than time.

mod peers;
mod report;
mod spoken;
mod terms;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pelago_federation_core::merge::Merge;
use pelago_federation_core::scope::Slice;
use pelago_federation_core::status;
use pelago_federation_core::view::{Fact, FactKey, View};
use pelago_model::authz::Policy;
use pelago_model::{ClusterId, Gateway, PartKind, Peer, Snapshot};
use pelago_resources::PolicyDecl;
use pelago_runtime::clock::Clock;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use crate::mirror::Rows;
use crate::peering::Report;
use crate::persist::{Desired, Saved};
use crate::sources::Said;

use peers::Peers;
use spoken::Spoken;

pub(crate) use terms::Terms;

pub(crate) use report::{PeerReport, Report as StatusReport};

/// What the loop reads.
pub(crate) struct Inputs {
    pub(crate) bell: Arc<Notify>,
    pub(crate) sources: Vec<Said>,
    pub(crate) peers: watch::Receiver<Rows<Peer>>,
    pub(crate) gateways: watch::Receiver<Rows<Gateway>>,
    pub(crate) reports: mpsc::Receiver<Report>,
    pub(crate) asks: mpsc::Receiver<Ask>,
}

/// What the loop publishes.
pub(crate) struct Outputs {
    /// Whether every source has been read: before that nothing is told.
    pub(crate) ready: watch::Sender<bool>,
    /// The whole truth.
    pub(crate) snapshot: watch::Sender<Arc<Snapshot>>,
    /// What gateways see of it.
    pub(crate) gateways: watch::Sender<Arc<Snapshot>>,
    pub(crate) desired: watch::Sender<Arc<Desired>>,
}

/// What was known before a restart.
#[derive(Debug, Default)]
pub(crate) struct Before {
    pub(crate) policies: Vec<Policy>,
    pub(crate) imports: BTreeMap<ClusterId, Arc<Saved>>,
}

/// A question, and where the answer goes.
pub(crate) type Ask = oneshot::Sender<StatusReport>;

/// Runs until dropped.
pub(crate) async fn run(
    ours: ClusterId,
    terms: Terms,
    before: Before,
    clock: Clock,
    mut inputs: Inputs,
    outputs: Outputs,
) {
    let mut reconcile = Reconcile::new(ours, terms, before, clock, &inputs, outputs);
    reconcile.reread(&mut inputs);
    reconcile.publish();
    loop {
        let due = reconcile.due();
        tokio::select! {
            () = inputs.bell.notified() => reconcile.reread(&mut inputs),
            Some(report) = inputs.reports.recv() => {
                reconcile.hear(report);
                // Whatever else is there by now is published together.
                for _ in 0..BATCH {
                    let Ok(report) = inputs.reports.try_recv() else { break };
                    reconcile.hear(report);
                }
            }
            Some(ask) = inputs.asks.recv() => {
                // Whoever asked may have gone.
                let _ = ask.send(reconcile.report());
                continue;
            }
            () = sleep_until(due) => reconcile.pass(),
        }
        reconcile.publish();
    }
}

struct Reconcile {
    clock: Clock,
    start: Instant,
    outputs: Outputs,
    /// Sources, then [`POLICIES`], [`PERSISTED`], [`GATEWAYS`] and [`PEERS`] from
    /// the end.
    views: Vec<View>,
    merge: Merge,
    slice: Slice,
    peers: Peers,
    said: Spoken,
    /// When what peers showed is to be saved.
    save_at: Option<Duration>,
    /// When it was last.
    saved_at: Duration,
    imports: BTreeMap<ClusterId, Arc<Saved>>,
    stored: u64,
}

impl Reconcile {
    fn new(
        ours: ClusterId,
        terms: Terms,
        before: Before,
        clock: Clock,
        inputs: &Inputs,
        outputs: Outputs,
    ) -> Self {
        let count = inputs.sources.len() + OWN_VIEWS;
        let mut views: Vec<View> = std::iter::repeat_with(View::default).take(count).collect();
        let mut merge = Merge::new(ours.clone());
        for policy in before.policies {
            merge.remember(policy.clone());
            if let Some(view) = views.get_mut(count - PERSISTED) {
                let key = FactKey::Policy(policy.key.clone());
                let decl = PolicyDecl {
                    policy,
                    complete: true,
                };
                view.set(key, Fact::Policy(Arc::new(decl)));
            }
        }
        Self {
            clock,
            start: Instant::now(),
            outputs,
            views,
            merge,
            slice: Slice::new(PartKind::Gateway, ours),
            peers: Peers::new(terms, before.imports.clone()),
            said: Spoken::default(),
            save_at: None,
            saved_at: Duration::ZERO,
            imports: before.imports,
            stored: 0,
        }
    }

    /// Reads everything shared again.
    fn reread(&mut self, inputs: &mut Inputs) {
        let count = self.views.len();
        self.said
            .reread(&mut inputs.sources, &mut self.views, count - POLICIES);
        if self.said.settled
            && let Some(persisted) = self.views.get_mut(count - PERSISTED)
        {
            persisted.replace(BTreeMap::new());
        }
        if let Some(view) = self.views.get_mut(count - GATEWAYS) {
            let rows = inputs.gateways.borrow_and_update().clone();
            let facts = rows.values().map(|gateway| {
                let key = FactKey::Gateway(gateway.id.name.clone());
                (key, Fact::Gateway(Arc::clone(gateway)))
            });
            view.replace(facts.collect());
        }
        let rows = inputs.peers.borrow_and_update().clone();
        let now = self.start.elapsed();
        if let Some(view) = self.views.get_mut(count - PEERS)
            && self
                .peers
                .known(&rows, now, self.clock.now().as_secs(), view)
        {
            self.save_at = Some(now);
        }
    }

    fn hear(&mut self, report: Report) {
        let now = self.start.elapsed();
        let count = self.views.len();
        let Some(view) = self.views.get_mut(count - PEERS) else {
            return;
        };
        if self
            .peers
            .hear(report, now, self.clock.now().as_secs(), view)
        {
            let at = (now + SAVE_AFTER).max(self.saved_at + SAVE_EVERY);
            self.save_at.get_or_insert(at);
        }
    }

    /// Time has passed: leases end, what peers showed is saved.
    fn pass(&mut self) {
        let now = self.start.elapsed();
        let count = self.views.len();
        if let Some(view) = self.views.get_mut(count - PEERS) {
            self.peers.pass(now, self.clock.now().as_secs(), view);
        }
        if self.save_at.is_some_and(|at| at <= now) {
            self.save_at = None;
            self.saved_at = now;
            self.imports = self.peers.saved(&self.imports);
            self.stored = 0;
        }
    }

    fn due(&self) -> Instant {
        let due = self.peers.due().into_iter().chain(self.save_at).min();
        // A timer without an end does not exist; a day is long enough.
        self.start + due.unwrap_or_else(|| self.start.elapsed() + DAY)
    }

    fn publish(&mut self) {
        let revisions = self.views.iter().map(View::revision).sum::<u64>() + 1 + self.said.revision;
        let delta = self.merge.update(&mut self.views);
        if !delta.is_empty() {
            let snapshot = self.merge.snapshot().clone();
            let gateways = self.slice.update(&snapshot);
            self.outputs.gateways.send_if_modified(|old| {
                let changed = old.state_hash() != gateways.state_hash();
                if changed {
                    *old = gateways;
                }
                changed
            });
            self.outputs.snapshot.send_replace(Arc::new(snapshot));
        }
        let ready = self.said.spoken;
        self.outputs
            .ready
            .send_if_modified(|old| !std::mem::replace(old, *old || ready) && ready);
        if self.stored != revisions {
            self.stored = revisions;
            self.outputs.desired.send_replace(Arc::new(self.desired()));
        }
    }

    fn desired(&self) -> Desired {
        let entries = self.merge.entries().iter();
        let policies = self.merge.last_good().values();
        Desired {
            settled: self.said.settled,
            entries: entries
                .map(|(id, entry)| (id.to_string(), Arc::clone(entry)))
                .collect(),
            policies: policies
                .map(|policy| {
                    (
                        format!("{}.{}", policy.key.namespace, policy.key.name),
                        policy.clone(),
                    )
                })
                .collect(),
            imports: self.imports.clone(),
            texts: self.said.texts.clone(),
            readable: self.said.readable,
        }
    }

    fn report(&self) -> StatusReport {
        let snapshot = self.merge.snapshot();
        let mut findings = self.said.findings.clone();
        findings.extend(self.peers.findings());
        findings.extend(status::findings(&self.merge));
        // What is cut off is never worse than what is shown.
        findings.sort_by_key(|finding| finding.severity);
        findings.truncate(status::MAX_FINDINGS);
        StatusReport {
            hash: snapshot.state_hash(),
            services: snapshot.services().count(),
            workloads: snapshot.workloads().count(),
            gateways: snapshot.gateways().count(),
            policies: snapshot.policies().count(),
            peers: self.peers.reports(),
            findings,
        }
    }
}

/// Views of our own, counted from the end.
const OWN_VIEWS: usize = 4;
const POLICIES: usize = 4;
const PERSISTED: usize = 3;
const GATEWAYS: usize = 2;
const PEERS: usize = 1;

/// Reports taken in before what follows is published.
const BATCH: usize = 256;
const SAVE_AFTER: Duration = Duration::from_millis(500);
/// A peer that never rests must not wear out the disk.
const SAVE_EVERY: Duration = Duration::from_secs(5);
const DAY: Duration = Duration::from_secs(24 * 3600);
