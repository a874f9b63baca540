//! Enrolment: a token becomes an SVID, and is worthless afterwards.
//!
//! The key is made here and never leaves. The secret is sent only to a controller that was
//! verified by pin and ID ([`crate::pinned()`]); what comes back is verified before it is used.

use std::sync::Arc;
use std::time::Duration;

use pelago_model::bundle::BundleError;
use pelago_model::token::{Purpose, Token};
use pelago_model::{BundleSet, SpiffeId};
use pelago_net::BoxNet;
use pelago_runtime::clock::Clock;
use pelago_svid::{Usage, VerifyError, verify};
use pelago_wire::hello::{HelloError, negotiate, ours};
use pelago_wire::trust::{self, EnrolRequest, EnrolResponse, trust_client::TrustClient};
use pelago_wire::{MAX_MESSAGE, Malformed};

use crate::csr::{CsrError, KeyRequest};
use crate::disk::Stored;
use crate::pinned::{PinnedError, pinned};
use crate::status::StatusError;
use crate::svid::{Svid, SvidError};

/// What enrolment yields: store it, then run on it.
pub type Enrolled = Stored;

/// Why enrolment failed.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// A token for another purpose.
    #[error("this token lets in a peer cluster, not a node or gateway: use `pelago peer join`")]
    PeerToken,
    /// The controller was not reached or not recognised; the secret was not sent.
    #[error("no controller to enrol with")]
    Contact(#[from] PinnedError),
    /// No key could be made.
    #[error("no key for the new identity")]
    Key(#[from] CsrError),
    /// The controller refused.
    #[error("the controller refused to enrol us")]
    Refused(#[source] StatusError),
    /// No answer in time.
    #[error("the controller did not answer within {} s: check the way to it, then ask for a new token", .after.as_secs())]
    TimedOut {
        /// How long was waited.
        after: Duration,
    },
    /// No common protocol.
    #[error("the controller speaks another protocol")]
    Hello(#[from] HelloError),
    /// An answer that cannot be read.
    #[error("the controller's answer cannot be read")]
    Malformed(#[from] Malformed),
    /// A chain that is no SVID of our key.
    #[error("the controller's answer holds no SVID of our key")]
    Svid(#[from] SvidError),
    /// A bundle that cannot be held.
    #[error("the controller's answer holds a bundle that cannot be held")]
    Bundle(#[from] BundleError),
    /// The SVID does not verify against the bundles of the same answer.
    #[error("the controller's answer does not verify against its own bundles")]
    Unverified(#[source] Box<VerifyError>),
    /// Another identity than the token names.
    #[error("the token is for {expected}, the controller issued {found}")]
    WrongIdentity {
        /// The identity of the token.
        expected: SpiffeId,
        /// The identity issued.
        found: SpiffeId,
    },
}

/// Redeems a node's or gateway's token. An answer that is lost is asked for again with the same
/// key, three times in all; a later call makes another key and needs another token.
///
/// # Errors
/// [`EnrolError`]; nothing was stored.
pub async fn enrol(net: &BoxNet, clock: &Clock, token: &Token) -> Result<Enrolled, EnrolError> {
    let Purpose::Part { kind, name } = &token.purpose else {
        return Err(EnrolError::PeerToken);
    };
    let domain = token.controller.trust_domain();
    let expected = domain.part(*kind, &token.cluster, name);
    let KeyRequest { csr, key } = KeyRequest::generate()?;
    let mut attempt = 1;
    let answer = loop {
        match redeem(net, clock, token, &csr).await {
            Err(error) if attempt < ATTEMPTS && is_lost(&error) => attempt += 1,
            outcome => break outcome?,
        }
    };
    accept(answer, key, &expected, clock.now().as_secs())
}

async fn redeem(
    net: &BoxNet,
    clock: &Clock,
    token: &Token,
    csr: &[u8],
) -> Result<EnrolResponse, EnrolError> {
    let channel = pinned(net, clock, token, None).await?;
    let mut client = TrustClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
    let request = EnrolRequest {
        hello: Some(ours(&[])),
        secret: token.secret.expose().to_vec(),
        csr: csr.to_vec(),
    };
    let answer = tokio::time::timeout(ANSWER_LIMIT, client.enrol(request)).await;
    let answer = answer
        .map_err(|_| EnrolError::TimedOut {
            after: ANSWER_LIMIT,
        })?
        .map_err(|status| EnrolError::Refused(status.into()))?;
    Ok(answer.into_inner())
}

/// Whether the token may have been redeemed without our hearing of it: then only the same key
/// gets the answer again.
fn is_lost(error: &EnrolError) -> bool {
    match error {
        EnrolError::TimedOut { .. } => true,
        EnrolError::Refused(status) => status.code() == tonic::Code::Unavailable,
        _ => false,
    }
}

fn accept(
    answer: EnrolResponse,
    key: zeroize::Zeroizing<Vec<u8>>,
    expected: &SpiffeId,
    now: u64,
) -> Result<Enrolled, EnrolError> {
    negotiate(answer.hello)?;
    let absent = || Malformed::absent("EnrolResponse", "certificate");
    let issued = trust::decode_certificate(answer.certificate.ok_or_else(absent)?)?;
    let mut bundles = BundleSet::default();
    for bundle in pelago_wire::bundle::decode_all(answer.bundles)? {
        bundles.accept(Arc::new(bundle))?;
    }
    let svid = Svid::new(issued.chain, key)?;
    if svid.id() != expected {
        return Err(EnrolError::WrongIdentity {
            expected: expected.clone(),
            found: svid.id().clone(),
        });
    }
    verify(svid.chain_der(), &bundles, Usage::Client, now)
        .map_err(|why| EnrolError::Unverified(Box::new(why)))?;
    Ok(Stored {
        svid: Arc::new(svid),
        renew_at: now.saturating_add(issued.renew_after.as_secs()),
        bundles,
    })
}

const ATTEMPTS: u32 = 3;
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
