//! Dialling a list of addresses in order, names resolved anew each time.
//!
//! Opens TCP only; who answers is decided by the TLS handshake the caller runs over it. Each
//! address gets [`DIAL_LIMIT`].

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use pelago_model::HostPort;
use pelago_model::net::Host;
use pelago_net::{BoxNet, BoxStream, DialError, DialOptions, Net as _, ResolveError};

use crate::error::TlsError;

/// The longest one TCP connection may take to open.
const DIAL_LIMIT: Duration = Duration::from_secs(5);
/// The most socket addresses tried for one connection.
const MAX_ATTEMPTS: usize = 16;

/// Why one address did not lead to the peer.
#[derive(Debug, thiserror::Error)]
pub enum AttemptError {
    /// Its name has no address.
    #[error("{at}: no address")]
    Resolve {
        /// The address as configured.
        at: HostPort,
        /// The resolver's error.
        #[source]
        source: ResolveError,
    },
    /// No TCP connection.
    #[error("{at}: no connection")]
    Dial {
        /// The address as configured.
        at: HostPort,
        /// The network's error.
        #[source]
        source: DialError,
    },
    /// No TLS, or not with the one expected.
    #[error("{at}: no secure connection")]
    Tls {
        /// The address as configured.
        at: HostPort,
        /// The handshake's error.
        #[source]
        source: TlsError,
    },
}

/// Why no address led to the peer.
#[derive(Debug, thiserror::Error)]
pub enum ReachError {
    /// There is nothing to dial.
    #[error("no address to dial: give at least one")]
    NoAddress,
    /// The last of several failures; earlier ones are in the log.
    #[error("none of {tried} addresses answered as expected; the last one")]
    Failed {
        /// How many socket addresses and names were tried.
        tried: usize,
        /// The last failure.
        #[source]
        last: Box<AttemptError>,
    },
}

/// Tries the addresses in order until `secure` succeeds over one of them.
pub(crate) async fn reach<T, F>(
    net: &BoxNet,
    addresses: &[HostPort],
    mut secure: impl FnMut(BoxStream) -> F + Send,
) -> Result<T, ReachError>
where
    F: Future<Output = Result<T, TlsError>> + Send,
{
    let mut tried = 0;
    let mut last = None;
    for at in addresses {
        let resolved = resolve(net, at).await;
        let candidates = resolved.unwrap_or_else(|source| {
            last = Some(note(AttemptError::Resolve {
                at: at.clone(),
                source,
            }));
            tried += 1;
            Vec::new()
        });
        for to in candidates {
            if tried == MAX_ATTEMPTS {
                break;
            }
            tried += 1;
            let at = at.clone();
            let error = match net.dial(to, DialOptions::within(DIAL_LIMIT)).await {
                Ok(stream) => match secure(stream).await {
                    Ok(secured) => return Ok(secured),
                    Err(source) => AttemptError::Tls { at, source },
                },
                Err(source) => AttemptError::Dial { at, source },
            };
            last = Some(note(error));
        }
    }
    Err(
        last.map_or(ReachError::NoAddress, |last| ReachError::Failed {
            tried,
            last: Box::new(last),
        }),
    )
}

async fn resolve(net: &BoxNet, at: &HostPort) -> Result<Vec<SocketAddr>, ResolveError> {
    match &at.host {
        Host::Ip(ip) => Ok(vec![SocketAddr::new(*ip, at.port)]),
        Host::Name(name) => {
            let found = net.resolve(name.as_str()).await?;
            Ok(found
                .into_iter()
                .map(|ip| SocketAddr::new(ip, at.port))
                .collect())
        }
    }
}

fn note(error: AttemptError) -> AttemptError {
    tracing::debug!(
        error = &error as &dyn std::error::Error,
        "an address did not answer as expected"
    );
    error
}
