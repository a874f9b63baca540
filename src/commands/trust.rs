//! `pelago trust status`: authorities, bundles, and who holds which.

use clap::{Args, Subcommand};
use pelago_wire::admin::{TrustStatusRequest, TrustStatusResponse};
use serde::Serialize;

use super::reach::{Reach, now};
use crate::failure::Failure;
use crate::output;

/// Authorities and bundles.
#[derive(Debug, Subcommand)]
pub enum TrustCommand {
    /// Show authorities, bundles, and who holds which.
    Status(Status),
}

/// What `trust status` is told.
#[derive(Debug, Args)]
pub struct Status {}

impl TrustCommand {
    /// Runs the verb.
    ///
    /// # Errors
    /// As the exit codes say.
    pub async fn run(self, reach: &Reach) -> Result<(), Failure> {
        let Self::Status(Status {}) = self;
        let contexts = reach.contexts()?;
        let mut clusters = Vec::new();
        for context in contexts.select(&reach.cluster)? {
            let answer = reach
                .trust_of(context)
                .await?
                .trust_status(TrustStatusRequest {})
                .await?
                .into_inner();
            clusters.push(Cluster::from(answer));
        }
        output::print(reach.output, &clusters, |_| page(&clusters))
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Cluster {
    cluster: String,
    trust_domain: String,
    authorities: Vec<Authority>,
    bundles: Vec<Bundle>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Authority {
    id: String,
    kind: String,
    state: String,
    not_after: u64,
    pin: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    trust_domain: String,
    sequence: u64,
    authorities: u32,
    holders: Vec<Holder>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Holder {
    observer: String,
    sequence: u64,
    acknowledged: u64,
}

impl From<TrustStatusResponse> for Cluster {
    fn from(answer: TrustStatusResponse) -> Self {
        let authority = |authority: pelago_wire::admin::AuthorityInfo| Authority {
            id: authority.id,
            kind: authority.kind,
            state: authority.state,
            not_after: authority.not_after,
            pin: authority.pin,
        };
        let holder = |holder: pelago_wire::admin::Holder| Holder {
            observer: holder.observer,
            sequence: holder.sequence,
            acknowledged: holder.acknowledged,
        };
        let bundle = |bundle: pelago_wire::admin::BundleInfo| Bundle {
            trust_domain: bundle.trust_domain,
            sequence: bundle.sequence,
            authorities: bundle.authorities,
            holders: bundle.holders.into_iter().map(holder).collect(),
        };
        Self {
            cluster: answer.cluster,
            trust_domain: answer.trust_domain,
            authorities: answer.authorities.into_iter().map(authority).collect(),
            bundles: answer.bundles.into_iter().map(bundle).collect(),
        }
    }
}

fn page(clusters: &[Cluster]) -> String {
    let now = now();
    let authorities = clusters.iter().flat_map(|cluster| {
        cluster.authorities.iter().map(move |authority| {
            vec![
                cluster.cluster.clone(),
                authority.kind.clone(),
                authority.state.clone(),
                output::until(authority.not_after, now),
                authority.id.clone(),
            ]
        })
    });
    let bundles = clusters.iter().flat_map(|cluster| {
        cluster.bundles.iter().map(move |bundle| {
            let held = bundle
                .holders
                .iter()
                .filter(|holder| holder.sequence == bundle.sequence)
                .count();
            vec![
                cluster.cluster.clone(),
                bundle.trust_domain.clone(),
                bundle.sequence.to_string(),
                output::count(bundle.authorities as usize, "root"),
                format!("{held}/{} observers", bundle.holders.len()),
            ]
        })
    });
    [
        output::columns(
            &["cluster", "authority", "state", "expires in", "id"],
            authorities,
        ),
        output::columns(
            &["cluster", "bundle of", "sequence", "roots", "held by"],
            bundles,
        ),
    ]
    .join("\n\n")
}
