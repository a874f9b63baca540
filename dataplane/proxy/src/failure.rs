//! Why an attempt did not open a tunnel, and who is to be avoided for it.
//!
//! A refusal by policy is nobody's failure: it must not put an endpoint out for
//! callers that are allowed.

use pelago_dataplane_hbone::client::OpenError;
use pelago_identity::TlsError;
use pelago_model::Reason;
use pelago_net::DialError;

/// A failed attempt.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) reason: Reason,
    pub(crate) blame: Blame,
    /// The status of a refusal.
    pub(crate) status: Option<u16>,
    /// The id of a refusal, for the far side's log.
    pub(crate) refusal: Option<String>,
}

/// Who is to be avoided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blame {
    /// Ourselves: trying elsewhere is no use.
    Us,
    /// The gateway, by this request; by all, if it does not answer at all.
    Gateway {
        /// It does not answer at all.
        down: bool,
    },
    /// The endpoint.
    Endpoint,
    /// Nobody: it answered no.
    Nobody,
}

impl Failure {
    pub(crate) const fn new(reason: Reason, blame: Blame) -> Self {
        Self {
            reason,
            blame,
            status: None,
            refusal: None,
        }
    }

    /// A dial that failed.
    pub(crate) const fn dial(error: &DialError, blame: Blame) -> Self {
        Self::new(dial_reason(error), blame)
    }

    /// A handshake that failed.
    pub(crate) fn tls(error: &TlsError, blame: Blame) -> Self {
        match (error, blame) {
            (TlsError::NoSvid { .. } | TlsError::SvidExpired { .. }, _) => {
                Self::new(error.reason(), Blame::Us)
            }
            // It answers, though not as it should.
            (TlsError::Handshake(_) | TlsError::TimedOut { .. }, _) => {
                Self::new(error.reason(), blame)
            }
            (_, Blame::Gateway { .. }) => Self::new(error.reason(), Blame::Gateway { down: false }),
            _ => Self::new(error.reason(), blame),
        }
    }

    /// A tunnel request that was not answered 200; `blame` is for a break.
    pub(crate) fn open(error: OpenError, blame: Blame) -> Self {
        match error {
            OpenError::Refused { status, refusal } => Self {
                reason: Reason::TunnelRefused,
                blame: if status >= 500 {
                    Blame::Endpoint
                } else {
                    Blame::Nobody
                },
                status: Some(status),
                refusal,
            },
            OpenError::Handshake { .. } | OpenError::Broken { .. } => {
                Self::new(Reason::TunnelBroken, blame)
            }
            OpenError::Malformed { .. } => Self::new(Reason::BadRequest, Blame::Nobody),
        }
    }

    /// Whether the far side refused us for who we are.
    pub(crate) fn is_denial(&self) -> bool {
        matches!(self.status, Some(401 | 403))
    }
}

/// The stable code of a dial error.
pub(crate) const fn dial_reason(error: &DialError) -> Reason {
    match error {
        DialError::Refused { .. } => Reason::ConnectRefused,
        DialError::TimedOut { .. } => Reason::ConnectTimeout,
        _ => Reason::ConnectFailed,
    }
}
