//! Closures: what must not be reachable, at any distance.
//!
//! A node holds no issuing code, and the product on Linux links one crypto
//! library. Normal dependencies only, as a build of the crate alone resolves them
//! for Linux on x86-64.

use crate::Finding;
use crate::workspace::Workspace;

const RULE: &str = "closures";

struct Ban {
    from: &'static str,
    never: &'static [&'static str],
    why: &'static str,
}

/// Finds banned crates and says by which way they are reached.
#[must_use]
pub fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for ban in BANS {
        for never in ban.never {
            if let Some(way) = workspace.way(ban.from, never) {
                let sentence = format!("reaches {never} ({}); {}", way.join(" -> "), ban.why);
                findings.push(Finding::new(RULE, ban.from, sentence));
            }
        }
    }
    findings
}

/// The crates whose closures the rule looks at.
#[must_use]
pub fn roots() -> Vec<&'static str> {
    BANS.iter().map(|ban| ban.from).collect()
}

const BANS: &[Ban] = &[
    Ban {
        from: "pelago-dataplane-node",
        never: &["pelago-ca-core", "pelago-ca-server"],
        why: "a node holds no issuing code",
    },
    Ban {
        from: "pelago",
        never: &["ring", "openssl", "openssl-sys", "native-tls"],
        why: "aws-lc-rs is the one crypto library",
    },
];
