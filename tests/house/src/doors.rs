//! Doors: an external dependency comes in through the crates named here.
//!
//! The list is the one of `docs/ARCHITECTURE.md`. A name that ends in `*`
//! stands for everything that begins so. rustls-pki-types and rustls-webpki
//! are data and verification, not doors. Dev-dependencies do not count.

use crate::Finding;
use crate::floors::{is_dev_only, plan};
use crate::workspace::Workspace;

const RULE: &str = "doors";

struct Door {
    dependencies: &'static [&'static str],
    keepers: &'static [&'static str],
    /// Crates on this floor and above may pass too.
    from_floor: Option<u8>,
}

/// Finds dependencies that came in through another crate than their door.
#[must_use]
pub fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for member in workspace
        .crates
        .iter()
        .filter(|member| !is_dev_only(&member.name))
    {
        for dependency in &member.dependencies {
            let door = DOORS.iter().find(|door| door.leads_to(dependency));
            if let Some(door) = door.filter(|door| !door.admits(&member.name)) {
                findings.push(Finding::new(
                    RULE,
                    &member.name,
                    format!("depends on {dependency}, whose door is {}", door.describe()),
                ));
            }
        }
    }
    findings
}

impl Door {
    fn leads_to(&self, dependency: &str) -> bool {
        self.dependencies
            .iter()
            .any(|name| match name.strip_suffix('*') {
                Some(beginning) => dependency.starts_with(beginning),
                None => dependency == *name,
            })
    }

    fn admits(&self, member: &str) -> bool {
        let high = self
            .from_floor
            .is_some_and(|from| plan(member).is_some_and(|plan| plan.floor >= from));
        high || self.keepers.contains(&member)
    }

    fn describe(&self) -> String {
        let keepers = self.keepers.join(", ");
        match self.from_floor {
            Some(floor) => format!("{keepers}, and floor {floor} and above"),
            None => keepers,
        }
    }
}

const fn door(dependencies: &'static [&'static str], keepers: &'static [&'static str]) -> Door {
    Door {
        dependencies,
        keepers,
        from_floor: None,
    }
}

const DOORS: &[Door] = &[
    door(&["kube", "kube-*"], &["pelago-kube"]),
    door(&["etcd-client", "redb"], &["pelago-store"]),
    door(&["rustls", "tokio-rustls"], &["pelago-identity"]),
    door(&["hickory-*"], &["pelago-dns", "pelago-net"]),
    door(
        &["prost", "prost-types", "prost-derive"],
        &["pelago-wire", "pelago-envoy"],
    ),
    Door {
        dependencies: &["tonic", "tonic-*"],
        keepers: &["pelago-wire", "pelago-store"],
        from_floor: Some(3),
    },
    door(&["rcgen"], &["pelago-ca-core", "pelago-identity"]),
    door(&["envoy-types"], &["pelago-envoy"]),
    door(&["pelago-envoy"], &["pelago-federation-server"]),
];
