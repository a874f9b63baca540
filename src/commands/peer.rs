//! `pelago peer token|join|list|remove`: two commands join two clusters.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use pelago_model::{ClusterId, ServicePattern};
use pelago_wire::admin::{
    CreatePeerTokenRequest, InspectPeerTokenRequest, JoinPeerRequest, ListPeersRequest, PeerInfo,
    RemovePeerRequest,
};
use serde::Serialize;

use super::node::Created;
use super::reach::{Change, Reach, duration, secret};
use crate::failure::Failure;
use crate::output::{self, Format};

/// Join clusters.
#[derive(Debug, Subcommand)]
pub enum PeerCommand {
    /// Print a single-use token that joins another cluster to this one.
    Token(Token),
    /// Join the cluster that printed a token.
    Join(Join),
    /// List peers and what passes.
    List(List),
    /// Part from a peer: its services, endpoints and trust go.
    Remove(Remove),
}

/// What `peer token` is told.
#[derive(Debug, Args)]
pub struct Token {
    /// A service of ours to show the peer: NAMESPACE/NAME or NAMESPACE/*.
    #[arg(long, value_name = "SERVICE")]
    export: Vec<ServicePattern>,
    /// A service that both clusters serve as one.
    #[arg(long, value_name = "SERVICE")]
    merge: Vec<ServicePattern>,
    /// How the clusters trust each other.
    #[arg(long, value_enum, default_value_t)]
    trust: Trust,
    /// How long the token can be redeemed.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = duration)]
    ttl: Duration,
    #[command(flatten)]
    change: Change,
}

/// How two clusters trust each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Trust {
    /// Each keeps a trust domain of its own.
    #[default]
    Federate,
    /// One trust domain for both (not served yet).
    Share,
}

/// What `peer join` is told.
#[derive(Debug, Args)]
pub struct Join {
    /// Where the token is: `-` for standard input, or a file.
    #[arg(value_name = "-|FILE")]
    token: String,
    /// A service of ours to show the peer, beyond what the token merges.
    #[arg(long, value_name = "SERVICE")]
    export: Vec<ServicePattern>,
    #[command(flatten)]
    change: Change,
}

/// What `peer list` is told.
#[derive(Debug, Args)]
pub struct List {}

/// What `peer remove` is told.
#[derive(Debug, Args)]
pub struct Remove {
    /// The peer's cluster.
    peer: ClusterId,
    #[command(flatten)]
    change: Change,
}

impl PeerCommand {
    /// Runs the verb.
    ///
    /// # Errors
    /// As the exit codes say.
    pub async fn run(self, reach: &Reach) -> Result<(), Failure> {
        match self {
            Self::Token(token) => token.run(reach).await,
            Self::Join(join) => join.run(reach).await,
            Self::List(list) => list.run(reach).await,
            Self::Remove(remove) => remove.run(reach).await,
        }
    }
}

impl Token {
    async fn run(self, reach: &Reach) -> Result<(), Failure> {
        if self.trust == Trust::Share {
            return Err(Failure::invalid(anyhow::anyhow!(
                "--trust share is not served yet: use federate, where each cluster keeps its own trust domain"
            )));
        }
        let (cluster, mut trust) = reach.trust().await?;
        let opens = opens(cluster.as_str(), &self.export, &self.merge);
        if self.change.dry_run {
            return output::print(reach.output, &opens, |_| opens.join("\n"));
        }
        eprintln!("Whoever redeems this token becomes a peer of cluster {cluster}:");
        self.change.confirm("Print the token?", &opens)?;
        let request = CreatePeerTokenRequest {
            export: texts(&self.export),
            merge: texts(&self.merge),
            trust: "federate".to_owned(),
            ttl_seconds: self.ttl.as_secs(),
            reason: self.change.reason,
        };
        let answer = trust.create_peer_token(request).await?.into_inner();
        let shown = Created {
            token: answer.token,
            expires: answer.expires,
        };
        output::print(reach.output, &shown, |_| shown.token.clone())
    }
}

impl Join {
    async fn run(self, reach: &Reach) -> Result<(), Failure> {
        let token = secret(&self.token)?;
        let (cluster, mut trust) = reach.trust().await?;
        let export = texts(&self.export);
        let inspect = InspectPeerTokenRequest {
            token: token.clone(),
            export: export.clone(),
        };
        let offer = trust.inspect_peer_token(inspect).await?.into_inner();
        eprintln!(
            "Cluster {cluster} joins cluster {} ({}):",
            offer.cluster, offer.controller
        );
        if self.change.dry_run {
            return output::print(reach.output, &offer.opens, |_| offer.opens.join("\n"));
        }
        self.change.confirm("Join?", &offer.opens)?;
        let request = JoinPeerRequest {
            token,
            export,
            reason: self.change.reason,
        };
        let joined = trust.join_peer(request).await?.into_inner();
        let shown = Joined {
            cluster: joined.cluster,
            trust_domain: joined.trust_domain,
            controller: joined.controller,
            opens: joined.opens,
        };
        output::print(reach.output, &shown, |_| {
            format!(
                "joined cluster {} of trust domain {}",
                shown.cluster, shown.trust_domain
            )
        })
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Joined {
    cluster: String,
    trust_domain: String,
    controller: String,
    opens: Vec<String>,
}

impl List {
    async fn run(self, reach: &Reach) -> Result<(), Failure> {
        let contexts = reach.contexts()?;
        let mut peers = Vec::new();
        for context in contexts.select(&reach.cluster)? {
            let answer = reach
                .mesh(context)
                .await?
                .list_peers(ListPeersRequest {})
                .await?
                .into_inner();
            peers.extend(
                answer
                    .peers
                    .into_iter()
                    .map(|peer| Row::new(context.cluster.as_str(), peer)),
            );
        }
        output::print(reach.output, &peers, |wide| table(&peers, wide))
    }
}

/// A peer as people and scripts read it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    cluster: String,
    peer: String,
    trust_domain: String,
    state: String,
    exports: Vec<String>,
    merges: Vec<String>,
    imported_services: u32,
    imported_endpoints: u32,
    last_error: String,
}

impl Row {
    pub(super) fn new(cluster: &str, peer: PeerInfo) -> Self {
        Self {
            cluster: cluster.to_owned(),
            peer: peer.cluster,
            trust_domain: peer.trust_domain,
            state: peer.state,
            exports: peer.exports,
            merges: peer.merges,
            imported_services: peer.imported_services,
            imported_endpoints: peer.imported_endpoints,
            last_error: peer.last_error,
        }
    }
}

fn table(peers: &[Row], wide: bool) -> String {
    if peers.is_empty() {
        return "no peers; join one: pelago --cluster A peer token | pelago --cluster B peer join -".to_owned();
    }
    let peers: Vec<_> = peers.iter().collect();
    if wide {
        all(&peers, true)
    } else {
        lines(&peers)
    }
}

/// The short form, without a heading of its own.
pub(super) fn lines(peers: &[&Row]) -> String {
    all(peers, false)
}

fn all(peers: &[&Row], wide: bool) -> String {
    let mut heading = vec!["cluster", "peer", "state", "exports", "merges", "imports"];
    if wide {
        heading.extend(["trust domain", "last error"]);
    }
    let list = |items: &[String]| {
        if items.is_empty() {
            "-".to_owned()
        } else {
            items.join(",")
        }
    };
    output::columns(
        &heading,
        peers.iter().map(|peer| {
            let mut row = vec![
                peer.cluster.clone(),
                peer.peer.clone(),
                peer.state.clone(),
                list(&peer.exports),
                list(&peer.merges),
                format!(
                    "{}, {}",
                    output::count(peer.imported_services as usize, "service"),
                    output::count(peer.imported_endpoints as usize, "endpoint")
                ),
            ];
            if wide {
                row.extend([peer.trust_domain.clone(), peer.last_error.clone()]);
            }
            row
        }),
    )
}

impl Remove {
    async fn run(self, reach: &Reach) -> Result<(), Failure> {
        let (cluster, mut trust) = reach.trust().await?;
        let closes = vec![format!(
            "{cluster} forgets the services, endpoints and roots of {}",
            self.peer
        )];
        if self.change.dry_run {
            return output::print(reach.output, &closes, |_| closes.join("\n"));
        }
        self.change
            .confirm(&format!("Part from {}?", self.peer), &closes)?;
        let request = RemovePeerRequest {
            cluster: self.peer.to_string(),
            reason: self.change.reason,
        };
        let gone = trust.remove_peer(request).await?.into_inner();
        match reach.output {
            Format::Table | Format::Wide => println!(
                "parted from {}; trust domain {} is no longer trusted",
                self.peer, gone.trust_domain
            ),
            format => output::print(format, &gone.trust_domain, |_| String::new())?,
        }
        Ok(())
    }
}

fn opens(cluster: &str, export: &[ServicePattern], merge: &[ServicePattern]) -> Vec<String> {
    let mut lines: Vec<_> = export
        .iter()
        .map(|pattern| format!("{cluster} shows it {pattern}"))
        .collect();
    lines.extend(
        merge
            .iter()
            .map(|pattern| format!("both serve {pattern} as one service")),
    );
    if lines.is_empty() {
        lines.push("nothing opens yet: no --export and no --merge".to_owned());
    }
    lines
}

fn texts(patterns: &[ServicePattern]) -> Vec<String> {
    patterns.iter().map(ToString::to_string).collect()
}
