//! The `Peering` service: who may open a session.
//!
//! Only the exact controller of a known peer, verified on this connection and
//! issued by that peer's cluster. The session itself runs in the peer's task.

use std::sync::Arc;
use std::time::Duration;

use pelago_identity::PeerInfo;
use pelago_model::Peer;
use pelago_svid::VerifiedPeer;
use pelago_wire::peering::PeerMessage;
use pelago_wire::peering::peering_server::Peering;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::mirror::Rows;

use super::drive::QUEUE;

/// A session that a peer opened.
pub(crate) struct Accepted {
    /// Whom the connection proved.
    pub(crate) peer: Arc<Peer>,
    pub(crate) inbound: Streaming<PeerMessage>,
    pub(crate) outbound: mpsc::Sender<PeerMessage>,
}

/// Answers peers.
#[derive(Debug, Clone)]
pub(crate) struct PeeringService {
    peers: watch::Receiver<Rows<Peer>>,
    accepted: mpsc::Sender<Accepted>,
}

impl PeeringService {
    pub(crate) const fn new(
        peers: watch::Receiver<Rows<Peer>>,
        accepted: mpsc::Sender<Accepted>,
    ) -> Self {
        Self { peers, accepted }
    }

    /// The peer whose controller this is. Right after a join the peer may call
    /// before we have seen its record, so a moment is waited for it.
    async fn peer(&self, verified: &VerifiedPeer) -> Result<Arc<Peer>, Status> {
        let unknown =
            || Status::permission_denied("this is no controller of a peer of ours: join first");
        let find = |rows: &Rows<Peer>| {
            let known = rows.values().find(|peer| {
                peer.controller == *verified.id()
                    && verified.issuer_cluster() == Some(&peer.cluster)
                    && peer.trust_domain == *verified.id().trust_domain()
            });
            known.map(Arc::clone)
        };
        let mut peers = self.peers.clone();
        let found = timeout(JOINING, peers.wait_for(|rows| find(rows).is_some())).await;
        match found {
            Ok(Ok(rows)) => find(&rows).ok_or_else(unknown),
            _ => Err(unknown()),
        }
    }
}

#[tonic::async_trait]
impl Peering for PeeringService {
    type SessionStream =
        std::pin::Pin<Box<dyn tokio_stream::Stream<Item = Result<PeerMessage, Status>> + Send>>;

    async fn session(
        &self,
        request: Request<Streaming<PeerMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let verified = request
            .extensions()
            .get::<PeerInfo>()
            .and_then(|info| info.certificate.verified())
            .ok_or_else(|| Status::unauthenticated("a verified client certificate is needed"))?
            .clone();
        let peer = self.peer(&verified).await?;
        let (outbound, sent) = mpsc::channel(QUEUE);
        let session = Accepted {
            peer,
            inbound: request.into_inner(),
            outbound,
        };
        self.accepted
            .try_send(session)
            .map_err(|_| Status::unavailable("too many sessions are being opened: try again"))?;
        Ok(Response::new(Box::pin(ReceiverStream::new(sent).map(Ok))))
    }
}

/// How long a controller may be ahead of its own record.
const JOINING: Duration = Duration::from_secs(2);
