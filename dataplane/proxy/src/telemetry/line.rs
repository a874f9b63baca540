//! The log line of one connection, as JSON.
//!
//! Field names are stable; what is not known is `null` or empty. Nothing in it
//! is text of a peer except what JSON escapes.

use std::net::SocketAddr;
use std::time::Duration;

use pelago_model::{ClusterId, GatewayId, Reason, ServiceKey, SpiffeId, WorkloadUid};
use pelago_runtime::clock::UnixTime;
use serde::Serialize;

/// Which half of a connection is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Direction {
    /// One of our workloads calls.
    Outbound,
    /// One of our workloads is called.
    Inbound,
    /// Through our gateway.
    Gateway,
}

impl Direction {
    /// Istio's `reporter`.
    pub(crate) const fn reporter(self) -> &'static str {
        match self {
            Self::Outbound => "source",
            Self::Inbound => "destination",
            Self::Gateway => "gateway",
        }
    }
}

/// What there is to tell.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Line {
    pub(crate) direction: Direction,
    pub(crate) source_id: Option<SpiffeId>,
    pub(crate) source_cluster: Option<ClusterId>,
    pub(crate) destination_id: Option<SpiffeId>,
    pub(crate) service: Option<ServiceKey>,
    /// The destination as it was asked for.
    pub(crate) destination: String,
    pub(crate) port: u16,
    pub(crate) endpoint: Option<WorkloadUid>,
    /// The gateway it went through; told as `hops`.
    #[serde(skip)]
    pub(crate) gateway: Option<GatewayId>,
    pub(crate) peer_address: SocketAddr,
    #[serde(skip)]
    pub(crate) reason: Option<Reason>,
    /// The policy that refused it.
    pub(crate) policy: Option<String>,
    /// The opaque id the peer was told, or told us.
    pub(crate) refusal: String,
    pub(crate) attempts: u32,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
    #[serde(skip)]
    pub(crate) duration: Duration,
}

impl Line {
    /// The line of a connection of which nothing is known but its peer.
    pub(crate) const fn new(direction: Direction, peer_address: SocketAddr) -> Self {
        Self {
            direction,
            source_id: None,
            source_cluster: None,
            destination_id: None,
            service: None,
            destination: String::new(),
            port: 0,
            endpoint: None,
            gateway: None,
            peer_address,
            reason: None,
            policy: None,
            refusal: String::new(),
            attempts: 0,
            bytes_sent: 0,
            bytes_received: 0,
            duration: Duration::ZERO,
        }
    }

    /// `ok` or the reason's code.
    pub(crate) const fn code(&self) -> &'static str {
        match self.reason {
            Some(reason) => reason.as_str(),
            None => "ok",
        }
    }

    /// The line with its end.
    pub(crate) fn json(&self, now: UnixTime) -> Vec<u8> {
        let hops = self.gateway.as_ref().map(GatewayId::to_string);
        let inbound = self.direction == Direction::Inbound;
        let told = Told {
            timestamp: now,
            level: "INFO",
            target: "pelago::access",
            message: "connection",
            line: self,
            verified_source: self.source_id.as_ref().filter(|_| inbound),
            hops: hops.as_deref().unwrap_or("direct"),
            reason: self.code(),
            duration_ms: u64::try_from(self.duration.as_millis()).unwrap_or(u64::MAX),
        };
        // Every field is text, a number or null: nothing here can fail.
        let mut text = serde_json::to_vec(&told).unwrap_or_default();
        text.push(b'\n');
        text
    }
}

#[derive(Serialize)]
struct Told<'a> {
    timestamp: UnixTime,
    level: &'static str,
    target: &'static str,
    message: &'static str,
    #[serde(flatten)]
    line: &'a Line,
    #[serde(skip_serializing_if = "Option::is_none")]
    verified_source: Option<&'a SpiffeId>,
    hops: &'a str,
    reason: &'static str,
    duration_ms: u64,
}
