//! Why a TLS connection did not come about.

use std::io;
use std::time::Duration;

use pelago_model::{ClusterId, Reason, SpiffeId};
use pelago_svid::VerifyError;

/// Why a handshake failed, on either side.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// We hold no SVID of the identity that should speak.
    #[error("no SVID of {id} is held: wait for the CA, or register the workload")]
    NoSvid {
        /// The identity.
        id: SpiffeId,
    },
    /// Our SVID has expired.
    #[error("the SVID of {id} expired at {not_after} (Unix seconds): check the way to the CA")]
    SvidExpired {
        /// The identity.
        id: SpiffeId,
        /// When it expired.
        not_after: u64,
    },
    /// Not a name that fits SNI.
    #[error("server name {sni:?} is no DNS name")]
    BadServerName {
        /// The name.
        sni: String,
    },
    /// No identity is expected, so none can be right.
    #[error("no identity is expected of the peer: this is a fault of the route")]
    NobodyExpected,
    /// The peer did not prove an identity.
    #[error("the peer's certificate was refused")]
    Unverified(#[source] Box<VerifyError>),
    /// The peer proved another identity.
    #[error("expected one of {expected:?}, found {found}")]
    WrongIdentity {
        /// Who was expected.
        expected: Vec<SpiffeId>,
        /// Who answered.
        found: SpiffeId,
    },
    /// The peer's identity comes from another cluster's CA.
    #[error(
        "expected {id} to be issued by cluster {expected}, found {}",
        .found.as_ref().map_or("no issuing cluster", ClusterId::as_str)
    )]
    WrongCluster {
        /// The identity.
        id: SpiffeId,
        /// The cluster expected.
        expected: ClusterId,
        /// The cluster found.
        found: Option<ClusterId>,
    },
    /// The client showed no certificate where one is required.
    #[error("the client showed no certificate: this port requires an X.509-SVID")]
    NoCertificate,
    /// The peer does not speak HTTP/2.
    #[error("the peer did not agree on ALPN h2")]
    NoHttp2,
    /// The handshake took too long.
    #[error("the handshake did not finish within {} s", .after.as_secs())]
    TimedOut {
        /// How long was waited.
        after: Duration,
    },
    /// Our own configuration was refused by the TLS library.
    #[error("no TLS configuration can be made for {id}")]
    Configuration {
        /// Whose.
        id: SpiffeId,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// The connection broke, or the peer refused us or spoke something else.
    #[error("the TLS handshake failed")]
    Handshake(#[source] io::Error),
}

impl TlsError {
    /// The stable code for logs and metrics.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::NoSvid { .. } | Self::SvidExpired { .. } => Reason::NoSvid,
            Self::Unverified(why) => why.reason(),
            Self::WrongIdentity { .. } | Self::WrongCluster { .. } => Reason::WrongIdentity,
            Self::NoCertificate => Reason::NoIdentity,
            Self::BadServerName { .. }
            | Self::NobodyExpected
            | Self::NoHttp2
            | Self::TimedOut { .. }
            | Self::Configuration { .. }
            | Self::Handshake(_) => Reason::TlsFailed,
        }
    }
}

impl From<&TlsError> for Reason {
    fn from(error: &TlsError) -> Self {
        error.reason()
    }
}
