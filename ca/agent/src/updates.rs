//! A stream of whole states to one caller: the first at once, the next when something changed.
//!
//! The caller is attested anew for each. The stream ends with the refusal that a new call would
//! get, so that a caller whose entry goes away stops using what it has (SPIFFE Workload API,
//! section 6.2.1), and with `Unavailable` when the agent drains.

use std::time::Duration;

use futures_util::stream::{self, BoxStream, StreamExt as _};
use pelago_identity::{Identity, State};
use pelago_model::registration::Facts;
use pelago_runtime::scope::Drain;
use tokio::time::Instant;
use tonic::Status;

use crate::attestation::Caller;
use crate::budget::Permit;
use crate::entitlement::Refusal;
use crate::told::Told;

/// How long a caller is believed to be what it was while nothing else changes.
const ATTESTED_FOR: Duration = Duration::from_secs(60);

/// What a caller sees of the state.
pub(crate) type View<V> = fn(&State, &Facts, u64) -> Result<V, Refusal>;

/// The states of one caller, told apart by `view`.
pub(crate) struct Updates<V> {
    caller: Caller,
    identity: Identity,
    drain: Drain,
    view: View<V>,
    seen: V,
    told: Told,
    _permit: Permit,
}

impl<V: PartialEq + Send + 'static> Updates<V> {
    /// Attests the caller and sees what it may have now.
    ///
    /// # Errors
    /// `PermissionDenied` for a caller that is nobody or has no identity; `Unavailable` when it
    /// may have one soon.
    pub(crate) fn begin(
        caller: Caller,
        identity: Identity,
        drain: Drain,
        view: View<V>,
        permit: Permit,
        told: Told,
    ) -> Result<Self, Status> {
        let seen = look(&caller, &identity, view, &told)?;
        Ok(Self {
            caller,
            identity,
            drain,
            view,
            seen,
            told,
            _permit: permit,
        })
    }

    /// The stream of answers.
    pub(crate) fn stream<R>(self) -> BoxStream<'static, Result<R, Status>>
    where
        R: for<'a> From<&'a V> + Send + 'static,
        V: Sync,
    {
        let first = stream::iter([Ok(R::from(&self.seen))]);
        let later = stream::unfold(Some(self), |updates| async {
            let mut updates = updates?;
            match updates.next().await {
                Ok(()) => Some((Ok(R::from(&updates.seen)), Some(updates))),
                Err(status) => Some((Err(status), None)),
            }
        });
        first.chain(later).boxed()
    }

    /// Waits until there is another state to tell.
    async fn next(&mut self) -> Result<(), Status> {
        loop {
            tokio::select! {
                () = self.drain.begun() => {
                    return Err(Status::unavailable("the agent is shutting down: connect again"));
                }
                () = self.identity.changed() => {}
                () = tokio::time::sleep(ATTESTED_FOR) => {}
            }
            let seen = look(&self.caller, &self.identity, self.view, &self.told)?;
            if seen != self.seen {
                self.seen = seen;
                return Ok(());
            }
        }
    }
}

fn look<V>(caller: &Caller, identity: &Identity, view: View<V>, told: &Told) -> Result<V, Status> {
    let noted = caller.credentials();
    let facts = caller.facts().map_err(|error| {
        if told.is_first(noted.uid, Instant::now()) {
            let error: &dyn std::error::Error = &error;
            tracing::info!(
                pid = noted.pid,
                uid = noted.uid,
                error,
                "a caller cannot be attested"
            );
        }
        Status::permission_denied(
            "this process cannot be attested: connect from the workload itself",
        )
    })?;
    view(&identity.current(), &facts, identity.now()).map_err(|refusal| {
        if told.is_first(noted.uid, Instant::now()) {
            tracing::info!(pid = noted.pid, uid = noted.uid, %refusal, "a caller gets no identity");
        }
        status(refusal)
    })
}

fn status(refusal: Refusal) -> Status {
    let message = refusal.to_string();
    match refusal {
        Refusal::NoIdentity => Status::permission_denied(message),
        Refusal::NotReady | Refusal::NoSvid | Refusal::NoBundle => Status::unavailable(message),
    }
}
