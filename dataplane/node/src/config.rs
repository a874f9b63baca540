//! The configuration files of nodes and gateways, checked.
//!
//! Unknown fields are refused by the reader; what this landing does not serve yet is refused here
//! by its name, never ignored. Ports default to those of the design, section 11. It reads the one
//! file and nothing else.

mod fault;
mod listen;
mod raw;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use pelago_model::Name;
use pelago_runtime::telemetry::LogOptions;

pub use fault::ConfigFault;

use raw::{RawCommon, RawGateway, RawNode};

use crate::settings::{Part, Settings};

/// A checked `NodeConfig`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeConfig(Config);

/// A checked `GatewayConfig`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayConfig(Config);

/// What both kinds say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Config {
    /// What the process is told.
    pub(crate) settings: Settings,
    /// Where identity and last snapshot live.
    pub(crate) state: PathBuf,
    /// The token's file, needed at the first start.
    pub(crate) token_file: Option<PathBuf>,
    /// Worker threads; one per core if absent.
    pub(crate) workers: Option<NonZeroUsize>,
    /// How it logs.
    pub(crate) log: LogOptions,
}

impl NodeConfig {
    /// Reads and checks the file at `path`. Blocks.
    ///
    /// # Errors
    /// [`ConfigFault`] names file, field, value and what is allowed.
    pub fn read(path: &Path) -> Result<Self, ConfigFault> {
        let raw: RawNode = pelago_runtime::config::read(path, NODE)?;
        node(raw)
    }

    /// Checks `text`, calling it `file` in errors.
    ///
    /// # Errors
    /// As [`NodeConfig::read`].
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigFault> {
        let raw: RawNode = pelago_runtime::config::parse(file, NODE, text)?;
        node(raw)
    }

    /// What the process is told.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(crate) fn into_config(self) -> Config {
        self.0
    }
}

impl GatewayConfig {
    /// Reads and checks the file at `path`. Blocks.
    ///
    /// # Errors
    /// [`ConfigFault`] names file, field, value and what is allowed.
    pub fn read(path: &Path) -> Result<Self, ConfigFault> {
        let raw: RawGateway = pelago_runtime::config::read(path, GATEWAY)?;
        gateway(raw)
    }

    /// Checks `text`, calling it `file` in errors.
    ///
    /// # Errors
    /// As [`GatewayConfig::read`].
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigFault> {
        let raw: RawGateway = pelago_runtime::config::parse(file, GATEWAY, text)?;
        gateway(raw)
    }

    /// What the process is told.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(crate) fn into_config(self) -> Config {
        self.0
    }
}

fn node(raw: RawNode) -> Result<NodeConfig, ConfigFault> {
    raw.refuse_what_is_not_served()?;
    let captures = raw.captures()?;
    let listen = raw.listen;
    if let (false, Some(socks)) = (captures, listen.socks) {
        return Err(ConfigFault::misfit(
            "listen.socks",
            &socks.to_string(),
            "no address where capture.mode is none",
        ));
    }
    let part = Part::Node {
        hbone: listen.hbone.unwrap_or(any(15008)),
        socks: captures.then(|| listen.socks.unwrap_or(loopback(15080))),
        socket: raw.socket.unwrap_or_else(|| SOCKET.into()),
    };
    let common = RawCommon {
        name: raw.name,
        network: raw.network,
        locality: raw.locality,
        controller: raw.controller,
        token_file: raw.token_file,
        state: raw.state.unwrap_or_else(|| NODE_STATE.into()),
        workers: raw.workers,
        log: raw.log,
        metrics: listen.metrics,
        health: listen.health,
    };
    check(common, part).map(NodeConfig)
}

fn gateway(raw: RawGateway) -> Result<GatewayConfig, ConfigFault> {
    raw.refuse_what_is_not_served()?;
    if raw.advertise.is_empty() {
        return Err(ConfigFault::Missing {
            field: "advertise",
            needed: "[HOST:PORT, ...], where other clusters reach this gateway",
        });
    }
    let listen = raw.listen;
    let part = Part::Gateway {
        listen: listen.gateway.unwrap_or(any(15443)),
        advertise: raw.advertise,
    };
    let common = RawCommon {
        name: raw.name,
        network: raw.network,
        locality: raw.locality,
        controller: raw.controller,
        token_file: raw.token_file,
        state: raw.state.unwrap_or_else(|| GATEWAY_STATE.into()),
        workers: raw.workers,
        log: raw.log,
        metrics: listen.metrics,
        health: listen.health,
    };
    check(common, part).map(GatewayConfig)
}

fn check(raw: RawCommon, part: Part) -> Result<Config, ConfigFault> {
    let network = match raw.network {
        Some(network) => network,
        None => Name::parse(NETWORK)
            .map_err(|error| ConfigFault::misfit("network", NETWORK, &error.to_string()))?,
    };
    let settings = Settings {
        name: raw.name,
        network,
        locality: raw.locality,
        controller: vec![raw.controller],
        part,
        metrics: raw.metrics.unwrap_or(any(15020)),
        health: raw.health.unwrap_or(any(15021)),
    };
    refuse_shared_addresses(&settings)?;
    Ok(Config {
        settings,
        state: raw.state,
        token_file: raw.token_file,
        workers: workers(raw.workers)?,
        log: raw.log,
    })
}

/// Two listeners of one process at the same address cannot both be meant.
fn refuse_shared_addresses(settings: &Settings) -> Result<(), ConfigFault> {
    let mut listeners = match &settings.part {
        Part::Node { hbone, socks, .. } => {
            vec![("listen.hbone", Some(*hbone)), ("listen.socks", *socks)]
        }
        Part::Gateway { listen, .. } => vec![("listen.gateway", Some(*listen))],
    };
    listeners.push(("listen.metrics", Some(settings.metrics)));
    listeners.push(("listen.health", Some(settings.health)));
    let mut taken: Vec<(&str, SocketAddr)> = Vec::new();
    for (field, at) in listeners {
        let Some(at) = at.filter(|at| at.port() != 0) else {
            continue;
        };
        if let Some((other, _)) = taken.iter().find(|(_, known)| *known == at) {
            let allowed = format!("an address of its own: {other} listens there");
            return Err(ConfigFault::misfit(field, &at.to_string(), &allowed));
        }
        taken.push((field, at));
    }
    Ok(())
}

fn workers(given: Option<usize>) -> Result<Option<NonZeroUsize>, ConfigFault> {
    let Some(given) = given else { return Ok(None) };
    NonZeroUsize::new(given)
        .filter(|count| count.get() <= MAX_WORKERS)
        .map(Some)
        .ok_or_else(|| ConfigFault::misfit("workers", &given.to_string(), "1 to 256"))
}

const fn any(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

const NODE: &str = "NodeConfig";
const GATEWAY: &str = "GatewayConfig";
const NETWORK: &str = "default";
const SOCKET: &str = "/run/pelago/agent.sock";
const NODE_STATE: &str = "/var/lib/pelago/node";
const GATEWAY_STATE: &str = "/var/lib/pelago/gateway";
const MAX_WORKERS: usize = 256;

#[cfg(test)]
mod tests;
