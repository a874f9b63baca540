//! What a stolen workload would try: its real SVID, taken from its agent, and
//! tunnels dialled by hand past its own node.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pelago_dataplane_hbone::Settings;
use pelago_dataplane_hbone::client::{self, OpenError, Request};
use pelago_identity::{Expect, Identity, Svid};
use pelago_model::{Bundle, ClusterId, Hostname, SpiffeId, TrustDomain};
use pelago_runtime::clock::SystemClock;
use pelago_wire::hbone::Target;
use tokio::net::TcpStream;

use crate::commands::svid;
use crate::failure::Failure;

/// A workload's credentials in the wrong hands.
#[derive(Debug)]
pub(super) struct Intruder {
    identity: Identity,
    id: SpiffeId,
}

/// How an attempt ended.
#[derive(Debug)]
pub(super) enum Attempt {
    /// The tunnel opened: what must not happen.
    Opened,
    /// It was refused; the id leads to the reason in the refuser's log.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The opaque id.
        refusal: String,
    },
}

impl Intruder {
    /// Takes the credentials that the agent at `socket` gives to this process.
    ///
    /// # Errors
    /// Exit code 1 when there are none.
    pub(super) async fn take(socket: &Path) -> Result<Self, Failure> {
        let answer = svid::fetch(socket).await?;
        let first = answer
            .svids
            .first()
            .ok_or_else(|| Failure::Failed(anyhow::anyhow!("the agent gave no SVID")))?;
        let held = Svid::from_concatenated(&first.x509_svid, &first.x509_svid_key)
            .map_err(Failure::failed)?;
        let id = held.id().clone();
        let own = (id.trust_domain().id().to_string(), first.bundle.clone());
        let (writer, identity) = pelago_identity::channel(Arc::new(SystemClock));
        for (domain, roots) in answer.federated_bundles.into_iter().chain([own]) {
            let domain = TrustDomain::parse(domain.trim_start_matches("spiffe://"))
                .map_err(Failure::failed)?;
            let bundle = Bundle {
                trust_domain: domain,
                sequence: 1,
                refresh_hint: 60,
                x509_authorities: pelago_svid::x509::split(&roots).map_err(Failure::failed)?,
            };
            writer
                .update(|state| state.bundles.accept(Arc::new(bundle)))
                .map_err(Failure::failed)?;
        }
        writer.update(|state| state.own = Some(Arc::new(held)));
        Ok(Self { identity, id })
    }

    /// Asks whoever listens at `address`, which must be `expected` of
    /// `cluster`, for a tunnel to `host` port 80.
    ///
    /// # Errors
    /// Exit code 1 when it did not come to an answer.
    pub(super) async fn attempt(
        &self,
        address: SocketAddr,
        expected: &str,
        cluster: &str,
        host: &str,
    ) -> Result<Attempt, Failure> {
        let work = self.open(address, expected, cluster, host);
        tokio::time::timeout(Duration::from_secs(5), work)
            .await
            .map_err(|_| Failure::Failed(anyhow::anyhow!("{address} did not answer within 5 s")))?
    }

    async fn open(
        &self,
        address: SocketAddr,
        expected: &str,
        cluster: &str,
        host: &str,
    ) -> Result<Attempt, Failure> {
        let stream = TcpStream::connect(address).await.map_err(Failure::failed)?;
        let expect = Expect {
            ids: vec![SpiffeId::parse(expected).map_err(Failure::failed)?],
            issuer_cluster: Some(ClusterId::parse(cluster).map_err(Failure::failed)?),
        };
        let (stream, _) = self
            .identity
            .connect(stream, &self.id, "hbone.pelago", &expect)
            .await
            .map_err(Failure::failed)?;
        let (tunnel, driver) = client::open(stream, Settings::default())
            .await
            .map_err(Failure::failed)?;
        let mut drivers = tokio::task::JoinSet::new();
        drivers.spawn(driver);
        let target = Target::Service {
            host: Hostname::parse(host).map_err(Failure::failed)?,
            port: 80,
        };
        match tunnel.connect(Request::to(target)).await {
            Ok(_) => Ok(Attempt::Opened),
            Err(OpenError::Refused { status, refusal }) => Ok(Attempt::Refused {
                status,
                refusal: refusal.unwrap_or_default(),
            }),
            Err(error) => Err(Failure::failed(error)),
        }
    }
}
