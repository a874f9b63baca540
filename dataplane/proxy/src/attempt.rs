//! One attempt along one route: dial, tunnel, tunnel in tunnel, 200.
//!
//! A tunnel that was there before may have died unnoticed; then the same hop
//! is dialled once anew, since not a byte was sent. Everything together ends
//! within [`ATTEMPT`], and whoever was being waited for is blamed.

use std::sync::Arc;

use pelago_dataplane_hbone::client::{OpenError, Opened, Request, Tunnel};
use pelago_dataplane_hbone::stream::HboneStream;
use pelago_dataplane_policy::{Destination, Hop, Route};
use pelago_model::{GatewayId, Reason, SpiffeId, WorkloadUid};
use pelago_net::Net;
use pelago_wire::hbone::Target;
use tokio::time::timeout;

use crate::dial::{self, Driver};
use crate::failure::{Blame, Failure};
use crate::probe;
use crate::settings::ATTEMPT;
use crate::tunnels::{Dialled, Got, Key, Via};
use crate::worker::Worker;

/// An open way to an endpoint.
pub(crate) struct Way {
    pub(crate) stream: HboneStream,
    /// The route it took: the gateway may have chosen another endpoint.
    pub(crate) route: Route,
}

/// Opens a tunnel along the route as `source`.
pub(crate) async fn attempt<N: Net>(
    worker: &Arc<Worker<N>>,
    source: &SpiffeId,
    route: &Route,
) -> Result<Way, Failure> {
    let mut waiting = match route.gateway() {
        Some(_) => Blame::Gateway { down: true },
        None => Blame::Endpoint,
    };
    let going = Attempt {
        worker,
        source,
        route,
        waiting: &mut waiting,
    };
    match timeout(ATTEMPT, going.open()).await {
        Ok(result) => result,
        Err(_) => Err(Failure::new(Reason::ConnectTimeout, waiting)),
    }
}

struct Attempt<'a, N> {
    worker: &'a Arc<Worker<N>>,
    source: &'a SpiffeId,
    route: &'a Route,
    /// Who is being waited for.
    waiting: &'a mut Blame,
}

impl<N: Net> Attempt<'_, N> {
    async fn open(mut self) -> Result<Way, Failure> {
        let [.., last] = self.route.hops() else {
            return Err(Failure::new(Reason::UnknownDestination, Blame::Us));
        };
        let route = self.route;
        let key = key(self.source, last);
        let mut again = true;
        loop {
            let got = match route.hops() {
                [gateway @ Hop::Gateway { id, .. }, _] => {
                    let tunnels = &self.worker.tunnels;
                    tunnels.get(&key, self.through(gateway, id, last)).await?
                }
                [_] => self.worker.tunnels.get(&key, self.direct(last)).await?,
                // No route has other hops yet.
                _ => return Err(Failure::new(Reason::UnknownDestination, Blame::Us)),
            };
            *self.waiting = Blame::Endpoint;
            let Got {
                tunnel,
                reused,
                elsewhere,
            } = got;
            match tunnel.connect(request(route, None)).await {
                Ok(Opened { stream, .. }) => {
                    let route = elsewhere.unwrap_or_else(|| route.clone());
                    return Ok(Way { stream, route });
                }
                Err(OpenError::Broken { .. }) if reused && again => {
                    again = false;
                }
                Err(error) => return Err(Failure::open(error, Blame::Endpoint)),
            }
        }
    }

    async fn direct(&mut self, last: &Hop) -> Result<Dialled, Failure> {
        let (tunnel, driver) = dial::hop(self.worker, self.source, last).await?;
        self.worker.scope.spawn("tunnel", driver);
        Ok(Dialled {
            tunnel,
            elsewhere: None,
        })
    }

    /// The inner tunnel, through the gateway's outer one.
    async fn through(
        &mut self,
        gateway: &Hop,
        id: &GatewayId,
        last: &Hop,
    ) -> Result<Dialled, Failure> {
        let asked = endpoint(last);
        let opened = self.outer(gateway, id, asked).await?;
        let other = opened.endpoint.filter(|uid| Some(uid) != asked);
        let elsewhere = match other {
            None => None,
            Some(uid) => {
                let found = self.route.ending_at(&self.worker.snapshot(), &uid);
                Some(found.ok_or(Failure::new(Reason::UnknownDestination, Blame::Endpoint))?)
            }
        };
        *self.waiting = Blame::Endpoint;
        let [.., last] = elsewhere.as_ref().unwrap_or(self.route).hops() else {
            return Err(Failure::new(Reason::UnknownDestination, Blame::Us));
        };
        let stream = opened.stream;
        let secured = dial::secure(self.worker, self.source, last, stream, Blame::Endpoint);
        let (tunnel, driver) = secured.await?;
        self.worker.scope.spawn("tunnel", driver);
        Ok(Dialled { tunnel, elsewhere })
    }

    /// A stream of an outer tunnel to the gateway.
    async fn outer(
        &mut self,
        gateway: &Hop,
        id: &GatewayId,
        asked: Option<&WorkloadUid>,
    ) -> Result<Opened, Failure> {
        let key = key(self.source, gateway);
        let mut again = true;
        loop {
            *self.waiting = Blame::Gateway { down: true };
            let dialling = async {
                let (tunnel, driver) = dial::hop(self.worker, self.source, gateway).await?;
                self.watch(id, &tunnel, driver);
                Ok(Dialled {
                    tunnel,
                    elsewhere: None,
                })
            };
            let Got { tunnel, reused, .. } = self.worker.tunnels.get(&key, dialling).await?;
            // From here on it may be the gateway that waits for the endpoint.
            *self.waiting = Blame::Gateway { down: false };
            match tunnel.connect(request(self.route, asked)).await {
                Ok(opened) => return Ok(opened),
                Err(OpenError::Broken { .. }) if reused && again => {
                    again = false;
                }
                Err(error) => {
                    let down = tunnel.is_closed();
                    return Err(Failure::open(error, Blame::Gateway { down }));
                }
            }
        }
    }

    fn watch(&self, id: &GatewayId, tunnel: &Tunnel, driver: Driver) {
        // Whoever answers is up, whatever was seen before.
        self.worker.gateway_up(id);
        let watching = probe::watch(
            Arc::clone(self.worker),
            self.source.clone(),
            id.clone(),
            tunnel.clone(),
            driver,
        );
        self.worker.scope.spawn("outer tunnel", watching);
    }
}

fn request(route: &Route, endpoint: Option<&WorkloadUid>) -> Request {
    let target = match route.authority().clone() {
        Destination::Service { host, port } => Target::Service { host, port },
        Destination::Address(address) => Target::Address(address),
    };
    let request = Request::to(target);
    match endpoint {
        Some(uid) => request.endpoint(uid.clone()),
        None => request,
    }
}

fn endpoint(hop: &Hop) -> Option<&WorkloadUid> {
    match hop {
        Hop::Endpoint { uid, .. } => Some(uid),
        Hop::Gateway { .. } => None,
    }
}

/// What a tunnel to that hop has in common with another.
fn key(source: &SpiffeId, hop: &Hop) -> Key {
    let expect = dial::expect(hop);
    Key {
        source: source.clone(),
        expected: expect.ids,
        issuer_cluster: expect.issuer_cluster,
        via: match hop {
            Hop::Gateway { id, .. } => Via::Gateway(id.clone()),
            Hop::Endpoint { uid, .. } => Via::Endpoint(uid.clone()),
        },
    }
}
