//! `pelago svid show`: the identities this process is given by its agent.

use std::path::{Path, PathBuf};

use clap::Args;
use hyper_util::rt::TokioIo;
use pelago_net::{Net as _, SystemNet};
use pelago_wire::workload_api::spiffe_workload_api_client::SpiffeWorkloadApiClient;
use pelago_wire::workload_api::{X509svidRequest, X509svidResponse};
use serde::Serialize;
use tonic::transport::{Endpoint, Uri};

use super::reach::{Reach, now};
use crate::failure::Failure;
use crate::output;

/// Identities of workloads.
#[derive(Debug, clap::Subcommand)]
pub enum SvidCommand {
    /// Show the X.509-SVIDs that the agent gives to this process.
    Show(Show),
}

/// What `svid show` is told.
#[derive(Debug, Args)]
pub struct Show {
    /// The Workload API: a socket's path, or unix:///PATH.
    #[arg(
        long,
        value_name = "SOCKET",
        env = "SPIFFE_ENDPOINT_SOCKET",
        default_value = "/run/pelago/agent.sock"
    )]
    socket: String,
}

impl SvidCommand {
    /// Runs the verb.
    ///
    /// # Errors
    /// Exit code 1 when the agent has no identity for us, 4 when nobody
    /// listens.
    pub async fn run(self, reach: &Reach) -> Result<(), Failure> {
        let Self::Show(Show { socket }) = self;
        let path = PathBuf::from(socket.strip_prefix("unix://").unwrap_or(&socket));
        let answer = fetch(&path).await?;
        let rows = answer
            .svids
            .iter()
            .map(Row::read)
            .collect::<Result<Vec<_>, _>>()?;
        output::print(reach.output, &rows, |_| {
            output::columns(
                &["spiffe id", "expires in", "certificates", "hint"],
                rows.iter().map(|row| {
                    vec![
                        row.spiffe_id.clone(),
                        output::until(row.expires, now()),
                        row.certificates.to_string(),
                        row.hint.clone(),
                    ]
                }),
            )
        })
    }
}

/// What the Workload API at `path` gives to this process now.
///
/// # Errors
/// Exit code 1 when the agent refuses, 4 when nobody listens.
pub async fn fetch(path: &Path) -> Result<X509svidResponse, Failure> {
    let socket = path.to_owned();
    let channel = Endpoint::from_static("http://workload.spiffe.io")
        .connect_with_connector(tower::service_fn(move |_: Uri| {
            let socket = socket.clone();
            async move { SystemNet::new().dial_unix(&socket).await.map(TokioIo::new) }
        }))
        .await
        .map_err(|error| {
            let cause = anyhow::Error::new(error);
            let cause = cause.root_cause();
            Failure::Unreachable(anyhow::anyhow!(
                "no agent answers at {}: {cause}",
                path.display()
            ))
        })?;
    let mut request = tonic::Request::new(X509svidRequest {});
    request.metadata_mut().insert(
        "workload.spiffe.io",
        tonic::metadata::MetadataValue::from_static("true"),
    );
    let mut stream = SpiffeWorkloadApiClient::new(channel)
        .fetch_x509svid(request)
        .await?
        .into_inner();
    stream.message().await?.ok_or_else(|| {
        Failure::Failed(anyhow::anyhow!(
            "the agent closed the stream without an answer"
        ))
    })
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    spiffe_id: String,
    /// Unix seconds.
    expires: u64,
    certificates: usize,
    hint: String,
}

impl Row {
    fn read(svid: &pelago_wire::workload_api::X509svid) -> Result<Self, Failure> {
        let held = pelago_identity::Svid::from_concatenated(&svid.x509_svid, &svid.x509_svid_key)
            .map_err(Failure::failed)?;
        Ok(Self {
            spiffe_id: svid.spiffe_id.clone(),
            expires: held.not_after(),
            certificates: held.chain_der().len(),
            hint: svid.hint.clone(),
        })
    }
}
