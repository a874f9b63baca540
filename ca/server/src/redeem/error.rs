//! Why a token let nobody in, in words that say what to do next.

use pelago_ca_core::csr::CsrError;
use pelago_ca_core::entitlement::Refusal;
use pelago_ca_core::join::JoinRefusal;
use pelago_model::ClusterId;
use pelago_model::bundle::BundleError;
use pelago_model::token::Purpose;
use pelago_store::{AuditError, TableError};
use pelago_svid::VerifyError;
use pelago_wire::Malformed;
use tonic::Status;

use crate::intent::IntentError;
use crate::issuance::IssueFailed;
use crate::membership::MembershipError;
use crate::report::chain;

/// Why a token let nobody in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RedeemError {
    #[error(
        "this token is not known here: it was altered, withdrawn, or issued by another cluster; paste the whole line that was printed, or ask for a new one"
    )]
    Unknown,
    #[error("this token has expired; ask for a new one: `{again}`")]
    Expired { again: String },
    #[error("this token was used already; ask for a new one: `{again}`")]
    Used { again: String },
    #[error("this is a token for a peer cluster: use it with `pelago peer join -`")]
    PeerToken,
    #[error("this is a token for a node or gateway: give it to one (`tokenFile:`)")]
    NodeToken,
    #[error("too many attempts from this address: try again in a few seconds")]
    TooMany,
    #[error("a peer joins with its controller's certificate, and none was shown")]
    NoCertificate,
    #[error("the TLS certificate does not verify against the bundle that came with the request")]
    Unproven(#[source] Box<VerifyError>),
    #[error(
        "the root that vouches for the joiner is missing from the bundle that came with the request"
    )]
    RootNotOffered,
    #[error("the bundle that came with the request was refused")]
    Bundle(#[source] BundleError),
    #[error(transparent)]
    Refused(#[from] JoinRefusal),
    #[error(transparent)]
    NotEntitled(#[from] Refusal),
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error(transparent)]
    Csr(#[from] CsrError),
    #[error("the certificate could not be signed: try again")]
    Issue(#[from] IssueFailed),
    #[error("the token could not be redeemed: try again")]
    Table(#[from] TableError),
    #[error("the redemption could not be audited: try again")]
    Audit(#[from] AuditError),
    #[error("the peer could not be written: try again")]
    Membership(#[from] MembershipError),
    #[error("an earlier change of a peer could not be completed: try again")]
    Earlier(#[from] IntentError),
}

impl RedeemError {
    pub(crate) fn used(cluster: &ClusterId, purpose: &Purpose) -> Self {
        Self::Used {
            again: again(cluster, purpose),
        }
    }

    pub(crate) fn expired(cluster: &ClusterId, purpose: &Purpose) -> Self {
        Self::Expired {
            again: again(cluster, purpose),
        }
    }

    /// Whether the failure is ours, so that asking again can help.
    pub(crate) const fn is_ours(&self) -> bool {
        matches!(
            self,
            Self::Issue(_)
                | Self::Table(_)
                | Self::Audit(_)
                | Self::Membership(_)
                | Self::Earlier(_)
        )
    }
}

impl From<RedeemError> for Status {
    fn from(error: RedeemError) -> Self {
        if error.is_ours() {
            // The cause is in our log, not the stranger's.
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a token could not be redeemed"
            );
            return Self::unavailable(error.to_string());
        }
        let text = chain(&error);
        match error {
            RedeemError::TooMany => Self::resource_exhausted(text),
            RedeemError::Malformed(_) | RedeemError::Csr(_) => Self::invalid_argument(text),
            RedeemError::Refused(_) | RedeemError::Bundle(_) => Self::failed_precondition(text),
            RedeemError::NoCertificate => Self::unauthenticated(text),
            _ => Self::permission_denied(text),
        }
    }
}

/// The command that makes such a token again.
fn again(cluster: &ClusterId, purpose: &Purpose) -> String {
    match purpose {
        Purpose::Peer { .. } => format!("pelago --cluster {cluster} peer token"),
        Purpose::Part { kind, name } => format!(
            "pelago --cluster {cluster} node token {name} --role {}",
            kind.as_str()
        ),
    }
}
