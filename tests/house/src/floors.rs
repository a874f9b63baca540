//! Floors: imports go strictly down.
//!
//! The table below is the floor plan of `docs/ARCHITECTURE.md`; a crate that
//! is not in it cannot be in the workspace. The root may import
//! `dataplane/node` although both are on the top floor. Dev-only crates stand
//! outside: they import what they like, and no product crate imports them.
//! Dev-dependencies do not count.

use crate::Finding;
use crate::workspace::{Crate, Workspace};

const RULE: &str = "floors";

/// A crate's place in the house.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The crate's name.
    pub name: &'static str,
    /// Its floor; 0 is the lowest.
    pub floor: u8,
    /// Whether it must work without runtime, sockets, files and clocks.
    pub pure: bool,
}

/// The one pair of crates on one floor of which the first imports the second.
const EXCEPTION: (&str, &str) = ("pelago", "pelago-dataplane-node");

/// Where `name` stands, or nothing when the plan does not know it.
#[must_use]
pub fn plan(name: &str) -> Option<Plan> {
    HOUSE.iter().copied().find(|plan| plan.name == name)
}

/// Whether `name` is a crate for development only, outside the house.
#[must_use]
pub fn is_dev_only(name: &str) -> bool {
    name == "xtask" || name.starts_with("tests-")
}

/// Finds unknown crates, imports that do not go down, and dev-only imports.
#[must_use]
pub fn check(workspace: &Workspace) -> Vec<Finding> {
    let product = workspace
        .crates
        .iter()
        .filter(|member| !is_dev_only(&member.name));
    product
        .flat_map(|member| match plan(&member.name) {
            Some(plan) => imports(member, plan),
            None => vec![Finding::new(
                RULE,
                &member.name,
                "is not in the floor plan; give it a floor in docs/ARCHITECTURE.md and in tests/house",
            )],
        })
        .collect()
}

fn imports(member: &Crate, importer: Plan) -> Vec<Finding> {
    let findings = member.dependencies.iter().filter_map(|imported| {
        let sentence = if is_dev_only(imported) {
            format!("depends on {imported}, which is for development only; product crates may use it as a dev-dependency at most")
        } else {
            let below = plan(imported)?;
            let allowed = below.floor < importer.floor || (importer.name, below.name) == EXCEPTION;
            if allowed {
                return None;
            }
            format!(
                "on floor {} imports {imported} on floor {}; imports go strictly down",
                importer.floor, below.floor
            )
        };
        Some(Finding::new(RULE, &member.name, sentence))
    });
    findings.collect()
}

const fn impure(floor: u8, name: &'static str) -> Plan {
    Plan {
        name,
        floor,
        pure: false,
    }
}

const fn pure(floor: u8, name: &'static str) -> Plan {
    Plan {
        name,
        floor,
        pure: true,
    }
}

const HOUSE: &[Plan] = &[
    impure(6, "pelago"),
    impure(6, "pelago-dataplane-node"),
    impure(5, "pelago-dataplane-proxy"),
    impure(4, "pelago-dataplane-hbone"),
    impure(4, "pelago-dataplane-http"),
    impure(4, "pelago-ca-server"),
    impure(4, "pelago-ca-agent"),
    impure(4, "pelago-federation-server"),
    impure(4, "pelago-dns"),
    impure(3, "pelago-xds"),
    impure(3, "pelago-identity"),
    impure(2, "pelago-wire"),
    impure(2, "pelago-envoy"),
    impure(2, "pelago-store"),
    impure(2, "pelago-kube"),
    pure(2, "pelago-ca-core"),
    pure(2, "pelago-federation-core"),
    pure(2, "pelago-dataplane-policy"),
    pure(1, "pelago-resources"),
    pure(1, "pelago-svid"),
    impure(1, "pelago-runtime"),
    pure(0, "pelago-model"),
    impure(0, "pelago-net"),
];
