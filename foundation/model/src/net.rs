//! Hostnames, ports and places.
//!
//! A port is always told with its transport; addresses travel as lists of both
//! families elsewhere. This room resolves nothing.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::id::{IdError, Internable, Interner, is_dns_label, text_id};

text_id!(
    /// A host name in lower case without a trailing dot (RFC 1123; labels may
    /// also hold `_`, as service names do).
    Hostname, "host name", "labels of a-z, 0-9, '-' and '_' joined by '.', at most 253, not an IP address", is_hostname
);

/// The transports a port can speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Transport {
    /// TCP. UDP is refused by name at the doors until it is served.
    Tcp,
}

impl Transport {
    /// The word in Kubernetes' `protocol`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
        }
    }
}

/// A port together with its transport. Written `80/TCP`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PortKey {
    /// The port number, 1 to 65535.
    pub port: u16,
    /// What is spoken there.
    pub transport: Transport,
}

impl PortKey {
    /// A TCP port.
    #[must_use]
    pub const fn tcp(port: u16) -> Self {
        Self {
            port,
            transport: Transport::Tcp,
        }
    }

    /// Parses `80/TCP`.
    ///
    /// # Errors
    /// [`IdError`] for a port outside 1 to 65535 or another transport.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let bad = || IdError::new("port", text, "<1 to 65535>/TCP (UDP is not served yet)");
        let (port, transport) = text.split_once('/').ok_or_else(bad)?;
        match (port.parse(), transport) {
            (Ok(port @ 1..), "TCP") => Ok(Self::tcp(port)),
            _ => Err(bad()),
        }
    }
}

impl TryFrom<String> for PortKey {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        Self::parse(&text)
    }
}

impl From<PortKey> for String {
    fn from(key: PortKey) -> Self {
        key.to_string()
    }
}

impl fmt::Display for PortKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.port, self.transport.as_str())
    }
}

impl fmt::Debug for PortKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A host, by name or address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// By name; resolved again at each use.
    Name(Hostname),
    /// By address.
    Ip(IpAddr),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => fmt::Display::fmt(name, f),
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::Ip(ip) => fmt::Display::fmt(ip, f),
        }
    }
}

/// `host:port`, the host by name or address (IPv6 in brackets, RFC 3986).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostPort {
    /// The host.
    pub host: Host,
    /// The port, 1 to 65535.
    pub port: u16,
}

impl HostPort {
    /// Parses `name:port`, `1.2.3.4:port` or `[::1]:port`.
    ///
    /// # Errors
    /// [`IdError`] when host or port is missing or malformed.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let bad = || {
            IdError::new(
                "address",
                text,
                "host:port, 1.2.3.4:port or [::1]:port with a port of 1 to 65535",
            )
        };
        let (host, port) = text.rsplit_once(':').ok_or_else(bad)?;
        let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(bad)?;
        let host = match host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
        {
            Some(v6) => Host::Ip(IpAddr::V6(v6.parse().map_err(|_| bad())?)),
            None => match host.parse() {
                Ok(v4) => Host::Ip(IpAddr::V4(v4)),
                Err(_) => Host::Name(Hostname::parse(host).map_err(|_| bad())?),
            },
        };
        Ok(Self { host, port })
    }
}

impl Internable for HostPort {
    fn share(&mut self, interner: &mut Interner) {
        if let Host::Name(name) = &mut self.host {
            name.share(interner);
        }
    }
}

impl From<std::net::SocketAddr> for HostPort {
    fn from(address: std::net::SocketAddr) -> Self {
        Self {
            host: Host::Ip(address.ip()),
            port: address.port(),
        }
    }
}

impl TryFrom<String> for HostPort {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        Self::parse(&text)
    }
}

impl From<HostPort> for String {
    fn from(address: HostPort) -> Self {
        address.to_string()
    }
}

impl std::str::FromStr for HostPort {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::parse(text)
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where something runs: region, zone and subzone, each empty when unknown
/// (`topology.kubernetes.io/region` and `/zone`, `topology.istio.io/subzone`).
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Locality {
    /// The region, such as `eu-central-1`.
    pub region: String,
    /// The zone inside the region.
    pub zone: String,
    /// The subzone inside the zone.
    pub subzone: String,
}

impl Locality {
    /// Parses Istio's `region/zone/subzone`, later parts optional.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut parts = text.splitn(3, '/').map(str::to_owned);
        Self {
            region: parts.next().unwrap_or_default(),
            zone: parts.next().unwrap_or_default(),
            subzone: parts.next().unwrap_or_default(),
        }
    }
}

impl fmt::Display for Locality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}/{}/{}", self.region, self.zone, self.subzone);
        f.write_str(text.trim_end_matches('/'))
    }
}

fn is_hostname(text: &str) -> bool {
    text.len() <= 253
        && text
            .split('.')
            .all(|label| is_dns_label(&label.replace('_', "x")))
        && text.parse::<IpAddr>().is_err()
}

#[cfg(test)]
mod tests;
