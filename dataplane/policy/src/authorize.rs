//! Whether a verified caller may reach one of our workloads: first whether the
//! destination may be delivered to at all, then the audience rule, then DENY,
//! then ALLOW.
//!
//! The answer is a [`Permit`] that says where to deliver. [`explain`] asks the
//! same questions for a caller who is not there, and gives no permit.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use pelago_model::authz::Action;
use pelago_model::{
    PolicyKey, PortKey, Reason, Service, ServiceKey, Snapshot, Workload, WorkloadUid,
};
use pelago_svid::VerifiedPeer;

use crate::audience;
use crate::facts::{Caller, Destination, Home};
use crate::matching::{Answer, Call, ask};
use crate::resolve;
use crate::trace::{Silent, Step, Trace};

/// A call that arrived at one of our workloads.
#[derive(Debug, Clone, Copy)]
pub struct Inbound<'a> {
    /// Who we are.
    pub home: &'a Home,
    /// The caller, verified by the TLS that ended here.
    pub peer: &'a VerifiedPeer,
    /// The workload whose SVID that TLS showed.
    pub workload: &'a WorkloadUid,
    /// The workload's address the connection came in on.
    pub local: IpAddr,
    /// What the caller asks for.
    pub destination: &'a Destination,
}

/// Leave to deliver one call. Only [`authorize`] makes one.
#[derive(Debug, Clone)]
pub struct Permit {
    deliver: SocketAddr,
    workload: Arc<Workload>,
    service: Option<ServiceKey>,
    peer: VerifiedPeer,
}

impl Permit {
    /// Where to connect to.
    #[must_use]
    pub const fn deliver(&self) -> SocketAddr {
        self.deliver
    }

    /// The workload that is called.
    #[must_use]
    pub const fn workload(&self) -> &Arc<Workload> {
        &self.workload
    }

    /// The service that is called, unless the workload itself is.
    #[must_use]
    pub const fn service(&self) -> Option<&ServiceKey> {
        self.service.as_ref()
    }

    /// The caller, as it was verified.
    #[must_use]
    pub const fn peer(&self) -> &VerifiedPeer {
        &self.peer
    }

    /// Asks again on a later snapshot, for a connection that is open. What the
    /// service's endpoints are by now does not matter, what the caller may do
    /// does: a workload or export that is gone admits nobody.
    ///
    /// # Errors
    /// [`Denied`]: the connection is to be cut.
    pub fn renew(&self, snapshot: &Snapshot, home: &Home) -> Result<(), Denied> {
        let caller = Caller::from(&self.peer);
        let service = self.service.as_ref().and_then(|key| snapshot.service(key));
        if !audience::admits(home, caller, service.map(AsRef::as_ref)) {
            return Err(Denied::because(Reason::NotExported));
        }
        let workload = snapshot
            .workload(&self.workload.uid)
            .filter(|workload| workload.identity == self.workload.identity)
            .ok_or_else(|| Denied::because(Reason::UnknownDestination))?;
        let port = self.deliver.port();
        policies(snapshot, workload, Call { home, caller, port }, &mut Silent)
    }
}

/// Why a call was refused. The peer learns a status and an opaque id only.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("refused: {reason}")]
pub struct Denied {
    /// The stable code.
    pub reason: Reason,
    /// The policy that matched, for [`Reason::PolicyDenied`].
    pub policy: Option<PolicyKey>,
}

impl Denied {
    /// A refusal that no policy spoke.
    pub(crate) const fn because(reason: Reason) -> Self {
        Self {
            reason,
            policy: None,
        }
    }
}

/// Decides whether the call may be delivered, and where.
///
/// # Errors
/// [`Denied`] with the first reason met.
pub fn authorize(
    snapshot: &Snapshot,
    inbound: &Inbound<'_>,
    trace: &mut impl Trace,
) -> Result<Permit, Denied> {
    let Inbound {
        home,
        peer,
        workload,
        local,
        destination,
    } = *inbound;
    let target = Question {
        home,
        caller: Caller::from(peer),
        workload,
        local,
        destination,
    }
    .answer(snapshot, trace)
    .inspect_err(|denied| trace.step(Step::Refused(denied.reason)))?;
    Ok(Permit {
        deliver: SocketAddr::new(local, target.port),
        workload: Arc::clone(target.workload),
        service: target.service.map(|service| service.key.clone()),
        peer: peer.clone(),
    })
}

/// Whether that caller would be admitted, for `pelago why`.
///
/// # Errors
/// [`Denied`] with the first reason met.
pub fn explain(
    snapshot: &Snapshot,
    home: &Home,
    caller: Caller<'_>,
    workload: &WorkloadUid,
    destination: &Destination,
    trace: &mut impl Trace,
) -> Result<(), Denied> {
    let local = snapshot
        .workload(workload)
        .and_then(|workload| workload.addresses.first().copied())
        .ok_or_else(|| Denied::because(Reason::UnknownDestination))?;
    let question = Question {
        home,
        caller,
        workload,
        local,
        destination,
    };
    let answer = question.answer(snapshot, trace).map(|_| ());
    answer.inspect_err(|denied| trace.step(Step::Refused(denied.reason)))
}

/// The question itself, whoever the caller was made by.
#[derive(Clone, Copy)]
struct Question<'a> {
    home: &'a Home,
    caller: Caller<'a>,
    workload: &'a WorkloadUid,
    local: IpAddr,
    destination: &'a Destination,
}

/// What the destination means at the workload.
struct Target<'a> {
    workload: &'a Arc<Workload>,
    service: Option<&'a Service>,
    port: u16,
}

impl Question<'_> {
    fn answer<'a>(
        &self,
        snapshot: &'a Snapshot,
        trace: &mut impl Trace,
    ) -> Result<Target<'a>, Denied> {
        let target = self.target(snapshot).map_err(|reason| {
            // Strangers are not told what exists.
            if self.caller.is_of(self.home) {
                Denied::because(reason)
            } else {
                Denied::because(Reason::NotExported)
            }
        })?;
        match target.service {
            Some(service) => trace.step(Step::Service(&service.key)),
            None => trace.step(Step::Workload(&target.workload.uid)),
        }
        let admitted = audience::admits(self.home, self.caller, target.service);
        if !self.caller.is_of(self.home) {
            trace.step(Step::Exported(admitted));
        }
        if !admitted {
            return Err(Denied::because(Reason::NotExported));
        }
        if is_forbidden(self.home, self.local, target.port) {
            return Err(Denied::because(Reason::ForbiddenDestination));
        }
        let call = Call {
            home: self.home,
            caller: self.caller,
            port: target.port,
        };
        policies(snapshot, target.workload, call, trace)?;
        Ok(target)
    }

    fn target<'a>(&self, snapshot: &'a Snapshot) -> Result<Target<'a>, Reason> {
        let workload = snapshot
            .workload(self.workload)
            .filter(|workload| workload.addresses.contains(&self.local))
            .ok_or(Reason::UnknownDestination)?;
        match self.destination {
            Destination::Address(address) if address.ip() == self.local => Ok(Target {
                workload,
                service: None,
                port: address.port(),
            }),
            // An address that is not the one the connection came in on is
            // another's (H10): never dialled, not even looked up.
            Destination::Address(_) => Err(Reason::ForbiddenDestination),
            Destination::Service { host, port } => {
                let namespace = Some(workload.namespace.as_str());
                let mut services = resolve::services(snapshot, host, namespace);
                services.retain(|service| workload.endpoints.contains_key(&service.key));
                let service = resolve::with_port(&services, *port)?;
                let endpoint = workload.endpoints.get(&service.key);
                let port = endpoint
                    .and_then(|endpoint| endpoint.ports.get(&PortKey::tcp(*port)))
                    .ok_or(Reason::UnknownPort)?;
                Ok(Target {
                    workload,
                    service: Some(service),
                    port: *port,
                })
            }
        }
    }
}

fn policies(
    snapshot: &Snapshot,
    workload: &Workload,
    call: Call<'_>,
    trace: &mut impl Trace,
) -> Result<(), Denied> {
    if let Answer::Matched(policy) = ask(snapshot, workload, Action::Deny, call, trace) {
        return Err(Denied {
            reason: Reason::PolicyDenied,
            policy: Some(policy.key.clone()),
        });
    }
    match ask(snapshot, workload, Action::Allow, call, trace) {
        Answer::Silent | Answer::Matched(_) => Ok(()),
        Answer::Unmatched => Err(Denied::because(Reason::NotAllowed)),
    }
}

/// Ports of the mesh itself and of this process, and addresses that stand for
/// no single host, are never delivered to.
fn is_forbidden(home: &Home, ip: IpAddr, port: u16) -> bool {
    let ours = MESH_PORTS.contains(&port) || home.reserved_ports.contains(&port) || port == 0;
    let nobody = match ip {
        IpAddr::V4(ip) => {
            ip.is_link_local() || ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast()
        }
        IpAddr::V6(ip) => ip.is_unicast_link_local() || ip.is_unspecified() || ip.is_multicast(),
    };
    ours || nobody
}

/// Capture, HBONE, admin, agent and metrics ports, as Istio has them, and our
/// SOCKS5 port.
const MESH_PORTS: [u16; 9] = [
    15000, 15001, 15006, 15008, 15020, 15021, 15053, 15080, 15443,
];

#[cfg(test)]
mod tests;
