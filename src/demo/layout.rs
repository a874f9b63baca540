//! Who is who in the demo: clusters, processes, addresses and files.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use super::subnet::Subnet;
use crate::failure::Failure;

/// The demo's clusters.
pub(super) const CLUSTERS: [&str; 2] = ["east", "west"];

/// A workload of the demo, with a node of its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    /// Its cluster.
    pub(super) cluster: &'static str,
    /// Its name; its service's too.
    pub(super) name: &'static str,
    /// The last byte of its address.
    pub(super) host: u8,
    /// Whether a service leads to it.
    pub(super) serves: bool,
    /// Whether an ordinary program serves it where there is one.
    pub(super) ordinary: bool,
}

/// Every workload.
pub(super) const MEMBERS: [Member; 6] = [
    Member {
        cluster: "east",
        name: "frontend",
        host: 11,
        serves: false,
        ordinary: false,
    },
    Member {
        cluster: "east",
        name: "web",
        host: 12,
        serves: true,
        ordinary: true,
    },
    Member {
        cluster: "east",
        name: "api",
        host: 13,
        serves: true,
        ordinary: false,
    },
    Member {
        cluster: "west",
        name: "api",
        host: 111,
        serves: true,
        ordinary: false,
    },
    Member {
        cluster: "west",
        name: "orders",
        host: 112,
        serves: true,
        ordinary: true,
    },
    Member {
        cluster: "west",
        name: "vault",
        host: 113,
        serves: true,
        ordinary: false,
    },
];

/// The ports, the same everywhere.
pub(super) mod port {
    /// Discovery and CA.
    pub(in crate::demo) const CONTROL: u16 = 15012;
    /// The controller's metrics and health.
    pub(in crate::demo) const CONTROLLER_METRICS: u16 = 15014;
    /// The gateway port.
    pub(in crate::demo) const GATEWAY: u16 = 15443;
    /// HBONE.
    pub(in crate::demo) const HBONE: u16 = 15008;
    /// SOCKS5.
    pub(in crate::demo) const SOCKS: u16 = 15080;
    /// Metrics of nodes and gateways.
    pub(in crate::demo) const METRICS: u16 = 15020;
    /// Health of nodes and gateways.
    pub(in crate::demo) const HEALTH: u16 = 15021;
    /// The workloads' own.
    pub(in crate::demo) const APP: u16 = 8080;
}

/// Where everything is.
#[derive(Debug)]
pub(super) struct Layout {
    /// The demo's folder.
    pub(super) dir: PathBuf,
    /// The folder of Unix sockets.
    pub(super) sockets: PathBuf,
    /// The addresses.
    pub(super) subnet: Subnet,
}

impl Layout {
    /// Makes the folders under `dir`; sockets go to `short` where paths under
    /// `dir` would be too long for the kernel.
    ///
    /// # Errors
    /// Exit code 1 when a folder cannot be made or no subnet is free.
    pub(super) fn make(
        dir: &Path,
        short: impl FnOnce() -> Result<PathBuf, Failure>,
    ) -> Result<Self, Failure> {
        let dir = dir.to_owned();
        for folder in ["logs", "www", "s"] {
            make(&dir.join(folder))?;
        }
        for cluster in CLUSTERS {
            make(&dir.join(cluster).join("mesh"))?;
        }
        let own = dir.join("s");
        let sockets = if own.as_os_str().len() + LONGEST_SOCKET > PATH_LIMIT {
            short()?
        } else {
            own
        };
        Ok(Self {
            dir,
            sockets,
            subnet: Subnet::take()?,
        })
    }

    /// The folder of a cluster.
    #[must_use]
    pub(super) fn cluster(&self, cluster: &str) -> PathBuf {
        self.dir.join(cluster)
    }

    /// The log of a process named `east/web`.
    #[must_use]
    pub(super) fn log(&self, name: &str) -> PathBuf {
        self.dir
            .join("logs")
            .join(format!("{}.log", name.replace('/', "-")))
    }

    /// The Unix socket of a process.
    #[must_use]
    pub(super) fn socket(&self, name: &str) -> PathBuf {
        self.sockets
            .join(format!("{}.sock", name.replace('/', "-")))
    }

    /// The contexts file for the CLI.
    #[must_use]
    pub(super) fn contexts(&self) -> PathBuf {
        self.dir.join("contexts.yaml")
    }

    /// The controller of a cluster.
    #[must_use]
    pub(super) fn controller(&self, cluster: &str) -> IpAddr {
        self.subnet.host(match cluster {
            "east" => 1,
            "west" => 101,
            _ => 201,
        })
    }

    /// The gateway of a cluster.
    #[must_use]
    pub(super) fn gateway(&self, cluster: &str) -> SocketAddr {
        let host = if cluster == "east" { 2 } else { 102 };
        SocketAddr::new(self.subnet.host(host), port::GATEWAY)
    }

    /// An address of a member.
    #[must_use]
    pub(super) const fn member(&self, member: &Member, port: u16) -> SocketAddr {
        SocketAddr::new(self.subnet.host(member.host), port)
    }
}

impl Member {
    /// `cluster/name`.
    #[must_use]
    pub(super) fn id(&self) -> String {
        format!("{}/{}", self.cluster, self.name)
    }

    /// Its SPIFFE ID.
    #[must_use]
    pub(super) fn spiffe_id(&self) -> String {
        format!("spiffe://{}.example/ns/shop/sa/{}", self.cluster, self.name)
    }
}

/// The member of that cluster and name.
///
/// # Errors
/// Exit code 1 when the demo has none.
pub(super) fn member(cluster: &str, name: &str) -> Result<&'static Member, Failure> {
    MEMBERS
        .iter()
        .find(|member| member.cluster == cluster && member.name == name)
        .ok_or_else(|| {
            Failure::Failed(anyhow::anyhow!("the demo has no workload {cluster}/{name}"))
        })
}

fn make(folder: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(|error| {
        Failure::Failed(
            anyhow::Error::new(error).context(format!("cannot make {}", folder.display())),
        )
    })
}

/// Past this a Unix socket's path is at risk (unix(7): 108 with its NUL).
const PATH_LIMIT: usize = 100;
const LONGEST_SOCKET: usize = "/east-controller.sock".len();
