//! What a controller's messages change: state, plan and disk, in that order.
//!
//! Bundles are judged one by one; a refused one leaves the held one in place and is not
//! acknowledged. The bundle of our own trust domain never goes away. Own identity and bundles are
//! stored at each change; workloads [`SETTLE`] after one, so that many changes are one write.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use pelago_model::bundle::BundleError;
use pelago_model::{Bundle, BundleSet, RegistrationEntry, SpiffeId};
use pelago_svid::bundle::AuthorityError;
use pelago_svid::{Usage, VerifyError, verify};
use pelago_wire::trust::{BundleAck, Issued};
use tokio::time::Instant;

use super::kept;
use super::plan::{Asked, OWN, Plan};
use crate::disk::{StateDir, Stored, Workloads};
use crate::state::{Identity, IdentityWriter};
use crate::svid::{Svid, SvidError};

/// Keeps state, plan and disk together.
pub(crate) struct Keeper {
    writer: IdentityWriter,
    identity: Identity,
    disk: StateDir,
    own: SpiffeId,
    renew_at: u64,
    pub(crate) plan: Plan,
    /// Whether what is on the disk was all of use.
    whole: bool,
    /// When the workloads are to be written; they changed since the last time.
    write_at: Option<Instant>,
}

/// Why an issued chain is not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IssuedError {
    /// No SVID of the key asked for.
    #[error("it is no SVID of the key asked for")]
    Svid(#[from] SvidError),
    /// Another identity.
    #[error("asked for {asked}, got {got}")]
    OtherIdentity {
        /// The identity of the entry.
        asked: SpiffeId,
        /// The identity of the leaf.
        got: SpiffeId,
    },
    /// Our bundles do not vouch for it.
    #[error("our own bundles do not vouch for it")]
    Unverified(#[source] Box<VerifyError>),
}

/// Why a bundle is not taken.
#[derive(Debug, thiserror::Error)]
enum TakeError {
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error("authority {index} cannot be a root")]
    Authority {
        index: usize,
        #[source]
        source: AuthorityError,
    },
    #[error("authority {index} belongs to trust domain {found}")]
    ForeignAuthority {
        index: usize,
        found: pelago_model::TrustDomain,
    },
}

impl Keeper {
    pub(crate) fn new(writer: IdentityWriter, disk: StateDir, stored: &Stored, seed: u64) -> Self {
        let own = stored.svid.id().clone();
        Self {
            identity: writer.identity(),
            writer,
            disk,
            renew_at: stored.renew_at,
            plan: Plan::new(own.clone(), stored.renew_at, seed),
            own,
            whole: false,
            write_at: None,
        }
    }

    /// Goes on with what was kept, as far as it is of use now.
    pub(crate) fn resume(&mut self, kept: Workloads) {
        let now = self.now();
        let bundles = self.identity.current().bundles.clone();
        let resumed = kept::resume(kept, &self.own, &bundles, now);
        self.plan.entries(&resumed.entries, now);
        for (entry, due) in &resumed.renewals {
            self.plan.held(entry, *due);
        }
        self.whole = resumed.whole;
        tracing::info!(
            entries = resumed.entries.len(),
            svids = resumed.workloads.len(),
            "workloads are served as they were kept until the controller answers"
        );
        self.writer.update(|state| {
            state.entries = resumed.entries;
            state.workloads = resumed.workloads;
        });
    }

    /// Unix seconds now.
    pub(crate) fn now(&self) -> u64 {
        self.identity.now()
    }

    /// The stream is gone, and with it every answer.
    pub(crate) fn disconnected(&mut self) {
        self.plan.forget_asked();
    }

    /// Takes the full set of bundles; what to acknowledge.
    pub(crate) async fn bundles(&mut self, offered: Vec<Bundle>) -> Vec<BundleAck> {
        let domains: BTreeSet<_> = offered.iter().map(|b| b.trust_domain.clone()).collect();
        let mut held = self.identity.current().bundles.clone();
        let before = held.clone();
        let gone: Vec<_> = held
            .iter()
            .map(|bundle| bundle.trust_domain.clone())
            .filter(|domain| !domains.contains(domain) && domain != self.own.trust_domain())
            .collect();
        for domain in gone {
            held.remove(&domain);
        }
        let mut acks = Vec::new();
        for bundle in offered {
            let domain = bundle.trust_domain.clone();
            let ack = BundleAck {
                trust_domain: domain.to_string(),
                sequence: bundle.sequence,
                version: bundle.version().to_string(),
            };
            match take(&mut held, bundle) {
                Ok(()) => acks.push(ack),
                Err(error) => tracing::error!(
                    trust_domain = domain.as_str(),
                    error = &error as &dyn std::error::Error,
                    "a bundle was refused; the one held stays"
                ),
            }
        }
        if held != before {
            self.writer.update(|state| state.bundles = held);
            self.save().await;
        }
        acks
    }

    /// Takes the full set of entries: SVIDs without an entry go away at once.
    pub(crate) fn entries(&mut self, entries: Vec<RegistrationEntry>) {
        let (entries, others) = kept::sorted(entries, &self.own);
        if let Some(first) = others.first() {
            tracing::error!(
                entry = first.id.as_str(),
                node = first.node.as_str(),
                spiffe_id = first.spiffe_id.as_str(),
                count = others.len(),
                "entries of another node or trust domain were refused; this is the first"
            );
        }
        self.plan.entries(&entries, self.now());
        let entitled: BTreeSet<_> = entries.iter().map(|e| e.spiffe_id.clone()).collect();
        let changed = self.writer.update(|state| {
            let held = state.workloads.len();
            state.workloads.retain(|id, _| entitled.contains(id));
            let changed = state.entries != entries || state.workloads.len() != held;
            state.entries = entries;
            state.entries_received = true;
            changed
        });
        if changed || !self.whole {
            self.whole = true;
            self.write_soon();
        }
    }

    /// Takes an issued chain into use.
    pub(crate) async fn issued(&mut self, asked: Asked, issued: Issued) -> Result<(), IssuedError> {
        let now = self.now();
        let state = self.identity.current();
        let svid = Svid::new(issued.chain, asked.key)?;
        if *svid.id() != asked.id {
            return Err(IssuedError::OtherIdentity {
                asked: asked.id,
                got: svid.id().clone(),
            });
        }
        verify(svid.chain_der(), &state.bundles, Usage::Client, now)
            .map_err(|why| IssuedError::Unverified(Box::new(why)))?;
        let hint = state.entries.iter().find(|e| e.id.as_str() == asked.entry);
        let svid = Arc::new(svid.with_hint(hint.map_or("", |entry| &entry.hint)));
        let renew_after = issued.renew_after.as_secs();
        let due = self
            .plan
            .renewed(&asked.entry, renew_after, svid.not_after(), now);
        if asked.entry == OWN {
            self.renew_at = due;
            self.writer.update(|state| state.own = Some(svid));
            self.save().await;
        } else {
            self.writer.update(|state| {
                state.workloads.insert(svid.id().clone(), svid);
            });
            self.write_soon();
        }
        Ok(())
    }

    /// Stores own SVID and bundles. A disk that fails costs a restart's memory, not the service.
    async fn save(&self) {
        let state = self.identity.current();
        let Some(svid) = state.own.clone() else {
            return;
        };
        let stored = Stored {
            svid,
            renew_at: self.renew_at,
            bundles: state.bundles.clone(),
        };
        let disk = self.disk.clone();
        let saved = tokio::task::spawn_blocking(move || disk.save(&stored)).await;
        if let Ok(Err(error)) = saved {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the identity was not stored; a restart would begin with an older one"
            );
        }
    }
}

impl Keeper {
    /// When [`Self::write`] has something to do.
    pub(crate) const fn write_at(&self) -> Option<Instant> {
        self.write_at
    }

    fn write_soon(&mut self) {
        self.write_at.get_or_insert_with(|| Instant::now() + SETTLE);
    }

    /// Writes the workloads if they changed since the last time. A disk that fails is tried again
    /// after [`WRITE_AGAIN`].
    pub(crate) async fn write(&mut self) {
        if self.write_at.take().is_none() {
            return;
        }
        let kept = kept::of(&self.identity.current(), &self.plan);
        let (disk, own) = (self.disk.clone(), self.own.clone());
        let written = tokio::task::spawn_blocking(move || disk.save_workloads(&own, &kept)).await;
        if let Ok(Err(error)) = written {
            self.write_at = Some(Instant::now() + WRITE_AGAIN);
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the workloads were not stored; a restart without the controller would serve older ones"
            );
        }
    }
}

fn take(held: &mut BundleSet, bundle: Bundle) -> Result<(), TakeError> {
    for (index, der) in bundle.x509_authorities.iter().enumerate() {
        let authority = pelago_svid::bundle::authority(der)
            .map_err(|source| TakeError::Authority { index, source })?;
        if let Some(found) = authority.trust_domain
            && found != bundle.trust_domain
        {
            return Err(TakeError::ForeignAuthority { index, found });
        }
    }
    Ok(held.accept(Arc::new(bundle))?)
}

/// How long workloads may change before they are written.
const SETTLE: Duration = Duration::from_millis(500);
const WRITE_AGAIN: Duration = Duration::from_secs(60);
