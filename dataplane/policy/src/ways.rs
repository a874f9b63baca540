//! The ways to a destination's endpoints, each with its rank: directly inside
//! our network, through a gateway into another.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use pelago_model::service::Spread;
use pelago_model::{Gateway, Health, Snapshot, Tunnel, Workload};

use crate::balance::{Rank, Tier};
use crate::facts::{Destination, Outbound};
use crate::meant::Meant;
use crate::trace::{Step, Trace};

/// An endpoint with a way to it.
pub(crate) struct Way<'a> {
    pub(crate) endpoint: Arc<Workload>,
    pub(crate) authority: Destination,
    /// Its tunnel addresses, when its network is ours.
    pub(crate) addresses: Vec<SocketAddr>,
    /// The gateways of its network, when it is not.
    pub(crate) gateways: Option<Gateways<'a>>,
}

/// Gateways by rank.
pub(crate) type Gateways<'a> = Vec<(Rank, u32, &'a Arc<Gateway>)>;

/// All ways, and what is missing.
#[derive(Default)]
pub(crate) struct Ways<'a> {
    pub(crate) open: Vec<(Rank, u32, Way<'a>)>,
    /// Whether the destination has endpoints at all.
    pub(crate) any: bool,
    /// Whether some have no known gateway.
    pub(crate) unentered: bool,
}

/// Every way that this request has not tried.
pub(crate) fn ways<'a>(
    snapshot: &'a Snapshot,
    outbound: &Outbound<'_>,
    meant: &Meant<'_>,
    failover: bool,
    trace: &mut impl Trace,
) -> Ways<'a> {
    let mut ways = Ways::default();
    let workloads: Vec<&'a Arc<Workload>> = match meant {
        Meant::Service(service, _) => snapshot.endpoints_of(&service.key).collect(),
        Meant::Workload(workload, _) => snapshot.workload(&workload.uid).into_iter().collect(),
    };
    for workload in workloads {
        let Some(authority) = meant.authority(workload) else {
            continue;
        };
        ways.any = true;
        let uid = &workload.uid;
        if failover && outbound.attempted.endpoints.contains(uid) {
            trace.step(Step::LeftOut { uid, why: "tried" });
            continue;
        }
        let direct = workload.network == outbound.home.network && !workload.addresses.is_empty();
        let gateways = (!direct).then(|| gateways(snapshot, outbound, workload, failover));
        if gateways.as_ref().is_some_and(Vec::is_empty) {
            ways.unentered = true;
            trace.step(Step::LeftOut {
                uid,
                why: "no gateway of its network is left",
            });
            continue;
        }
        let rank = rank(outbound, workload, meant.spread(), gateways.as_deref());
        trace.step(Step::Candidate {
            uid,
            rank: rank.to_string(),
        });
        let way = Way {
            endpoint: Arc::clone(workload),
            authority,
            addresses: if direct {
                tunnel_addresses(workload)
            } else {
                Vec::new()
            },
            gateways,
        };
        ways.open.push((rank, workload.weight, way));
    }
    ways
}

/// The gateways of the endpoint's network that its own cluster vouches for.
fn gateways<'a>(
    snapshot: &'a Snapshot,
    outbound: &Outbound<'_>,
    workload: &Workload,
    failover: bool,
) -> Gateways<'a> {
    let usable = snapshot.gateways_of(&workload.network).filter(|gateway| {
        let entered = !failover || !outbound.attempted.gateways.contains(&gateway.id);
        entered && (gateway.id.cluster == workload.cluster || workload.network.cluster().is_none())
    });
    let ranked = usable.map(|gateway| {
        let rank = Rank {
            standing: gateway.standing,
            health: Health::Healthy,
            failing: failover && outbound.observed.gateways_down.contains(&gateway.id),
            idle: false,
            tier: Tier::Near,
        };
        (rank, 1, gateway)
    });
    ranked.collect()
}

fn rank(
    outbound: &Outbound<'_>,
    workload: &Workload,
    spread: Spread,
    gateways: Option<&[(Rank, u32, &Arc<Gateway>)]>,
) -> Rank {
    let entrance = gateways.and_then(|gateways| gateways.iter().map(|(rank, ..)| rank).min());
    let observed = outbound.observed.ejected.contains(&workload.uid);
    Rank {
        standing: entrance.map_or(workload.standing, |entrance| {
            entrance.standing.max(workload.standing)
        }),
        health: workload.health,
        failing: observed || entrance.is_some_and(|entrance| entrance.failing),
        idle: workload.weight == 0,
        tier: Tier::of(outbound.home, spread, &workload.network, &workload.locality),
    }
}

/// The addresses at which a workload takes tunnels.
pub(crate) fn tunnel_addresses(workload: &Workload) -> Vec<SocketAddr> {
    let Tunnel::Hbone(port) = workload.tunnel;
    let addresses: &[IpAddr] = &workload.addresses;
    addresses
        .iter()
        .map(|ip| SocketAddr::new(*ip, port))
        .collect()
}
