//! The trace of a decision, for `pelago why`: the same code, told aloud.
//!
//! A sink takes [`Step`]s in the order in which they are considered. The data
//! path passes [`Silent`], which costs nothing.

use std::fmt;

use pelago_model::authz::Action;
use pelago_model::{GatewayId, PolicyKey, Reason, ServiceKey, WorkloadUid};

/// Takes the steps of a decision.
pub trait Trace {
    /// One step.
    fn step(&mut self, step: Step<'_>);
}

/// A step of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step<'a> {
    /// The destination names this service.
    Service(&'a ServiceKey),
    /// The destination names no service but this workload itself.
    Workload(&'a WorkloadUid),
    /// The caller is of another cluster or domain; is the service exported to it?
    Exported(bool),
    /// A policy speaks of the workload; does one of its rules match?
    Policy {
        /// Which.
        key: &'a PolicyKey,
        /// What a match means.
        action: Action,
        /// Whether it matched.
        matched: bool,
    },
    /// An endpoint was considered; lower ranks first, the lowest are drawn from.
    Candidate {
        /// Which.
        uid: &'a WorkloadUid,
        /// Why it stands where it stands.
        rank: String,
    },
    /// An endpoint was left out.
    LeftOut {
        /// Which.
        uid: &'a WorkloadUid,
        /// Why.
        why: &'static str,
    },
    /// This endpoint was drawn.
    Chosen(&'a WorkloadUid),
    /// Its network is entered by this gateway.
    Through(&'a GatewayId),
    /// The answer is no.
    Refused(Reason),
}

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(key) => write!(f, "service {key}"),
            Self::Workload(uid) => write!(f, "workload {uid}"),
            Self::Exported(true) => f.write_str("exported to the caller's cluster"),
            Self::Exported(false) => f.write_str("not exported to the caller's cluster"),
            Self::Policy {
                key,
                action,
                matched,
            } => {
                let action = match action {
                    Action::Allow => "ALLOW",
                    Action::Deny => "DENY",
                };
                let matched = if *matched {
                    "matches"
                } else {
                    "does not match"
                };
                write!(f, "policy {key} ({action}) {matched}")
            }
            Self::Candidate { uid, rank } => write!(f, "endpoint {uid}: {rank}"),
            Self::LeftOut { uid, why } => write!(f, "endpoint {uid} left out: {why}"),
            Self::Chosen(uid) => write!(f, "endpoint {uid} chosen"),
            Self::Through(id) => write!(f, "through gateway {id}"),
            Self::Refused(reason) => write!(f, "refused: {reason}"),
        }
    }
}

/// Records nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Trace for Silent {
    fn step(&mut self, _: Step<'_>) {}
}

/// Keeps the steps as lines of text, at most 1,000.
#[derive(Debug, Clone, Default)]
pub struct Steps {
    lines: Vec<String>,
}

impl Steps {
    /// The lines so far.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }
}

impl Trace for Steps {
    fn step(&mut self, step: Step<'_>) {
        if self.lines.len() < MAX_STEPS {
            self.lines.push(step.to_string());
        }
    }
}

const MAX_STEPS: usize = 1_000;
