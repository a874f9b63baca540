//! A loopback subnet of our own: `127.66.n.0/24`, held by a lock.
//!
//! The lock is a Unix socket in the abstract namespace (unix(7)): the kernel
//! frees it when the demo ends, however it ends, and no file is left.

use std::net::{IpAddr, Ipv4Addr};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};

use crate::failure::Failure;

/// A subnet nobody else of this machine's demos uses while this lives.
#[derive(Debug)]
pub(super) struct Subnet {
    third: u8,
    _lock: UnixListener,
}

impl Subnet {
    /// Takes the first free subnet.
    ///
    /// # Errors
    /// Exit code 1 when all 256 are taken.
    pub(super) fn take() -> Result<Self, Failure> {
        for third in 0..=u8::MAX {
            let lock = SocketAddr::from_abstract_name(format!("pelago-127.66.{third}.0"))
                .and_then(|name| UnixListener::bind_addr(&name));
            if let Ok(lock) = lock {
                return Ok(Self { third, _lock: lock });
            }
        }
        Err(Failure::Failed(anyhow::anyhow!(
            "every subnet of 127.66.0.0/16 is in use by another demo: end one of them"
        )))
    }

    /// Host `n` of the subnet.
    #[must_use]
    pub(super) const fn host(&self, n: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(127, 66, self.third, n))
    }
}
