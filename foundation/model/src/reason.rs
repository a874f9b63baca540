//! Why a connection was refused or failed: one table of stable codes.
//!
//! Logs, metrics and `pelago why` use these codes; the peer is told less (a
//! status and an opaque id). A code, once published, keeps its meaning.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)*) => {
        /// A stable reason code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The code, for logs and metric labels.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
                }
            }
        }
    };
}

reasons! {
    /// A DENY policy matched.
    PolicyDenied = "policy_denied",
    /// ALLOW policies speak of the workload and none matched.
    NotAllowed = "not_allowed",
    /// The caller is of another cluster or domain and the service is not
    /// exported to it.
    NotExported = "not_exported",
    /// The caller showed no certificate.
    NoIdentity = "no_identity",
    /// The caller's certificate did not verify.
    BadCertificate = "bad_certificate",
    /// The caller's trust domain is not known here.
    UnknownTrustDomain = "unknown_trust_domain",
    /// No local workload opened the connection, or several could have.
    UnknownCaller = "unknown_caller",
    /// No SVID for the caller's workload yet.
    NoSvid = "no_svid",
    /// No service or workload answers to the destination.
    UnknownDestination = "unknown_destination",
    /// The service has no such port.
    UnknownPort = "unknown_port",
    /// The service has no endpoint at all.
    NoEndpoints = "no_endpoints",
    /// Every endpoint was tried and failed.
    AllEndpointsFailed = "all_endpoints_failed",
    /// A gateway is needed and none of that network is known.
    NoGateway = "no_gateway",
    /// The next hop refused the TCP connection.
    ConnectRefused = "connect_refused",
    /// The next hop did not answer in time.
    ConnectTimeout = "connect_timeout",
    /// The connection could not be made for another cause.
    ConnectFailed = "connect_failed",
    /// TLS with the next hop failed.
    TlsFailed = "tls_failed",
    /// The next hop proved another identity than the route expects.
    WrongIdentity = "wrong_identity",
    /// The next hop answered the tunnel request with a refusal.
    TunnelRefused = "tunnel_refused",
    /// The tunnel request broke before its answer.
    TunnelBroken = "tunnel_broken",
    /// SNI passthrough of workload traffic is not served yet.
    PassthroughUnsupported = "passthrough_unsupported",
    /// A ClientHello that selects nothing we serve.
    UnknownServerName = "unknown_server_name",
    /// Not a TLS ClientHello, too large, or not complete in time.
    BadClientHello = "bad_client_hello",
    /// A malformed tunnel request.
    BadRequest = "bad_request",
    /// A destination that is never delivered to (our own ports, loopback
    /// where no workload listens, link-local).
    ForbiddenDestination = "forbidden_destination",
    /// The process is draining.
    Draining = "draining",
    /// A limit of this process was reached.
    Overloaded = "overloaded",
    /// A policy change took the permission away.
    Revoked = "revoked",
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
