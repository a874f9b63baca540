//! `pelago.trust.v1`, served: Join, Enrol and Session.
//!
//! Who calls is what the TLS handshake proved, taken from the connection. An
//! unverified caller gets as far as Join and Enrol, which want a secret anyway.

mod issue;
mod session;

use std::sync::Arc;

use pelago_ca_core::Caller;
use pelago_ca_core::join::Claim;
use pelago_identity::{PeerCertificate, PeerInfo};
use pelago_model::{ClusterId, Grant, SpiffeId};
use pelago_wire::trust::trust_server::{Trust, TrustServer};
use pelago_wire::trust::{
    self as wire, EnrolRequest, EnrolResponse, JoinRequest, JoinResponse, TrustRequest,
};
use pelago_wire::{MAX_MESSAGE, Malformed, bundle, hello};
use tokio::time::Instant;
use tonic::{Request, Response, Status, Streaming};

use crate::ca::Ca;
use crate::limit::source;
use crate::redeem::{self, RedeemError};

use session::{Session, SessionStream, in_time};

/// The service. Clones share the CA.
#[derive(Clone)]
pub struct TrustService {
    ca: Arc<Ca>,
}

impl TrustService {
    pub(crate) fn server(ca: Arc<Ca>) -> TrustServer<Self> {
        TrustServer::new(Self { ca })
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_MESSAGE)
    }

    fn refused(&self, error: RedeemError) -> Status {
        self.ca.counters.refused.inc();
        tracing::info!(
            error = &error as &dyn std::error::Error,
            "a token was refused"
        );
        error.into()
    }

    async fn enrolled(&self, request: EnrolRequest) -> Result<EnrolResponse, RedeemError> {
        let secret = wire::decode_secret("EnrolRequest", &request.secret)?;
        let csr = wire::decode_csr("EnrolRequest", request.csr)?;
        let issued = redeem::enrol(&self.ca, &secret, &csr).await?;
        self.ca.counters.issued.inc();
        Ok(EnrolResponse {
            hello: Some(hello::ours(&[])),
            certificate: Some(wire::encode_certificate(&issued)),
            bundles: self
                .ca
                .view
                .bundles()
                .iter()
                .map(|held| bundle::encode(held))
                .collect(),
        })
    }

    async fn joined(
        &self,
        certificate: &PeerCertificate,
        request: JoinRequest,
    ) -> Result<JoinResponse, RedeemError> {
        let secret = wire::decode_secret("JoinRequest", &request.secret)?;
        let claim = decode_claim(request)?;
        let grant = redeem::join(&self.ca, &secret, certificate, &claim).await?;
        tracing::info!(peer = %claim.cluster, "a cluster joined");
        let ours = self.ca.view.bundles();
        let ours = ours.get(&self.ca.realm.trust_domain);
        Ok(JoinResponse {
            hello: Some(hello::ours(&[])),
            cluster: self.ca.realm.cluster.to_string(),
            controller: self.ca.realm.controller().to_string(),
            addresses: wire::encode_addresses(&self.ca.config.advertise),
            bundle: ours.map(|held| bundle::encode(held)),
            grant: Some(wire::encode_grant(&grant)),
        })
    }
}

#[tonic::async_trait]
impl Trust for TrustService {
    type SessionStream = SessionStream;

    async fn join(&self, request: Request<JoinRequest>) -> Result<Response<JoinResponse>, Status> {
        let peer = connection(&request)?;
        self.admit_guess(&peer)?;
        let mut request = request.into_inner();
        hello::negotiate(request.hello.take())?;
        let joined = self.joined(&peer.certificate, request).await;
        joined
            .map(Response::new)
            .map_err(|error| self.refused(error))
    }

    async fn enrol(
        &self,
        request: Request<EnrolRequest>,
    ) -> Result<Response<EnrolResponse>, Status> {
        let peer = connection(&request)?;
        self.admit_guess(&peer)?;
        let mut request = request.into_inner();
        hello::negotiate(request.hello.take())?;
        let enrolled = self.enrolled(request).await;
        enrolled
            .map(Response::new)
            .map_err(|error| self.refused(error))
    }

    async fn session(
        &self,
        request: Request<Streaming<TrustRequest>>,
    ) -> Result<Response<SessionStream>, Status> {
        let peer = connection(&request)?;
        let Some(verified) = peer.certificate.verified() else {
            return Err(Status::unauthenticated(
                "a trust session needs a certificate that verifies here: enrol or join first",
            ));
        };
        in_time(verified, self.ca.now())?;
        let peers = self.ca.view.peers();
        let issuer = verified.issuer_cluster();
        let caller = Caller::classify(&self.ca.realm, peers.values(), verified.id(), issuer)
            .map_err(|stranger| Status::permission_denied(stranger.to_string()))?;
        let seat = self.ca.seats.take(&caller.observer()).ok_or_else(|| {
            Status::resource_exhausted("too many trust sessions: close others, or try again later")
        })?;
        let ca = Arc::clone(&self.ca);
        let session = Session::new(ca, caller, verified, request.into_inner(), seat);
        Ok(Response::new(session.stream()))
    }
}

impl TrustService {
    /// Strangers may try a few secrets a second, whatever comes of it.
    fn admit_guess(&self, peer: &PeerInfo) -> Result<(), Status> {
        if self
            .ca
            .guesses
            .allow(&source(peer.remote.ip()), Instant::now())
        {
            return Ok(());
        }
        Err(self.refused(RedeemError::TooMany))
    }
}

/// What the handshake proved. Without it we are not behind our own listener.
fn connection<T>(request: &Request<T>) -> Result<PeerInfo, Status> {
    request
        .extensions()
        .get::<PeerInfo>()
        .cloned()
        .ok_or_else(|| Status::unauthenticated("this service is reached over mutual TLS only"))
}

fn decode_claim(request: JoinRequest) -> Result<Claim, Malformed> {
    let id = |field, error| Malformed::id("JoinRequest", field, error);
    let absent = |field| Malformed::absent("JoinRequest", field);
    Ok(Claim {
        cluster: ClusterId::parse(&request.cluster).map_err(|error| id("cluster", error))?,
        controller: SpiffeId::parse(&request.controller)
            .map_err(|error| id("controller", error))?,
        addresses: wire::decode_addresses("JoinRequest", &request.addresses)?,
        bundle: bundle::decode(request.bundle.ok_or_else(|| absent("bundle"))?)?,
        grant: request
            .grant
            .map_or_else(|| Ok(Grant::default()), wire::decode_grant)?,
    })
}
