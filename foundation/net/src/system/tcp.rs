//! TCP of the kernel: bind, accept, connect, and a stream that knows both its ends.
//!
//! Every stream has `TCP_NODELAY`, and keepalive: an idle one whose peer is silently gone ends
//! within 25 s. Nothing here waits without a bound but `accept`.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

use super::accept::recover;
use crate::error::{DialError, ListenError};
use crate::seam::{Connection, DialOptions, ListenOptions, Listener};

/// A TCP connection of the kernel.
#[derive(Debug)]
pub struct SystemStream {
    io: TcpStream,
    local: SocketAddr,
    peer: SocketAddr,
}

impl SystemStream {
    pub(super) async fn connect(to: SocketAddr, options: DialOptions) -> Result<Self, DialError> {
        let failed = |source| dial_error(to, options, source);
        let socket = socket_to(to, options.source).map_err(failed)?;
        let io = timeout(options.timeout, socket.connect(to))
            .await
            .map_err(|_elapsed| DialError::TimedOut {
                to,
                after: options.timeout,
            })?
            .map_err(failed)?;
        let stream = Self::open(io, to).map_err(failed)?;
        // A dial to a free port of our own ephemeral range can meet itself (RFC 9293 section
        // 3.5, simultaneous open). Nobody listens there.
        if stream.local == stream.peer {
            return Err(DialError::Refused { to });
        }
        Ok(stream)
    }

    fn open(io: TcpStream, peer: SocketAddr) -> io::Result<Self> {
        io.set_nodelay(true)?;
        let keepalive = TcpKeepalive::new()
            .with_time(IDLE)
            .with_interval(PROBES_EVERY);
        SockRef::from(&io).set_tcp_keepalive(&keepalive.with_retries(PROBES))?;
        Ok(Self {
            local: canonical(io.local_addr()?),
            peer: canonical(peer),
            io,
        })
    }
}

/// A TCP listener of the kernel.
#[derive(Debug)]
pub struct SystemListener {
    listener: TcpListener,
    at: SocketAddr,
}

impl SystemListener {
    pub(super) fn bind(at: SocketAddr, options: ListenOptions) -> Result<Self, ListenError> {
        bound(at, options)
            .and_then(start)
            .map_err(|source| listen_error(at, source))
    }

    pub(super) fn bind_workers(
        at: SocketAddr,
        count: NonZeroUsize,
    ) -> Result<Vec<Self>, ListenError> {
        let failed = |source| listen_error(at, source);
        // Bound, not listening: nobody can connect to the probe and be reset by its end.
        let probe = bound(at, ListenOptions::default()).map_err(failed)?;
        let port = local(&probe).map_err(failed)?.port();
        drop(probe);
        let at = SocketAddr::new(at.ip(), port);
        (0..count.get())
            .map(|_worker| Self::bind(at, ListenOptions { shared: true }))
            .collect()
    }
}

impl Listener for SystemListener {
    type Stream = SystemStream;

    async fn accept(&mut self) -> io::Result<(SystemStream, SocketAddr)> {
        loop {
            match self.listener.accept().await {
                // One that cannot be set up has been reset already.
                Ok((io, peer)) => {
                    if let Ok(stream) = SystemStream::open(io, peer) {
                        let peer = stream.peer;
                        return Ok((stream, peer));
                    }
                }
                Err(error) => recover(error).await?,
            }
        }
    }

    fn local_addr(&self) -> SocketAddr {
        self.at
    }
}

impl Connection for SystemStream {
    fn local_addr(&self) -> SocketAddr {
        self.local
    }

    fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    fn original_destination(&self) -> io::Result<Option<SocketAddr>> {
        let socket = SockRef::from(&self.io);
        let asked = if self.local.is_ipv4() {
            socket.original_dst_v4()
        } else {
            socket.original_dst_v6()
        };
        match asked {
            Ok(to) => Ok(to.as_socket().map(canonical).filter(|to| *to != self.local)),
            Err(error) if is_not_tracked(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn reset_on_drop(&mut self) {
        // tcp(7), socket(7): close with a linger of 0 sends RST. It fails for no open socket.
        let _ = SockRef::from(&self.io).set_linger(Some(Duration::ZERO));
    }
}

/// Connection tracking has no entry, or is not there at all (netfilter, `getorigdst`).
fn is_not_tracked(error: &io::Error) -> bool {
    matches!(
        Errno::from_raw(error.raw_os_error().unwrap_or(0)),
        Errno::ENOENT | Errno::ENOPROTOOPT | Errno::EOPNOTSUPP
    )
}

fn socket_to(to: SocketAddr, source: Option<IpAddr>) -> io::Result<TcpSocket> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    if let Some(source) = source {
        // The port is chosen at connect, per destination, so that many dials fit one address.
        setsockopt(&socket, sockopt::IpBindAddressNoPort, &true)?;
        socket.bind(&SocketAddr::new(source, 0).into())?;
    }
    Ok(TcpSocket::from_std_stream(socket.into()))
}

fn bound(at: SocketAddr, options: ListenOptions) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    if at.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        // [::] serves both families, whatever net.ipv6.bindv6only says.
        socket.set_only_v6(false)?;
    }
    // Only lets us bind over TIME_WAIT: Linux still refuses an address that is listened on.
    socket.set_reuse_address(true)?;
    if options.shared {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&at.into())?;
    Ok(socket)
}

fn start(socket: Socket) -> io::Result<SystemListener> {
    socket.listen(BACKLOG)?;
    let at = local(&socket)?;
    let listener = TcpListener::from_std(socket.into())?;
    Ok(SystemListener { listener, at })
}

fn local(socket: &Socket) -> io::Result<SocketAddr> {
    let unspecified = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
    Ok(socket.local_addr()?.as_socket().unwrap_or(unspecified))
}

fn canonical(at: SocketAddr) -> SocketAddr {
    match at.ip().to_canonical() {
        v4 @ IpAddr::V4(_) => SocketAddr::new(v4, at.port()),
        IpAddr::V6(_) => at,
    }
}

fn listen_error(at: SocketAddr, source: io::Error) -> ListenError {
    match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::InUse { at },
        io::ErrorKind::AddrNotAvailable => ListenError::NotOurs { at },
        io::ErrorKind::PermissionDenied => ListenError::Denied { at },
        _ => ListenError::Io { at, source },
    }
}

fn dial_error(to: SocketAddr, options: DialOptions, source: io::Error) -> DialError {
    let errno = Errno::from_raw(source.raw_os_error().unwrap_or(0));
    match (errno, options.source) {
        (Errno::ECONNREFUSED, _) => DialError::Refused { to },
        (Errno::ETIMEDOUT, _) => DialError::TimedOut {
            to,
            after: options.timeout,
        },
        (Errno::EADDRNOTAVAIL | Errno::EAFNOSUPPORT | Errno::EINVAL, Some(from)) => {
            DialError::Source { to, from }
        }
        (Errno::ENETUNREACH | Errno::EHOSTUNREACH | Errno::ENETDOWN | Errno::EHOSTDOWN, _) => {
            DialError::Unreachable { to }
        }
        _ => DialError::Io { to, source },
    }
}

impl AsyncRead for SystemStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for SystemStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// How long a connection may be silent before the peer is asked for a sign of life.
const IDLE: Duration = Duration::from_secs(10);
/// How often it is asked.
const PROBES_EVERY: Duration = Duration::from_secs(5);
/// Questions without an answer before the connection ends.
const PROBES: u32 = 3;
/// Connections the kernel keeps for us; it cuts this to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

#[cfg(test)]
mod tests;
