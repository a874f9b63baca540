//! SOCKS5 as a server (RFC 1928): CONNECT by name, IPv4 or IPv6, without
//! authentication. Who calls is told by the socket, never by the protocol.
//!
//! It reads exactly the greeting and the request and not one byte more, within
//! 5 s; it never connects anywhere itself.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use pelago_dataplane_policy::Destination;
use pelago_model::{Hostname, Reason};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Why no request was understood. What the client should hear was written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocksError {
    /// Not version 5.
    #[error("the client does not speak SOCKS5")]
    NotSocks5,
    /// It insists on authentication.
    #[error("the client offers no method without authentication")]
    NoMethod,
    /// BIND or UDP ASSOCIATE.
    #[error("SOCKS5 command {0} is not served: only CONNECT is")]
    Command(u8),
    /// An unknown kind of address, or a name or port that is none.
    #[error("the destination is no host name, IPv4 or IPv6 address with a port")]
    Address,
    /// Not complete in time.
    #[error("no SOCKS5 request came within {} s", TIME.as_secs())]
    TooSlow,
    /// The connection broke.
    #[error("the client left")]
    Io(#[from] std::io::Error),
}

/// What a request is answered (RFC 1928 section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Reply {
    Succeeded = 0,
    GeneralFailure = 1,
    NotAllowed = 2,
    NetworkUnreachable = 3,
    HostUnreachable = 4,
    ConnectionRefused = 5,
    CommandNotSupported = 7,
    AddressNotSupported = 8,
}

impl From<Reason> for Reply {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::PolicyDenied
            | Reason::NotAllowed
            | Reason::NotExported
            | Reason::UnknownCaller
            | Reason::NoSvid
            | Reason::TunnelRefused
            | Reason::ForbiddenDestination => Self::NotAllowed,
            Reason::NoGateway => Self::NetworkUnreachable,
            Reason::UnknownDestination
            | Reason::NoEndpoints
            | Reason::ConnectTimeout
            | Reason::ConnectFailed
            | Reason::AllEndpointsFailed => Self::HostUnreachable,
            Reason::UnknownPort | Reason::ConnectRefused => Self::ConnectionRefused,
            _ => Self::GeneralFailure,
        }
    }
}

/// Reads the greeting and the request; answers only what is refused here.
///
/// # Errors
/// [`SocksError`]; close the connection then.
pub(crate) async fn accept<S>(io: &mut S) -> Result<Destination, SocksError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let asked = tokio::time::timeout(TIME, ask(io)).await;
    asked.unwrap_or(Err(SocksError::TooSlow))
}

/// Answers the request. The bound address is told as `0.0.0.0:0`: it would be
/// that of a tunnel.
///
/// # Errors
/// The connection's.
pub(crate) async fn reply<S: AsyncWrite + Unpin>(io: &mut S, reply: Reply) -> std::io::Result<()> {
    io.write_all(&[VERSION, reply as u8, 0, IPV4, 0, 0, 0, 0, 0, 0])
        .await?;
    io.flush().await
}

async fn ask<S>(io: &mut S) -> Result<Destination, SocksError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let [version, count] = take(io).await?;
    if version != VERSION {
        return Err(SocksError::NotSocks5);
    }
    let mut methods = vec![0; usize::from(count)];
    io.read_exact(&mut methods).await?;
    if !methods.contains(&NO_AUTHENTICATION) {
        io.write_all(&[VERSION, NO_METHOD]).await?;
        return Err(SocksError::NoMethod);
    }
    io.write_all(&[VERSION, NO_AUTHENTICATION]).await?;
    io.flush().await?;
    let [version, command, _, kind] = take(io).await?;
    if version != VERSION {
        return Err(SocksError::NotSocks5);
    }
    let destination = destination(io, kind).await;
    if command != CONNECT {
        reply(io, Reply::CommandNotSupported).await?;
        return Err(SocksError::Command(command));
    }
    if let Err(SocksError::Address) = destination {
        reply(io, Reply::AddressNotSupported).await?;
    }
    destination
}

async fn destination<S: AsyncRead + Unpin>(
    io: &mut S,
    kind: u8,
) -> Result<Destination, SocksError> {
    let host = match kind {
        IPV4 => Host::Ip(IpAddr::from(take::<4, _>(io).await?)),
        IPV6 => Host::Ip(IpAddr::from(take::<16, _>(io).await?).to_canonical()),
        NAME => {
            let [length] = take(io).await?;
            let mut name = vec![0; usize::from(length)];
            io.read_exact(&mut name).await?;
            Host::Name(name)
        }
        _ => return Err(SocksError::Address),
    };
    let port = u16::from_be_bytes(take(io).await?);
    if port == 0 {
        return Err(SocksError::Address);
    }
    match host {
        Host::Ip(ip) => Ok(Destination::Address(SocketAddr::new(ip, port))),
        Host::Name(name) => named(&name, port).ok_or(SocksError::Address),
    }
}

enum Host {
    Ip(IpAddr),
    Name(Vec<u8>),
}

/// People type names: case and one final dot do not matter (RFC 4343), and an
/// address given as a name is an address.
fn named(name: &[u8], port: u16) -> Option<Destination> {
    let name = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
    if let Ok(ip) = name.parse::<IpAddr>() {
        return Some(Destination::Address(SocketAddr::new(
            ip.to_canonical(),
            port,
        )));
    }
    let name = name.strip_suffix('.').unwrap_or(&name);
    let host = Hostname::parse(name).ok()?;
    Some(Destination::Service { host, port })
}

async fn take<const N: usize, S: AsyncRead + Unpin>(io: &mut S) -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    io.read_exact(&mut bytes).await?;
    Ok(bytes)
}

const VERSION: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const NO_METHOD: u8 = 0xff;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;
/// The longest a request may take.
const TIME: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
