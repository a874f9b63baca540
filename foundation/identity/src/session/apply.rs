//! What a controller's messages change: state, plan and disk, in that order.
//!
//! Bundles are judged one by one; a refused one leaves the held one in place and is not
//! acknowledged. The bundle of our own trust domain never goes away.

use std::collections::BTreeSet;
use std::sync::Arc;

use pelago_model::bundle::BundleError;
use pelago_model::{Bundle, BundleSet, RegistrationEntry, SpiffeId};
use pelago_svid::bundle::AuthorityError;
use pelago_svid::{Usage, VerifyError, verify};
use pelago_wire::trust::{BundleAck, Issued};

use super::plan::{Asked, OWN, Plan};
use crate::disk::{StateDir, Stored};
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
        }
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
    pub(crate) fn entries(&mut self, mut entries: Vec<RegistrationEntry>) {
        let own = self.own.clone();
        let name = match own.part() {
            Some(pelago_model::spiffe::Part::Named { name, .. }) => name,
            _ => "",
        };
        entries.retain(|entry| {
            let ours = entry.node.as_str() == name;
            let domain = entry.spiffe_id.trust_domain() == own.trust_domain();
            if !ours || !domain {
                tracing::error!(
                    entry = entry.id.as_str(),
                    node = entry.node.as_str(),
                    spiffe_id = entry.spiffe_id.as_str(),
                    "an entry of another node or trust domain was refused"
                );
            }
            ours && domain
        });
        entries.sort_by(|a, b| a.id.cmp(&b.id));
        entries.dedup_by(|later, first| later.id == first.id);
        self.plan.entries(&entries, self.now());
        let entitled: BTreeSet<_> = entries.iter().map(|e| e.spiffe_id.clone()).collect();
        self.writer.update(|state| {
            state.workloads.retain(|id, _| entitled.contains(id));
            state.entries = entries;
            state.entries_received = true;
        });
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
