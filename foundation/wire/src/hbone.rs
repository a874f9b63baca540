//! HBONE in text: the authority of a CONNECT and the headers around it.
//!
//! A target is canonical or refused: user info, a zone, an IPv4 address in
//! IPv6 clothing, leading zeros and upper case are not repaired. Nothing here
//! decides whether a target may be reached; policy does, before any dial.

mod baggage;

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use pelago_model::net::Host;
use pelago_model::{HostPort, Hostname, WorkloadUid};

pub use baggage::Baggage;

use crate::field::Reader;
use crate::malformed::Malformed;

/// The endpoint behind a gateway: asked for in an outer CONNECT, told in its
/// answer.
pub const ENDPOINT: &str = "x-pelago-endpoint";
/// The opaque id of a refusal; the log of the refusing side has the reason.
pub const REFUSAL: &str = "x-pelago-refusal";
/// Who is who, for telemetry only (W3C Baggage; ztunnel's keys).
pub const BAGGAGE: &str = "baggage";
/// The port ztunnel and our nodes serve HBONE on.
pub const PORT: u16 = 15008;
/// ALPN of HBONE.
pub const ALPN: &[u8] = b"h2";

/// What a CONNECT asks for: its `:authority`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// A service by the exporter's own host name and service port.
    Service {
        /// The host name.
        host: Hostname,
        /// The service port, 1 to 65535.
        port: u16,
    },
    /// A workload by address and port.
    Address(SocketAddr),
}

impl Target {
    /// Reads `host:port`, `1.2.3.4:port` or `[2001:db8::1]:port`.
    ///
    /// # Errors
    /// [`Malformed`] for anything that is not canonical.
    pub fn parse(authority: &str) -> Result<Self, Malformed> {
        let bad = || READ.bad("authority", authority, ALLOWED);
        if authority.len() > MAX_AUTHORITY {
            return Err(bad());
        }
        let address = HostPort::parse(authority).map_err(|_| bad())?;
        let target = match address.host {
            Host::Name(host) => Self::Service {
                host,
                port: address.port,
            },
            Host::Ip(IpAddr::V6(ip)) if ip.to_ipv4_mapped().is_some() => return Err(bad()),
            Host::Ip(ip) => Self::Address(SocketAddr::new(ip, address.port)),
        };
        if target.to_string() == authority {
            Ok(target)
        } else {
            Err(bad())
        }
    }

    /// The port asked for.
    #[must_use]
    pub const fn port(&self) -> u16 {
        match self {
            Self::Service { port, .. } => *port,
            Self::Address(address) => address.port(),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service { host, port } => write!(f, "{host}:{port}"),
            Self::Address(address) => fmt::Display::fmt(address, f),
        }
    }
}

/// Reads the value of an [`ENDPOINT`] header.
///
/// # Errors
/// [`Malformed`] when it is no workload uid.
pub fn parse_endpoint(value: &[u8]) -> Result<WorkloadUid, Malformed> {
    std::str::from_utf8(value)
        .map_err(|_| READ.bad(ENDPOINT, "…", "a workload uid in ASCII"))
        .and_then(|text| READ.id(ENDPOINT, text, WorkloadUid::parse))
}

/// Reads the value of a [`REFUSAL`] header: it is only ever logged.
#[must_use]
pub fn parse_refusal(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?;
    let plain = (1..=MAX_REFUSAL).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    plain.then(|| text.to_owned())
}

const READ: Reader = Reader("CONNECT");
const ALLOWED: &str =
    "<host name>:<port>, <IPv4>:<port> or [<IPv6>]:<port> in canonical form, port 1 to 65535";
/// A host name of 253, a colon and a port; every address is shorter.
const MAX_AUTHORITY: usize = 253 + 6;
const MAX_REFUSAL: usize = 64;

#[cfg(test)]
mod tests;
