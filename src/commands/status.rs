//! `pelago status`: is everything in step, and if not, what is not.

use clap::Args;
use pelago_wire::admin::{StatusRequest, StatusResponse};
use serde::Serialize;

use super::peer;
use super::reach::Reach;
use crate::failure::Failure;
use crate::output;

/// Show clusters, peers, proxies and what is wrong.
#[derive(Debug, Args)]
pub struct Status {}

impl Status {
    /// Asks every cluster asked for.
    ///
    /// # Errors
    /// Exit code 3 when something is wrong, 4 when a controller does not answer.
    pub async fn run(self, reach: &Reach) -> Result<(), Failure> {
        let contexts = reach.contexts()?;
        let mut clusters = Vec::new();
        let mut unreachable = None;
        for context in contexts.select(&reach.cluster)? {
            match ask(reach, context).await {
                Ok(answer) => clusters.push(Cluster::from(answer)),
                Err(failure) => {
                    eprintln!("cluster {}: {failure}", context.cluster);
                    unreachable = Some(failure);
                }
            }
        }
        if !clusters.is_empty() || !reach.output.is_table() {
            output::print(reach.output, &clusters, |_| page(&clusters))?;
        }
        if let Some(failure) = unreachable {
            return Err(failure);
        }
        let findings: usize = clusters.iter().map(|cluster| cluster.findings.len()).sum();
        if findings > 0 {
            return Err(Failure::Findings(anyhow::anyhow!(
                "{}",
                output::count(findings, "finding")
            )));
        }
        Ok(())
    }
}

async fn ask(reach: &Reach, context: &crate::contexts::Context) -> Result<StatusResponse, Failure> {
    Ok(reach
        .mesh(context)
        .await?
        .status(StatusRequest {})
        .await?
        .into_inner())
}
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Cluster {
    cluster: String,
    trust_domain: String,
    network: String,
    version: String,
    state_hash: String,
    services: u32,
    workloads: u32,
    gateways: u32,
    policies: u32,
    clients: Vec<Client>,
    peers: Vec<peer::Row>,
    findings: Vec<Finding>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Client {
    identity: String,
    synced: bool,
    last_error: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding {
    severity: String,
    source: String,
    object: String,
    field: String,
    message: String,
}

impl From<StatusResponse> for Cluster {
    fn from(answer: StatusResponse) -> Self {
        let client = |client: pelago_wire::admin::ClientInfo| Client {
            identity: client.identity,
            synced: client.synced,
            last_error: client.last_error,
        };
        let finding = |finding: pelago_wire::admin::Finding| Finding {
            severity: finding.severity,
            source: finding.source,
            object: finding.object,
            field: finding.field,
            message: finding.message,
        };
        Self {
            peers: answer
                .peers
                .into_iter()
                .map(|peer| peer::Row::new(&answer.cluster, peer))
                .collect(),
            cluster: answer.cluster,
            trust_domain: answer.trust_domain,
            network: answer.network,
            version: answer.version,
            state_hash: answer.state_hash,
            services: answer.services,
            workloads: answer.workloads,
            gateways: answer.gateways,
            policies: answer.policies,
            clients: answer.clients.into_iter().map(client).collect(),
            findings: answer.findings.into_iter().map(finding).collect(),
        }
    }
}

fn page(clusters: &[Cluster]) -> String {
    let heading = [
        "cluster",
        "trust domain",
        "network",
        "services",
        "workloads",
        "gateways",
        "policies",
        "proxies",
    ];
    let mut parts = vec![output::columns(&heading, clusters.iter().map(row))];
    let peers: Vec<_> = clusters.iter().flat_map(|cluster| &cluster.peers).collect();
    if !peers.is_empty() {
        parts.push(peer::lines(&peers));
    }
    let findings: Vec<_> = clusters
        .iter()
        .flat_map(|cluster| &cluster.findings)
        .collect();
    if !findings.is_empty() {
        parts.push(output::columns(
            &["severity", "object", "field", "message"],
            findings.iter().map(|finding| {
                vec![
                    finding.severity.clone(),
                    finding.object.clone(),
                    finding.field.clone(),
                    finding.message.clone(),
                ]
            }),
        ));
    }
    parts.join("\n\n")
}

fn row(cluster: &Cluster) -> Vec<String> {
    let synced = cluster
        .clients
        .iter()
        .filter(|client| client.synced)
        .count();
    vec![
        cluster.cluster.clone(),
        cluster.trust_domain.clone(),
        cluster.network.clone(),
        cluster.services.to_string(),
        cluster.workloads.to_string(),
        cluster.gateways.to_string(),
        cluster.policies.to_string(),
        format!("{synced}/{} in step", cluster.clients.len()),
    ]
}
