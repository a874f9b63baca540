//! The trust half of the admin API.
//!
//! Whoever serves it puts an [`Actor`] into each request; without one nothing
//! is answered. Every mutation, done or not, is audited with its actor before
//! the answer leaves. Tokens leave in answers and nowhere else.

mod peers;
mod status;
mod tokens;

use std::sync::Arc;

use pelago_store::{Actor, Outcome};
use pelago_wire::MAX_MESSAGE;
use pelago_wire::admin::trust_admin_server::{TrustAdmin, TrustAdminServer};
use pelago_wire::admin::{
    CreateNodeTokenRequest, CreatePeerTokenRequest, InspectPeerTokenRequest,
    InspectPeerTokenResponse, JoinPeerRequest, JoinPeerResponse, ListAuditRequest,
    ListAuditResponse, ListNodesRequest, ListNodesResponse, RemovePeerRequest, RemovePeerResponse,
    TokenResponse, TrustStatusRequest, TrustStatusResponse,
};
use tonic::{Request, Response, Status};

use crate::ca::Ca;
use crate::report::chain;

/// The service. Clones share the CA.
#[derive(Clone)]
pub struct AdminService {
    pub(crate) ca: Arc<Ca>,
}

impl AdminService {
    pub(crate) fn server(ca: Arc<Ca>) -> TrustAdminServer<Self> {
        TrustAdminServer::new(Self { ca })
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_MESSAGE)
    }

    /// Audits what came of a mutation, then answers.
    async fn audited<T>(
        &self,
        actor: Actor,
        verb: &str,
        object: String,
        reason: String,
        result: Result<T, Status>,
    ) -> Result<Response<T>, Status> {
        let (outcome, reason) = match &result {
            Ok(_) => (Outcome::Done, (!reason.is_empty()).then_some(reason)),
            Err(status) => (outcome_of(status), Some(status.message().to_owned())),
        };
        let recorded = self.ca.record(actor, verb, object, outcome, reason).await;
        match (result, recorded) {
            (Ok(answer), Ok(())) => Ok(Response::new(answer)),
            (Ok(_), Err(error)) => {
                tracing::error!(error = chain(&error), verb, "a change could not be audited");
                Err(Status::unavailable(
                    "the change could not be audited: look at its effect before trying again",
                ))
            }
            (Err(status), recorded) => {
                if let Err(error) = recorded {
                    tracing::error!(
                        error = chain(&error),
                        verb,
                        "a refusal could not be audited"
                    );
                }
                Err(status)
            }
        }
    }
}

#[tonic::async_trait]
impl TrustAdmin for AdminService {
    async fn create_node_token(
        &self,
        request: Request<CreateNodeTokenRequest>,
    ) -> Result<Response<TokenResponse>, Status> {
        let actor = actor(&request)?;
        let asked = request.into_inner();
        let object = format!("token/{}.{}", asked.role, asked.name);
        let reason = reason(&asked.reason)?;
        let made = tokens::node(&self.ca, &actor, &asked).await;
        self.audited(actor, "node.token", object, reason, made)
            .await
    }

    async fn list_nodes(
        &self,
        request: Request<ListNodesRequest>,
    ) -> Result<Response<ListNodesResponse>, Status> {
        actor(&request)?;
        status::nodes(&self.ca).await.map(Response::new)
    }

    async fn create_peer_token(
        &self,
        request: Request<CreatePeerTokenRequest>,
    ) -> Result<Response<TokenResponse>, Status> {
        let actor = actor(&request)?;
        let asked = request.into_inner();
        let reason = reason(&asked.reason)?;
        let made = tokens::peer(&self.ca, &actor, &asked).await;
        self.audited(actor, "peer.token", "token/peer".to_owned(), reason, made)
            .await
    }

    async fn inspect_peer_token(
        &self,
        request: Request<InspectPeerTokenRequest>,
    ) -> Result<Response<InspectPeerTokenResponse>, Status> {
        actor(&request)?;
        peers::inspect(&self.ca, &request.into_inner()).map(Response::new)
    }

    async fn join_peer(
        &self,
        request: Request<JoinPeerRequest>,
    ) -> Result<Response<JoinPeerResponse>, Status> {
        let actor = actor(&request)?;
        let asked = request.into_inner();
        let reason = reason(&asked.reason)?;
        // What was done is audited with it.
        match peers::join(&self.ca, &actor, &asked).await {
            Ok(joined) => Ok(Response::new(joined)),
            Err(status) => {
                let object = "peer".to_owned();
                self.audited(actor, "peer.join", object, reason, Err(status))
                    .await
            }
        }
    }

    async fn remove_peer(
        &self,
        request: Request<RemovePeerRequest>,
    ) -> Result<Response<RemovePeerResponse>, Status> {
        let actor = actor(&request)?;
        let asked = request.into_inner();
        let reason = reason(&asked.reason)?;
        match peers::remove(&self.ca, &actor, &asked).await {
            Ok(removed) => Ok(Response::new(removed)),
            Err(status) => {
                let object = format!("peer/{}", asked.cluster);
                self.audited(actor, "peer.remove", object, reason, Err(status))
                    .await
            }
        }
    }

    async fn trust_status(
        &self,
        request: Request<TrustStatusRequest>,
    ) -> Result<Response<TrustStatusResponse>, Status> {
        actor(&request)?;
        status::trust(&self.ca).await.map(Response::new)
    }

    async fn list_audit(
        &self,
        request: Request<ListAuditRequest>,
    ) -> Result<Response<ListAuditResponse>, Status> {
        actor(&request)?;
        let limit = request.into_inner().limit;
        status::audit(&self.ca, limit).await.map(Response::new)
    }
}

fn actor<T>(request: &Request<T>) -> Result<Actor, Status> {
    let actor = request.extensions().get::<Actor>().cloned();
    actor.ok_or_else(|| {
        Status::unauthenticated("nobody is known to have asked: use the admin socket")
    })
}

fn reason(text: &str) -> Result<String, Status> {
    if text.len() > MAX_REASON {
        return Err(Status::invalid_argument(format!(
            "reason: {} bytes; at most {MAX_REASON} are kept",
            text.len()
        )));
    }
    Ok(text.to_owned())
}

fn outcome_of(status: &Status) -> Outcome {
    match status.code() {
        tonic::Code::Unavailable | tonic::Code::DeadlineExceeded | tonic::Code::Internal => {
            Outcome::Failed
        }
        _ => Outcome::Refused,
    }
}

const MAX_REASON: usize = 1024;
