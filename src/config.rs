//! A controller's configuration file, checked.
//!
//! Unknown fields are refused by the reader; what this landing does not serve
//! yet is refused here by its name, never ignored.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use pelago_model::{ClusterId, HostPort, IdError, Name, Namespace, TrustDomain};
use pelago_runtime::config::ConfigError;
use pelago_runtime::telemetry::LogOptions;
use serde::Deserialize;

/// A checked configuration of a controller.
#[derive(Debug, Clone)]
pub struct ControllerConfig {
    /// The cluster, fixed at first start.
    pub cluster: ClusterId,
    /// The default network of its workloads.
    pub network: Name,
    /// Its trust domain.
    pub trust_domain: TrustDomain,
    /// Where a policy without a selector speaks of the whole cluster.
    pub root_namespace: Namespace,
    /// Where state lives: the store and the keys.
    pub state: PathBuf,
    /// The watched folder of resources.
    pub mesh: PathBuf,
    /// Lifetimes.
    pub lifetimes: Lifetimes,
    /// How often a holder of a bundle should ask again.
    pub refresh_hint: Duration,
    /// Where peers find this cluster's gateways.
    pub advertise: Vec<HostPort>,
    /// Discovery and CA over TLS.
    pub control: SocketAddr,
    /// Metrics and health.
    pub metrics: SocketAddr,
    /// The admin API.
    pub admin_socket: PathBuf,
    /// How it logs.
    pub log: LogOptions,
}

/// Lifetimes of what the CA issues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// X.509-SVIDs of workloads and parts.
    pub svid: Duration,
    /// How long after issue they are renewed.
    pub renew_every: Duration,
}

impl ControllerConfig {
    /// Reads and checks the file at `path`.
    ///
    /// # Errors
    /// The file, the field, the value and what is allowed.
    pub fn read(path: &Path) -> Result<Self, ConfigFault> {
        let raw: Raw = pelago_runtime::config::read(path, "ControllerConfig")?;
        raw.check()
    }

    /// Where the store's file is.
    #[must_use]
    pub fn store_file(&self) -> PathBuf {
        self.state.join("store.redb")
    }

    /// Where the keys are.
    #[must_use]
    pub fn key_folder(&self) -> PathBuf {
        self.state.join("keys")
    }
}

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigFault {
    /// The file cannot be read as what it should be.
    #[error(transparent)]
    File(#[from] ConfigError),
    /// A field is served later.
    #[error("{field}: {value} is not served yet; allowed here: {allowed}")]
    NotServed {
        /// The field's path.
        field: &'static str,
        /// What it says.
        value: String,
        /// What it may say.
        allowed: &'static str,
    },
    /// A field is missing.
    #[error("{field} is missing: {needed}")]
    Missing {
        /// The field's path.
        field: &'static str,
        /// What it should say.
        needed: &'static str,
    },
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Raw {
    cluster: ClusterId,
    network: Option<Name>,
    trust_domain: TrustDomain,
    root_namespace: Option<Namespace>,
    state: Option<PathBuf>,
    store: Option<RawStore>,
    #[serde(default)]
    sources: Vec<RawSource>,
    #[serde(default)]
    ca: RawCa,
    #[serde(default)]
    advertise: Vec<HostPort>,
    #[serde(default)]
    listen: RawListen,
    admin_socket: Option<PathBuf>,
    #[serde(default)]
    log: LogOptions,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawStore {
    file: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawSource {
    files: PathBuf,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct RawCa {
    root: Option<String>,
    svid: RawSvid,
    refresh_hint: Option<Time>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct RawSvid {
    ttl: Option<Time>,
    renew_every: Option<Time>,
}

#[derive(Debug, Deserialize)]
struct Time(#[serde(with = "pelago_runtime::config::duration")] Duration);

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct RawListen {
    control: Option<SocketAddr>,
    metrics: Option<SocketAddr>,
}

impl Raw {
    fn check(self) -> Result<ControllerConfig, ConfigFault> {
        if let Some(root) = self.ca.root.filter(|root| root != "selfSigned") {
            return Err(ConfigFault::NotServed {
                field: "ca.root",
                value: root,
                allowed: "selfSigned",
            });
        }
        let state = self.store.map(|store| store.file).or(self.state).ok_or(
            ConfigFault::Missing {
                field: "store.file",
                needed: "the folder that holds this controller's state, such as /var/lib/pelago",
            },
        )?;
        let mesh = match self.sources.as_slice() {
            [one] => one.files.clone(),
            [] => {
                return Err(ConfigFault::Missing {
                    field: "sources",
                    needed: "[{files: FOLDER}], the mesh's resources",
                });
            }
            several => {
                return Err(ConfigFault::NotServed {
                    field: "sources",
                    value: format!("{} folders", several.len()),
                    allowed: "one {files: FOLDER}",
                });
            }
        };
        let lifetimes = self.ca.svid.lifetimes();
        Ok(ControllerConfig {
            network: match self.network {
                Some(network) => network,
                None => default("network", Name::parse("default"))?,
            },
            cluster: self.cluster,
            trust_domain: self.trust_domain,
            root_namespace: match self.root_namespace {
                Some(namespace) => namespace,
                None => default("rootNamespace", Namespace::parse("istio-system"))?,
            },
            admin_socket: self
                .admin_socket
                .unwrap_or_else(|| state.join("admin.sock")),
            state,
            mesh,
            lifetimes,
            refresh_hint: self.ca.refresh_hint.map_or(REFRESH_HINT, |Time(hint)| hint),
            advertise: self.advertise,
            control: self
                .listen
                .control
                .unwrap_or_else(|| SocketAddr::new(ANY, 15012)),
            metrics: self
                .listen
                .metrics
                .unwrap_or_else(|| SocketAddr::new(ANY, 15014)),
            log: self.log,
        })
    }
}

impl RawSvid {
    /// The CA checks the ranges; here only the defaults are filled in.
    fn lifetimes(self) -> Lifetimes {
        let svid = self.ttl.map_or(SVID_TTL, |Time(ttl)| ttl);
        let renew_every = self
            .renew_every
            .map_or_else(|| RENEW_EVERY.min(svid / 2), |Time(every)| every);
        Lifetimes { svid, renew_every }
    }
}

fn default<T>(field: &'static str, value: Result<T, IdError>) -> Result<T, ConfigFault> {
    value.map_err(|_| ConfigFault::Missing {
        field,
        needed: "a name",
    })
}

const ANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
const REFRESH_HINT: Duration = Duration::from_secs(60);
const SVID_TTL: Duration = Duration::from_secs(24 * 3600);
const RENEW_EVERY: Duration = Duration::from_secs(3600);
