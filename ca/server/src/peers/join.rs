//! Joining a peer with its token, from our side.
//!
//! Everything that can be judged from the token alone is judged before anyone
//! is dialled; the secret follows only once pin and identity of the issuer
//! match; its answer is judged like any stranger's claim.

use std::time::Duration;

use pelago_ca_core::join::{Claim, JoinRefusal, check, check_names, check_roots};
use pelago_identity::{PinnedError, pinned};
use pelago_model::token::{Purpose, Token, TokenError};
use pelago_model::{ClusterId, Grant, Peer, ServicePattern, SpiffeId};
use pelago_store::Actor;
use pelago_wire::trust::trust_client::TrustClient;
use pelago_wire::trust::{self as wire, JoinRequest, JoinResponse};
use pelago_wire::{MAX_MESSAGE, Malformed, bundle, hello};
use tonic::Status;

use crate::ca::Ca;
use crate::intent::{self, IntentError};
use crate::tables::PeerChange;

/// A token read and judged, with what we would open.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) token: Token,
    /// What the issuer opens to us.
    pub(crate) theirs: Grant,
    /// What we open to the issuer.
    pub(crate) ours: Grant,
}

/// Why a cluster was not joined.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JoinError {
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("this token enrols a node or gateway; a peer's is made with `pelago peer token`")]
    NodeToken,
    #[error(
        "the token of {cluster} expired at {expires} (Unix seconds): ask for a new one with `pelago --cluster {cluster} peer token`"
    )]
    Expired { cluster: ClusterId, expires: u64 },
    #[error(transparent)]
    Refused(#[from] JoinRefusal),
    #[error(
        "this controller advertises no gateway address, so that {cluster} could not reach it: set `advertise:` in its configuration"
    )]
    NoAddress { cluster: ClusterId },
    #[error("this controller has no SVID of its own yet: try again in a moment")]
    NoSvid,
    #[error("{cluster} was not reached as its token says; the secret was not sent")]
    Reach {
        cluster: ClusterId,
        #[source]
        source: PinnedError,
    },
    #[error("{cluster} refused: {}", said(.status))]
    Status {
        cluster: ClusterId,
        status: Box<Status>,
    },
    #[error("{cluster} did not answer within {} s: ask its operator whether it has the peer, then try again", .after.as_secs())]
    Timeout { cluster: ClusterId, after: Duration },
    #[error("{cluster} answered what cannot be read")]
    Malformed {
        cluster: ClusterId,
        #[source]
        source: Malformed,
    },
    #[error("the token is of {token} and the answer claims to be {answer}: ask for a new token")]
    OtherAnswer { token: String, answer: String },
    #[error(
        "none of the roots in the answer of {cluster} is pinned by its token: ask for a new token"
    )]
    RootNotPinned { cluster: ClusterId },
    #[error(transparent)]
    Intent(#[from] IntentError),
}

/// Reads and judges a token without using it.
pub(crate) fn plan(ca: &Ca, text: &str, export: Vec<ServicePattern>) -> Result<Plan, JoinError> {
    let token = Token::decode(text)?;
    let Purpose::Peer { grant } = &token.purpose else {
        return Err(JoinError::NodeToken);
    };
    let theirs = grant.clone();
    if token.expires < ca.now() {
        return Err(JoinError::Expired {
            cluster: token.cluster,
            expires: token.expires,
        });
    }
    let peers: Vec<Peer> = ca.view.peers().values().cloned().collect();
    let domain = token.controller.trust_domain();
    check_names(&ca.realm, &peers, &token.cluster, domain, &token.controller)?;
    check_roots(&ca.view.bundles(), &token.cluster, domain, &token.pins)?;
    if ca.config.advertise.is_empty() {
        return Err(JoinError::NoAddress {
            cluster: token.cluster,
        });
    }
    let ours = Grant {
        export,
        merge: theirs.merge.clone(),
    };
    Ok(Plan {
        token,
        theirs,
        ours,
    })
}

/// Joins: afterwards both sides hold each other's peer and bundle, and ours is
/// audited.
pub(crate) async fn join(
    ca: &Ca,
    plan: &Plan,
    actor: &Actor,
    reason: &str,
) -> Result<Peer, JoinError> {
    let cluster = || plan.token.cluster.clone();
    let own = ca.view.identity().identity().current().own.clone();
    let own = own.ok_or(JoinError::NoSvid)?;
    let channel = pinned(&ca.net, &ca.clock, &plan.token, Some(own)).await;
    let channel = channel.map_err(|source| JoinError::Reach {
        cluster: cluster(),
        source,
    })?;
    let mut client = TrustClient::new(channel)
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE);
    let asked = client.join(request(ca, plan));
    let answer = match tokio::time::timeout(ANSWER, asked).await {
        Ok(Ok(answer)) => answer.into_inner(),
        Ok(Err(status)) => {
            return Err(JoinError::Status {
                cluster: cluster(),
                status: Box::new(status),
            });
        }
        Err(_) => {
            return Err(JoinError::Timeout {
                cluster: cluster(),
                after: ANSWER,
            });
        }
    };
    let claim = decode(answer).map_err(|source| JoinError::Malformed {
        cluster: cluster(),
        source,
    })?;
    judge(ca, plan, &claim)?;
    let peer = claim.peer(plan.ours.clone());
    let change = PeerChange::Admit {
        peer: peer.clone(),
        bundle: claim.bundle,
    };
    intent::carry_out(ca, actor, reason, change).await?;
    Ok(peer)
}

fn request(ca: &Ca, plan: &Plan) -> JoinRequest {
    let bundles = ca.view.bundles();
    let ours = bundles.get(&ca.realm.trust_domain);
    JoinRequest {
        hello: Some(hello::ours(&[])),
        secret: plan.token.secret.expose().to_vec(),
        cluster: ca.realm.cluster.to_string(),
        controller: ca.realm.controller().to_string(),
        addresses: wire::encode_addresses(&ca.config.advertise),
        bundle: ours.map(|held| bundle::encode(held)),
        grant: Some(wire::encode_grant(&plan.ours)),
    }
}

fn decode(answer: JoinResponse) -> Result<Claim, Malformed> {
    let id = |field, error| Malformed::id("JoinResponse", field, error);
    let absent = |field| Malformed::absent("JoinResponse", field);
    hello::negotiate(answer.hello)
        .map_err(|error| Malformed::new("JoinResponse", "hello", "", error.to_string()))?;
    Ok(Claim {
        cluster: ClusterId::parse(&answer.cluster).map_err(|error| id("cluster", error))?,
        controller: SpiffeId::parse(&answer.controller).map_err(|error| id("controller", error))?,
        addresses: wire::decode_addresses("JoinResponse", &answer.addresses)?,
        bundle: bundle::decode(answer.bundle.ok_or_else(|| absent("bundle"))?)?,
        grant: wire::decode_grant(answer.grant.unwrap_or_default())?,
    })
}

/// The answer must come from whom the token names, with a root that it pins.
fn judge(ca: &Ca, plan: &Plan, claim: &Claim) -> Result<(), JoinError> {
    let token = &plan.token;
    if claim.cluster != token.cluster || claim.controller != token.controller {
        return Err(JoinError::OtherAnswer {
            token: format!("{} ({})", token.cluster, token.controller),
            answer: format!("{} ({})", claim.cluster, claim.controller),
        });
    }
    let peers: Vec<Peer> = ca.view.peers().values().cloned().collect();
    check(&ca.realm, &peers, &ca.view.bundles(), claim)?;
    let mut roots = claim.bundle.x509_authorities.iter();
    if roots.any(|der| pelago_svid::pin(der).is_some_and(|pin| token.pins.contains(&pin))) {
        return Ok(());
    }
    Err(JoinError::RootNotPinned {
        cluster: token.cluster.clone(),
    })
}

/// What a stranger says, fit for a terminal: one line without control
/// characters, at most 1024 of them.
fn said(status: &Status) -> String {
    let text = status.message().chars().take(1024);
    text.map(|c| if c.is_control() { ' ' } else { c }).collect()
}

const ANSWER: Duration = Duration::from_secs(15);
