//! What may be looked up: host names and IP addresses, checked before any resolver sees them.
//!
//! Pure. It does not know whether a name exists.

use std::net::IpAddr;

use crate::error::ResolveError;

/// What a host operand is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Host {
    /// An address, its own answer.
    Address(IpAddr),
    /// A name to look up: lower case, without the final dot.
    Name(String),
}

/// Reads a host: an IP address (IPv6 also in brackets) or a name.
pub(crate) fn parse(host: &str) -> Result<Host, ResolveError> {
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(Host::Address(address));
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    let labels = name
        .split('.')
        .all(|label| (1..=63).contains(&label.len()) && label.bytes().all(is_host_byte));
    if name.len() > NAME_LIMIT || !labels {
        return Err(ResolveError::BadName {
            host: host.chars().take(NAME_LIMIT).collect(),
        });
    }
    Ok(Host::Name(name.to_ascii_lowercase()))
}

/// RFC 1123 section 2.1, and the underscore that service names have in practice.
const fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// RFC 1035 section 2.3.4, less the length octet and the root label.
const NAME_LIMIT: usize = 253;

#[cfg(test)]
mod tests;
