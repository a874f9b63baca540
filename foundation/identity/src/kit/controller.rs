//! A controller that signs with a minted CA and tells what the test sets.

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use futures_util::stream::{self, Stream};
use pelago_model::{Bundle, HostPort, RegistrationEntry};
use pelago_net::{BoxListener, ListenOptions, Listener as _, MemoryNet, Net as _};
use pelago_runtime::scope::Scope;
use pelago_wire::hello::ours;
use pelago_wire::trust::trust_server::{Trust, TrustServer};
use pelago_wire::trust::{
    self, BundleAck, Bundles, Certificate, EnrolRequest, EnrolResponse, IssueRequest,
    IssueResponse, JoinRequest, JoinResponse, Refusal, TrustRequest, TrustResponse,
    issue_response::Outcome, trust_request::Message as Ask, trust_response::Message as Tell,
};
use tests_suites::mint::{Authority, Spec};
use tokio::sync::watch;
use tonic::{Request, Response, Status, Streaming};

use super::{Domain, clock};
use crate::peer::ClientAuth;
use crate::serve::{PeerInfo, incoming};
use crate::state::{IdentityWriter, channel};

/// The secret it accepts.
pub(crate) const SECRET: [u8; 32] = [9; 32];

/// What it tells and what it was told. Clones share it.
#[derive(Clone)]
pub(crate) struct Controller {
    pub(crate) told: watch::Sender<Told>,
    pub(crate) heard: watch::Sender<Heard>,
    signer: Arc<Mutex<Authority>>,
    pub(crate) writer: Arc<IdentityWriter>,
    domain: String,
}

#[derive(Clone, Default)]
pub(crate) struct Told {
    pub(crate) entries: Vec<RegistrationEntry>,
    pub(crate) bundles: Vec<Bundle>,
    pub(crate) renew_after: u64,
    pub(crate) refuse: bool,
    /// Enrolments whose answer is lost.
    pub(crate) lose: usize,
    /// Raised to end every open session.
    pub(crate) generation: u64,
}

#[derive(Clone, Default)]
pub(crate) struct Heard {
    pub(crate) enrols: usize,
    pub(crate) csrs: Vec<Vec<u8>>,
    pub(crate) remotes: Vec<std::net::SocketAddr>,
    pub(crate) sessions: usize,
    pub(crate) issued: Vec<String>,
    pub(crate) acks: Vec<BundleAck>,
}

impl Controller {
    /// Listens on the first address of `net`; the address to dial.
    pub(crate) async fn start(domain: &Domain, net: &MemoryNet, scope: &Scope) -> (Self, HostPort) {
        let id = format!("pelago/controller/{}", domain.name);
        let (writer, identity) = channel(clock());
        writer.update(|state| {
            state.own = Some(domain.svid(&id));
            state.bundles.accept(Arc::new(domain.bundle(1))).unwrap();
        });
        let at = "10.0.0.1:15012".parse().unwrap();
        let listener = net.listen(at, ListenOptions::default()).await.unwrap();
        let address = HostPort::from(listener.local_addr());
        let prefix = format!("spiffe://{}.example", domain.name);
        let spec = Spec::intermediate(&domain.name, &[&prefix]);
        let controller = Self {
            told: watch::Sender::new(Told {
                bundles: vec![domain.bundle(1)],
                renew_after: 3600,
                ..Told::default()
            }),
            heard: watch::Sender::new(Heard::default()),
            signer: Arc::new(Mutex::new(domain.root.authority(&spec))),
            writer: Arc::new(writer),
            domain: domain.name.clone(),
        };
        let listener = BoxListener::new(listener);
        let served = incoming(listener, identity, domain.id(&id), ClientAuth::Optional);
        let server = tonic::transport::Server::builder()
            .add_service(TrustServer::new(controller.clone()))
            .serve_with_incoming(served);
        scope.spawn("controller", server);
        (controller, address)
    }

    /// Signs with another CA from now on.
    pub(crate) fn sign_with(&self, authority: Authority) {
        *self.signer.lock().unwrap() = authority;
    }

    pub(crate) async fn hears(&self, what: impl FnMut(&Heard) -> bool) -> Heard {
        let mut heard = self.heard.subscribe();
        let waiting = heard.wait_for(what);
        let limit = std::time::Duration::from_secs(7200);
        let heard = tokio::time::timeout(limit, waiting).await.unwrap();
        heard.unwrap().clone()
    }

    fn certificate(&self, id: &str, csr: &[u8]) -> Certificate {
        let signer = self.signer.lock().unwrap();
        Certificate {
            spiffe_id: id.to_owned(),
            chain: signer.leaf_for(&Spec::leaf(id), csr),
            renew_after_seconds: self.told.borrow().renew_after,
        }
    }

    fn issue(&self, own: &str, ask: &IssueRequest) -> IssueResponse {
        let told = self.told.borrow().clone();
        let entries = told.entries.iter();
        let entry = entries.map(|e| (e.id.as_str(), e.spiffe_id.as_str()));
        let found = entry.chain([("", own)]).find(|(id, _)| *id == ask.entry);
        let outcome = match found {
            Some((_, id)) if !told.refuse => Outcome::Certificate(self.certificate(id, &ask.csr)),
            _ => Outcome::Refusal(Refusal {
                code: "not_entitled".to_owned(),
                message: "not yours".to_owned(),
                retry: true,
            }),
        };
        self.heard.send_modify(|h| h.issued.push(ask.entry.clone()));
        IssueResponse {
            id: ask.id,
            entry: ask.entry.clone(),
            outcome: Some(outcome),
        }
    }
}

fn tell(message: Tell) -> TrustResponse {
    TrustResponse {
        message: Some(message),
    }
}

struct Open {
    controller: Controller,
    told: watch::Receiver<Told>,
    asks: Streaming<TrustRequest>,
    own: String,
    queue: Vec<TrustResponse>,
    generation: u64,
}

impl Open {
    async fn next(&mut self) -> Option<TrustResponse> {
        loop {
            if let Some(ready) = self.queue.pop() {
                return Some(ready);
            }
            tokio::select! {
                ask = self.asks.message() => match ask.ok()??.message? {
                    Ask::Hello(_) => self.state(),
                    Ask::Issue(ask) => {
                        let answer = self.controller.issue(&self.own, &ask);
                        self.queue.push(tell(Tell::Issued(answer)));
                    }
                    Ask::Ack(ack) => self.controller.heard.send_modify(|h| h.acks.push(ack)),
                },
                changed = self.told.changed() => {
                    changed.ok()?;
                    if self.told.borrow().generation != self.generation {
                        return None;
                    }
                    self.state();
                }
            }
        }
    }

    fn state(&mut self) {
        let told = self.told.borrow_and_update().clone();
        let bundles = told.bundles.iter().map(pelago_wire::bundle::encode);
        self.queue
            .push(tell(Tell::Entries(trust::encode_entries(&told.entries))));
        self.queue.push(tell(Tell::Bundles(Bundles {
            bundles: bundles.collect(),
        })));
    }
}

#[tonic::async_trait]
impl Trust for Controller {
    async fn join(&self, _: Request<JoinRequest>) -> Result<Response<JoinResponse>, Status> {
        Err(Status::unimplemented("join"))
    }

    async fn enrol(&self, ask: Request<EnrolRequest>) -> Result<Response<EnrolResponse>, Status> {
        let remote = ask.extensions().get::<PeerInfo>().unwrap().remote;
        self.heard.send_modify(|heard| {
            heard.enrols += 1;
            heard.remotes.push(remote);
        });
        let ask = ask.into_inner();
        if ask.secret != SECRET {
            return Err(Status::permission_denied("no such token"));
        }
        self.heard
            .send_modify(|heard| heard.csrs.push(ask.csr.clone()));
        if self.told.borrow().lose > 0 {
            self.told.send_modify(|told| told.lose -= 1);
            return Err(Status::unavailable("the answer is lost"));
        }
        let id = format!("spiffe://{0}.example/pelago/node/{0}/n1", self.domain);
        let told = self.told.borrow().clone();
        let bundles = told.bundles.iter().map(pelago_wire::bundle::encode);
        Ok(Response::new(EnrolResponse {
            hello: Some(ours(&[])),
            certificate: Some(self.certificate(&id, &ask.csr)),
            bundles: bundles.collect(),
        }))
    }

    type SessionStream = Pin<Box<dyn Stream<Item = Result<TrustResponse, Status>> + Send>>;

    async fn session(
        &self,
        request: Request<Streaming<TrustRequest>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let peer = request.extensions().get::<PeerInfo>().unwrap();
        let verified = peer.certificate.verified();
        let verified = verified.ok_or_else(|| Status::unauthenticated("who are you"))?;
        self.heard.send_modify(|heard| heard.sessions += 1);
        let told = self.told.subscribe();
        let generation = told.borrow().generation;
        let open = Open {
            controller: self.clone(),
            told,
            own: verified.id().to_string(),
            asks: request.into_inner(),
            queue: vec![tell(Tell::Hello(ours(&[])))],
            generation,
        };
        let stream = stream::unfold(open, |mut open| async {
            let told = open.next().await?;
            Some((Ok(told), open))
        });
        Ok(Response::new(Box::pin(stream)))
    }
}
