//! `pelago node token|list`: let nodes and gateways in, and see them.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use pelago_model::Name;
use pelago_wire::admin::{CreateNodeTokenRequest, ListNodesRequest, NodeInfo};
use serde::Serialize;

use super::reach::{Reach, duration};
use crate::failure::Failure;
use crate::output;

/// Let nodes and gateways in.
#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// Print a single-use token that enrols one node or gateway.
    Token(Token),
    /// List enrolled nodes and gateways.
    List(List),
}

/// What `node token` is told.
#[derive(Debug, Args)]
pub struct Token {
    /// The name of the node or gateway.
    name: Name,
    /// What it will be.
    #[arg(long, value_enum, default_value_t)]
    role: Role,
    /// How long the token can be redeemed.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = duration)]
    ttl: Duration,
    /// Why, for the audit log.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

/// What a token enrols.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub enum Role {
    /// Agent and proxy beside workloads.
    #[default]
    Node,
    /// A gateway between networks.
    Gateway,
}

/// What `node list` is told.
#[derive(Debug, Args)]
pub struct List {}

impl NodeCommand {
    /// Runs the verb.
    ///
    /// # Errors
    /// As the exit codes say.
    pub async fn run(self, reach: &Reach) -> Result<(), Failure> {
        match self {
            Self::Token(token) => token.run(reach).await,
            Self::List(list) => list.run(reach).await,
        }
    }
}

impl Token {
    async fn run(self, reach: &Reach) -> Result<(), Failure> {
        let (cluster, mut trust) = reach.trust().await?;
        let role = match self.role {
            Role::Node => "node",
            Role::Gateway => "gateway",
        };
        let request = CreateNodeTokenRequest {
            name: self.name.to_string(),
            role: role.to_owned(),
            ttl_seconds: self.ttl.as_secs(),
            reason: self.reason,
        };
        let answer = trust.create_node_token(request).await?.into_inner();
        eprintln!(
            "A single-use token for {role} {} of cluster {cluster}, good for {} s:",
            self.name,
            self.ttl.as_secs()
        );
        let shown = Created {
            token: answer.token,
            expires: answer.expires,
        };
        output::print(reach.output, &shown, |_| shown.token.clone())
    }
}

/// A token as scripts read it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Created {
    pub(super) token: String,
    /// Unix seconds.
    pub(super) expires: u64,
}

impl List {
    async fn run(self, reach: &Reach) -> Result<(), Failure> {
        let contexts = reach.contexts()?;
        let mut nodes = Vec::new();
        for context in contexts.select(&reach.cluster)? {
            let mut trust = reach.trust_of(context).await?;
            let answer = trust.list_nodes(ListNodesRequest {}).await?.into_inner();
            nodes.extend(
                answer
                    .nodes
                    .into_iter()
                    .map(|node| Row::new(context.cluster.as_str(), node)),
            );
        }
        output::print(reach.output, &nodes, |wide| table(&nodes, wide))
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    cluster: String,
    name: String,
    kind: String,
    connected: bool,
    spiffe_id: String,
    workloads: Vec<String>,
    svid_expires: u64,
    enrolled: u64,
}

impl Row {
    fn new(cluster: &str, node: NodeInfo) -> Self {
        Self {
            cluster: cluster.to_owned(),
            name: node.name,
            kind: node.kind,
            connected: node.connected,
            spiffe_id: node.spiffe_id,
            workloads: node.workloads,
            svid_expires: node.svid_expires,
            enrolled: node.enrolled,
        }
    }
}

fn table(nodes: &[Row], wide: bool) -> String {
    let now = super::reach::now();
    let mut heading = vec!["cluster", "name", "kind", "connected", "svid", "workloads"];
    if wide {
        heading.push("spiffe id");
    }
    output::columns(
        &heading,
        nodes.iter().map(|node| {
            let mut row = vec![
                node.cluster.clone(),
                node.name.clone(),
                node.kind.clone(),
                if node.connected { "yes" } else { "no" }.to_owned(),
                output::until(node.svid_expires, now),
                if node.workloads.is_empty() {
                    "-".to_owned()
                } else {
                    node.workloads.join(",")
                },
            ];
            if wide {
                row.push(node.spiffe_id.clone());
            }
            row
        }),
    )
}
