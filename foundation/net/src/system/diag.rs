//! The kernel's socket table: uid and inode of one TCP socket by its exact two ends.
//!
//! `NETLINK_SOCK_DIAG` (sock_diag(7)): one 72-byte question, one answer of at most a page. The
//! kernel falls back to a *listener* when no connection matches; such an answer is no match here.

use std::io::{self, Read};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use nix::libc;
use socket2::{Domain, Protocol, Socket, Type};

/// A TCP socket that a process may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// The user that created it.
    pub(super) uid: u32,
    /// Its inode in sockfs, as in `/proc/PID/fd`.
    pub(super) inode: u32,
}

/// The open socket whose own address is `own` and whose remote is `remote`; `None` when there is
/// none, or nobody holds it any more.
pub(super) fn lookup(own: SocketAddr, remote: SocketAddr) -> io::Result<Option<Entry>> {
    let netlink = Socket::new(
        Domain::from(libc::AF_NETLINK),
        Type::DGRAM,
        Some(Protocol::from(libc::NETLINK_SOCK_DIAG)),
    )?;
    // The kernel answers before `send` returns; this bounds a kernel that does not.
    netlink.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    netlink.send(&question(own, remote))?;
    let mut answer = [0; ANSWER_LIMIT];
    let length = (&netlink).read(&mut answer)?;
    read_answer(answer.get(..length).unwrap_or_default(), own, remote)
}

/// `nlmsghdr` and `inet_diag_req_v2` (linux/inet_diag.h), native byte order but for the ports.
fn question(own: SocketAddr, remote: SocketAddr) -> Vec<u8> {
    let mut out = Vec::with_capacity(QUESTION_BYTES);
    let length = u32::try_from(QUESTION_BYTES).unwrap_or_default();
    out.extend(length.to_ne_bytes());
    out.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    out.extend(NLM_F_REQUEST.to_ne_bytes());
    out.extend(SEQUENCE.to_ne_bytes());
    out.extend(0_u32.to_ne_bytes());

    let family = if own.is_ipv4() {
        libc::AF_INET
    } else {
        libc::AF_INET6
    };
    out.push(u8::try_from(family).unwrap_or_default());
    out.push(u8::try_from(libc::IPPROTO_TCP).unwrap_or_default());
    out.extend([0, 0]);
    out.extend(u32::MAX.to_ne_bytes()); // all states
    out.extend(own.port().to_be_bytes());
    out.extend(remote.port().to_be_bytes());
    out.extend(words(own.ip()));
    out.extend(words(remote.ip()));
    let interface = match own {
        SocketAddr::V6(v6) => v6.scope_id(),
        SocketAddr::V4(_) => 0,
    };
    out.extend(interface.to_ne_bytes());
    out.extend([0xff; 8]); // INET_DIAG_NOCOOKIE
    out
}

fn words(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V6(v6) => v6.octets(),
        IpAddr::V4(v4) => {
            let mut out = [0; 16];
            for (to, from) in out.iter_mut().zip(v4.octets()) {
                *to = from;
            }
            out
        }
    }
}

/// `nlmsghdr`, then `nlmsgerr` or `inet_diag_msg`.
fn read_answer(answer: &[u8], own: SocketAddr, remote: SocketAddr) -> io::Result<Option<Entry>> {
    let mut header = Fields(answer);
    let (_length, kind) = (header.u32()?, header.u16()?);
    let (_flags, sequence, _port) = (header.u16()?, header.u32()?, header.u32()?);
    if sequence != SEQUENCE {
        return Err(malformed());
    }
    let mut body = header;
    if kind == NLMSG_ERROR {
        let code = i32::from_ne_bytes(body.take()?);
        return match code.saturating_neg() {
            libc::ENOENT => Ok(None),
            errno if errno > 0 => Err(io::Error::from_raw_os_error(errno)),
            _ => Err(malformed()),
        };
    }
    if kind != SOCK_DIAG_BY_FAMILY {
        return Err(malformed());
    }
    let [family, state, _timer, _retransmits] = body.take()?;
    let own_port = u16::from_be_bytes(body.take()?);
    let remote_port = u16::from_be_bytes(body.take()?);
    let own_ip = address(family, body.take()?)?;
    let remote_ip = address(family, body.take()?)?;
    let _interface_and_cookie: [u8; 12] = body.take()?;
    let _expires_and_queues: [u8; 12] = body.take()?;
    let (uid, inode) = (body.u32()?, body.u32()?);

    let exact = (own_ip, own_port) == (own.ip().to_canonical(), own.port())
        && (remote_ip, remote_port) == (remote.ip().to_canonical(), remote.port());
    let open = !matches!(
        state,
        TCP_TIME_WAIT | TCP_CLOSE | TCP_LISTEN | TCP_NEW_SYN_RECV
    );
    Ok((exact && open && inode != 0).then_some(Entry { uid, inode }))
}

fn address(family: u8, words: [u8; 16]) -> io::Result<IpAddr> {
    match i32::from(family) {
        libc::AF_INET => {
            let [a, b, c, d, ..] = words;
            Ok(IpAddr::from([a, b, c, d]))
        }
        libc::AF_INET6 => Ok(IpAddr::V6(Ipv6Addr::from(words)).to_canonical()),
        _ => Err(malformed()),
    }
}

/// Takes fixed-size fields off the front; running out is an error.
#[derive(Clone, Copy)]
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>().ok_or_else(malformed)?;
        self.0 = rest;
        Ok(*field)
    }

    fn u32(&mut self) -> io::Result<u32> {
        self.take().map(u32::from_ne_bytes)
    }

    fn u16(&mut self) -> io::Result<u16> {
        self.take().map(u16::from_ne_bytes)
    }
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "unexpected sock_diag answer")
}

/// linux/sock_diag.h
const SOCK_DIAG_BY_FAMILY: u16 = 20;
/// linux/netlink.h
const NLMSG_ERROR: u16 = 2;
/// linux/netlink.h
const NLM_F_REQUEST: u16 = 1;
/// Any number: each socket asks once.
const SEQUENCE: u32 = 1;
/// net/tcp_states.h
const TCP_TIME_WAIT: u8 = 6;
/// net/tcp_states.h
const TCP_CLOSE: u8 = 7;
/// net/tcp_states.h
const TCP_LISTEN: u8 = 10;
/// net/tcp_states.h
const TCP_NEW_SYN_RECV: u8 = 12;
/// Header 16, request 56.
const QUESTION_BYTES: usize = 72;
/// Attributes may follow the message; they are not read.
const ANSWER_LIMIT: usize = 4096;
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
