//! The files as they are written, and what of them is not served yet.

use std::net::SocketAddr;
use std::path::PathBuf;

use pelago_model::{HostPort, Locality, Name};
use pelago_runtime::telemetry::LogOptions;
use serde::{Deserialize, Deserializer};

use super::fault::ConfigFault;
use super::listen::{GatewayListen, NodeListen};

/// `kind: NodeConfig`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RawNode {
    pub(super) name: Name,
    pub(super) network: Option<Name>,
    #[serde(default, deserialize_with = "locality")]
    pub(super) locality: Locality,
    pub(super) controller: HostPort,
    pub(super) token_file: Option<PathBuf>,
    pub(super) state: Option<PathBuf>,
    pub(super) socket: Option<PathBuf>,
    #[serde(default)]
    pub(super) listen: NodeListen,
    pub(super) workers: Option<usize>,
    #[serde(default)]
    pub(super) log: LogOptions,
    identity: Option<RawIdentity>,
    capture: Option<RawCapture>,
    inbound_plaintext: Option<String>,
    dns: Option<RawDns>,
    services: Option<PathBuf>,
    admin_socket: Option<PathBuf>,
}

/// `kind: GatewayConfig`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RawGateway {
    pub(super) name: Name,
    pub(super) network: Option<Name>,
    #[serde(default, deserialize_with = "locality")]
    pub(super) locality: Locality,
    pub(super) controller: HostPort,
    pub(super) token_file: Option<PathBuf>,
    pub(super) state: Option<PathBuf>,
    #[serde(default)]
    pub(super) advertise: Vec<HostPort>,
    #[serde(default)]
    pub(super) listen: GatewayListen,
    pub(super) workers: Option<usize>,
    #[serde(default)]
    pub(super) log: LogOptions,
    role: String,
    identity: Option<RawIdentity>,
    admin_socket: Option<PathBuf>,
}

/// What both kinds have, defaults not filled in.
#[derive(Debug)]
pub(super) struct RawCommon {
    pub(super) name: Name,
    pub(super) network: Option<Name>,
    pub(super) locality: Locality,
    pub(super) controller: HostPort,
    pub(super) token_file: Option<PathBuf>,
    pub(super) state: PathBuf,
    pub(super) workers: Option<usize>,
    pub(super) log: LogOptions,
    pub(super) metrics: Option<SocketAddr>,
    pub(super) health: Option<SocketAddr>,
}

/// `identity: pelago`, or `identity: {workloadApi: unix:///...}`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum RawIdentity {
    Word(String),
    Foreign(RawForeign),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawForeign {
    workload_api: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawCapture {
    mode: Option<String>,
    exclude: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawDns {
    capture: Option<bool>,
}

impl RawNode {
    /// # Errors
    /// The first field that a later release serves.
    pub(super) fn refuse_what_is_not_served(&self) -> Result<(), ConfigFault> {
        refuse_identity(self.identity.as_ref())?;
        match self.inbound_plaintext.as_deref() {
            None | Some("refuse") => {}
            Some("permit") => {
                return Err(ConfigFault::not_served(
                    "inboundPlaintext",
                    "permit",
                    "refuse",
                ));
            }
            Some(other) => {
                return Err(ConfigFault::misfit("inboundPlaintext", other, "refuse"));
            }
        }
        if self
            .dns
            .as_ref()
            .is_some_and(|dns| dns.capture == Some(true))
        {
            return Err(ConfigFault::not_served("dns.capture", "true", "false"));
        }
        if let Some(services) = &self.services {
            let folder = services.display().to_string();
            return Err(ConfigFault::not_served("services", &folder, NOTHING));
        }
        refuse_admin_socket(self.admin_socket.as_ref())?;
        refuse_addresses([
            ("listen.admin", self.listen.admin),
            ("listen.dns", self.listen.dns),
            ("listen.outbound", self.listen.outbound),
            ("listen.inbound", self.listen.inbound),
        ])
    }

    /// Whether the workloads' calls come in by SOCKS5.
    ///
    /// # Errors
    /// Another way of capture.
    pub(super) fn captures(&self) -> Result<bool, ConfigFault> {
        let Some(capture) = &self.capture else {
            return Ok(true);
        };
        let captures = match capture.mode.as_deref() {
            None | Some("socks") => true,
            Some("none") => false,
            Some("nftables") => {
                return Err(ConfigFault::not_served("capture.mode", "nftables", MODES));
            }
            Some(other) => return Err(ConfigFault::misfit("capture.mode", other, MODES)),
        };
        match capture.exclude {
            Some(_) => Err(ConfigFault::not_served("capture.exclude", "it", NOTHING)),
            None => Ok(captures),
        }
    }
}

impl RawGateway {
    /// # Errors
    /// The first field that a later release serves.
    pub(super) fn refuse_what_is_not_served(&self) -> Result<(), ConfigFault> {
        match self.role.as_str() {
            "east-west" => {}
            role @ ("ingress" | "egress" | "waypoint") => {
                return Err(ConfigFault::not_served("role", role, "east-west"));
            }
            other => return Err(ConfigFault::misfit("role", other, "east-west")),
        }
        refuse_identity(self.identity.as_ref())?;
        refuse_admin_socket(self.admin_socket.as_ref())?;
        refuse_addresses([
            ("listen.admin", self.listen.admin),
            ("listen.hbone", self.listen.hbone),
        ])
    }
}

fn refuse_identity(identity: Option<&RawIdentity>) -> Result<(), ConfigFault> {
    match identity {
        None => Ok(()),
        Some(RawIdentity::Word(word)) if word == "pelago" => Ok(()),
        Some(RawIdentity::Word(word)) => Err(ConfigFault::misfit("identity", word, "pelago")),
        Some(RawIdentity::Foreign(foreign)) => Err(ConfigFault::not_served(
            "identity.workloadApi",
            &foreign.workload_api,
            "identity: pelago",
        )),
    }
}

fn refuse_admin_socket(socket: Option<&PathBuf>) -> Result<(), ConfigFault> {
    socket.map_or(Ok(()), |socket| {
        let path = socket.display().to_string();
        Err(ConfigFault::not_served("adminSocket", &path, NOTHING))
    })
}

fn refuse_addresses<const N: usize>(
    fields: [(&'static str, Option<SocketAddr>); N],
) -> Result<(), ConfigFault> {
    for (field, at) in fields {
        if let Some(at) = at {
            return Err(ConfigFault::not_served(field, &at.to_string(), NOTHING));
        }
    }
    Ok(())
}

fn locality<'de, D: Deserializer<'de>>(from: D) -> Result<Locality, D::Error> {
    String::deserialize(from).map(|text| Locality::parse(&text))
}

const NOTHING: &str = "nothing, leave it out";
const MODES: &str = "socks, none";
