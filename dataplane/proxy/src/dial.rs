//! Raw ways to the next hop: TCP to one of its addresses, TLS as a workload
//! expecting exactly that hop, HTTP/2 on top.
//!
//! Nothing is pooled or remembered here, and nothing is dialled that no route
//! names. Every wait has a limit.

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;

use pelago_dataplane_hbone::Settings as Hbone;
use pelago_dataplane_hbone::client::{self, Tunnel};
use pelago_dataplane_policy::Hop;
use pelago_identity::{Expect, SNI_HBONE};
use pelago_model::net::Host;
use pelago_model::{HostPort, Reason, SpiffeId};
use pelago_net::{DialError, DialOptions, Net};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::failure::{Blame, Failure, dial_reason};
use crate::settings::DIAL;
use crate::worker::Worker;

/// Moves a tunnel's bytes: spawn it. Dropping it cuts the tunnel.
pub(crate) type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// An HBONE connection to that hop over TCP, shown `source`'s SVID.
pub(crate) async fn hop<N: Net>(
    worker: &Worker<N>,
    source: &SpiffeId,
    hop: &Hop,
) -> Result<(Tunnel, Driver), Failure> {
    let (addresses, blame) = match hop {
        Hop::Gateway { addresses, .. } => (
            resolved(&worker.net, addresses).await,
            Blame::Gateway { down: true },
        ),
        Hop::Endpoint { addresses, .. } => (addresses.clone(), Blame::Endpoint),
    };
    let stream = first(&worker.net, &addresses).await.map_err(|error| {
        error.map_or_else(
            || Failure::new(Reason::ConnectFailed, blame),
            |error| Failure::dial(&error, blame),
        )
    })?;
    secure(worker, source, hop, stream, blame).await
}

/// An HBONE connection to that hop over any bytes; `blame` is for a break.
pub(crate) async fn secure<N: Net, S>(
    worker: &Worker<N>,
    source: &SpiffeId,
    hop: &Hop,
    stream: S,
    blame: Blame,
) -> Result<(Tunnel, Driver), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connected = worker
        .identity
        .connect(stream, source, SNI_HBONE, &expect(hop))
        .await;
    let (tls, _) = connected.map_err(|error| {
        tracing::debug!(
            error = &error as &dyn std::error::Error,
            "no TLS with the next hop"
        );
        Failure::tls(&error, blame)
    })?;
    let opened = client::open(tls, Hbone::default()).await;
    let (tunnel, driver) = opened.map_err(|error| {
        tracing::debug!(
            error = &error as &dyn std::error::Error,
            "no HTTP/2 with the next hop"
        );
        Failure::open(error, blame)
    })?;
    Ok((tunnel, Box::pin(driver)))
}

/// Who must answer there.
pub(crate) fn expect(hop: &Hop) -> Expect {
    let (id, cluster) = match hop {
        Hop::Gateway { id, identity, .. } => (identity, &id.cluster),
        Hop::Endpoint {
            identity, cluster, ..
        } => (identity, cluster),
    };
    Expect::exactly(id.clone()).issued_by(cluster.clone())
}

/// TCP to the first of these addresses that takes it.
///
/// # Errors
/// The last address's; `None` when there is no address.
pub(crate) async fn first<N: Net>(
    net: &N,
    addresses: &[SocketAddr],
) -> Result<N::Stream, Option<DialError>> {
    let mut last = None;
    for address in addresses.iter().take(MAX_ADDRESSES) {
        match net.dial(*address, DialOptions::within(DIAL)).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = Some(error),
        }
    }
    Err(last)
}

/// The same by host and port.
pub(crate) async fn reach<N: Net>(net: &N, hosts: &[HostPort]) -> Result<N::Stream, Reason> {
    let addresses = resolved(net, hosts).await;
    let reached = first(net, &addresses).await;
    reached.map_err(|error| error.as_ref().map_or(Reason::ConnectFailed, dial_reason))
}

async fn resolved<N: Net>(net: &N, hosts: &[HostPort]) -> Vec<SocketAddr> {
    let mut addresses = Vec::new();
    for HostPort { host, port } in hosts.iter().take(MAX_ADDRESSES) {
        let ips: Vec<IpAddr> = match host {
            Host::Ip(ip) => vec![*ip],
            Host::Name(name) => match net.resolve(name.as_str()).await {
                Ok(ips) => ips,
                Err(error) => {
                    tracing::debug!(%error, "the next hop's name was not resolved");
                    Vec::new()
                }
            },
        };
        addresses.extend(ips.into_iter().map(|ip| SocketAddr::new(ip, *port)));
    }
    addresses
}

/// Addresses and names tried for one hop.
const MAX_ADDRESSES: usize = 8;
