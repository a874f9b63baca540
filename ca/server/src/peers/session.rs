//! A trust session to one peer: its bundle, taken only if it may replace the
//! one held.
//!
//! What the peer says counts for its own trust domain and nothing else. A
//! refused bundle is counted and logged; the one held stays.

use std::sync::Arc;
use std::time::Duration;

use pelago_ca_core::join::check_bundle;
use pelago_identity::{Expect, SNI_PEERING, Target};
use pelago_model::{Bundle, Peer};
use pelago_runtime::backoff::Backoff;
use pelago_wire::trust::trust_client::TrustClient;
use pelago_wire::trust::{
    self as wire, TrustRequest, TrustResponse, trust_request, trust_response,
};
use pelago_wire::{MAX_MESSAGE, bundle, hello};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use crate::ca::Ca;
use crate::entropy::random;
use crate::membership::keep_bundle;
use crate::report::chain;

/// Keeps a session to `peer` for ever.
pub(super) async fn run(ca: Arc<Ca>, peer: Peer) {
    let seed = random().map(u64::from_be_bytes).unwrap_or_default();
    let mut backoff = Backoff::new(FIRST, LONGEST, seed);
    let target = Target {
        addresses: peer.addresses.clone(),
        sni: SNI_PEERING.to_owned(),
        as_id: ca.realm.controller(),
        expect: Expect::exactly(peer.controller.clone()).issued_by(peer.cluster.clone()),
    };
    loop {
        let status = match session(&ca, &peer, &target, &mut backoff).await {
            Ok(()) => Status::unavailable("the peer ended the session"),
            Err(status) => status,
        };
        // The peer judged our certificate when the connection was made; it may
        // judge otherwise by now, but only of a new connection.
        if matches!(
            status.code(),
            Code::Unauthenticated | Code::PermissionDenied
        ) {
            ca.channels.forget(&target);
        }
        let wait = backoff.failed();
        tracing::info!(
            peer = %peer.cluster,
            reason = chain(&status),
            again_in_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            "the trust session with a peer ended"
        );
        tokio::time::sleep(wait).await;
    }
}

async fn session(
    ca: &Ca,
    peer: &Peer,
    target: &Target,
    backoff: &mut Backoff,
) -> Result<(), Status> {
    let mut client = TrustClient::new(ca.channels.channel(target))
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE);
    let (say, said) = mpsc::channel(QUEUE);
    let hello = trust_request::Message::Hello(hello::ours(&[]));
    tell(&say, hello).await?;
    let opening = client.session(ReceiverStream::new(said));
    let mut inbound = within(opening).await?.into_inner();
    let first = within(inbound.message()).await?;
    let theirs = match first.and_then(|first| first.message) {
        Some(trust_response::Message::Hello(theirs)) => Some(theirs),
        _ => None,
    };
    hello::negotiate(theirs)?;
    follow(ca, peer, &mut inbound, &say, backoff).await
}

async fn follow(
    ca: &Ca,
    peer: &Peer,
    inbound: &mut Streaming<TrustResponse>,
    say: &mpsc::Sender<TrustRequest>,
    backoff: &mut Backoff,
) -> Result<(), Status> {
    while let Some(response) = inbound.message().await? {
        let Some(trust_response::Message::Bundles(told)) = response.message else {
            // Entries and certificates are not for peers.
            continue;
        };
        backoff.succeeded();
        for offered in bundle::decode_all(told.bundles)? {
            if let Some(ack) = take(ca, peer, offered).await? {
                tell(say, trust_request::Message::Ack(ack)).await?;
            }
        }
        // Each bundle is written and goes to all our nodes: a peer that sends
        // them without end is read slowly.
        tokio::time::sleep(PACE).await;
    }
    Ok(())
}

/// Takes one bundle in, or refuses it; the acknowledgement if it counts now.
async fn take(ca: &Ca, peer: &Peer, offered: Bundle) -> Result<Option<wire::BundleAck>, Status> {
    let refuse = |why: String| {
        ca.counters.bundles_refused.inc();
        tracing::warn!(
            peer = %peer.cluster,
            trust_domain = %offered.trust_domain,
            sequence = offered.sequence,
            why,
            "a bundle was refused; the one held stays"
        );
    };
    if offered.trust_domain != peer.trust_domain {
        refuse(format!("the peer speaks for {} only", peer.trust_domain));
        return Ok(None);
    }
    if let Err(refusal) = check_bundle(&ca.view.bundles(), &offered) {
        refuse(chain(&refusal));
        return Ok(None);
    }
    let ack = wire::BundleAck {
        trust_domain: offered.trust_domain.to_string(),
        sequence: offered.sequence,
        version: offered.version().to_string(),
    };
    match keep_bundle(ca, &offered).await {
        Ok(()) => Ok(Some(ack)),
        Err(error) => Err(Status::unavailable(chain(&error))),
    }
}

async fn tell(
    say: &mpsc::Sender<TrustRequest>,
    message: trust_request::Message,
) -> Result<(), Status> {
    let request = TrustRequest {
        message: Some(message),
    };
    let told = say.send_timeout(request, PATIENCE).await;
    told.map_err(|_| Status::unavailable("the peer does not read"))
}

async fn within<T>(answer: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(Status::deadline_exceeded(
            "the peer did not answer within 10 s",
        )),
    }
}

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(15);
const PATIENCE: Duration = Duration::from_secs(10);
const PACE: Duration = Duration::from_secs(1);
const QUEUE: usize = 64;
