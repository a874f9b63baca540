//! One stream of the trust session, from Hello to its end.
//!
//! Every wait has an end: the first answer, each send, each request, and the stream itself by
//! the channel's keepalive. Ends with the error that ended it; the caller tries again.

use std::time::Duration;

use pelago_runtime::backoff::Backoff;
use pelago_wire::hello::{HelloError, negotiate, ours};
use pelago_wire::trust::{
    self, IssueRequest, IssueResponse, TrustRequest, TrustResponse, issue_response::Outcome,
    trust_client::TrustClient, trust_request::Message as Ask, trust_response::Message as Tell,
};
use pelago_wire::{MAX_MESSAGE, Malformed};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::apply::Keeper;
use super::plan::ANSWER_LIMIT;
use crate::channels::{Channels, Target};
use crate::csr::{CsrError, KeyRequest};
use crate::status::StatusError;

/// Why a trust session ended.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The controller refused the session or it broke.
    #[error("the controller was not reached or ended the session")]
    Status(#[source] StatusError),
    /// The controller closed the stream.
    #[error("the controller closed the session")]
    Closed,
    /// Something was not answered or taken in time.
    #[error("the controller did not answer within {seconds} s")]
    TimedOut {
        /// How long was waited.
        seconds: u64,
    },
    /// No common protocol.
    #[error("the controller speaks another protocol")]
    Hello(#[from] HelloError),
    /// A message that cannot be read.
    #[error("a message of the controller cannot be read")]
    Malformed(#[from] Malformed),
    /// No key could be made.
    #[error("no key for a request")]
    Key(#[from] CsrError),
}

impl SessionError {
    /// Whether the controller refused who we are, as far as this connection shows it.
    pub(crate) fn is_about_us(&self) -> bool {
        let Self::Status(status) = self else {
            return false;
        };
        matches!(
            status.code(),
            tonic::Code::Unauthenticated | tonic::Code::PermissionDenied
        )
    }
}

/// Runs one stream to its end.
pub(crate) async fn run(
    keeper: &mut Keeper,
    channels: &Channels,
    target: &Target,
    backoff: &mut Backoff,
) -> SessionError {
    match exchange(keeper, channels, target, backoff).await {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

async fn exchange(
    keeper: &mut Keeper,
    channels: &Channels,
    target: &Target,
    backoff: &mut Backoff,
) -> Result<std::convert::Infallible, SessionError> {
    let (ask, asks) = mpsc::channel(OUTBOX);
    send(&ask, Ask::Hello(ours(&[]))).await?;
    let mut client = TrustClient::new(channels.channel(target))
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE);
    let opened = in_time(client.session(ReceiverStream::new(asks))).await?;
    let mut tells = opened.map_err(status)?.into_inner();
    match in_time(tells.message()).await?.map_err(status)? {
        Some(TrustResponse {
            message: Some(Tell::Hello(hello)),
        }) => negotiate(Some(hello))?,
        _ => return Err(HelloError::Absent.into()),
    };
    loop {
        request_due(keeper, &ask).await?;
        let wait = keeper.plan.next().saturating_sub(keeper.now());
        let tick = Duration::from_secs(wait.clamp(1, LONGEST_SLEEP));
        tokio::select! {
            told = tells.message() => {
                let told = told.map_err(status)?.ok_or(SessionError::Closed)?;
                if let Some(told) = told.message {
                    take(keeper, &ask, told).await?;
                    if backoff.failures() > 0 {
                        tracing::info!(failures = backoff.failures(), "the trust session is back");
                    }
                    backoff.succeeded();
                }
            }
            () = at(keeper.write_at()) => keeper.write().await,
            () = tokio::time::sleep(tick) => {
                if keeper.plan.is_stalled(keeper.now()) {
                    return Err(SessionError::TimedOut { seconds: ANSWER_LIMIT });
                }
            }
        }
    }
}

async fn at(when: Option<tokio::time::Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when).await,
        None => std::future::pending().await,
    }
}

async fn request_due(
    keeper: &mut Keeper,
    ask: &mpsc::Sender<TrustRequest>,
) -> Result<(), SessionError> {
    let now = keeper.now();
    while let Some(entry) = keeper.plan.due(now).map(str::to_owned) {
        let KeyRequest { csr, key } = KeyRequest::generate()?;
        if let Some(id) = keeper.plan.ask(&entry, key, now) {
            send(ask, Ask::Issue(IssueRequest { id, entry, csr })).await?;
        }
    }
    Ok(())
}

async fn take(
    keeper: &mut Keeper,
    ask: &mpsc::Sender<TrustRequest>,
    told: Tell,
) -> Result<(), SessionError> {
    match told {
        Tell::Hello(_) => {}
        Tell::Entries(entries) => keeper.entries(trust::decode_entries(entries)?),
        Tell::Bundles(bundles) => {
            let offered = pelago_wire::bundle::decode_all(bundles.bundles)?;
            for ack in keeper.bundles(offered).await {
                send(ask, Ask::Ack(ack)).await?;
            }
        }
        Tell::Issued(answer) => issued(keeper, answer).await?,
    }
    Ok(())
}

async fn issued(keeper: &mut Keeper, answer: IssueResponse) -> Result<(), SessionError> {
    let Some(asked) = keeper.plan.answered(answer.id) else {
        return Ok(());
    };
    let entry = asked.entry.clone();
    match answer.outcome {
        Some(Outcome::Certificate(certificate)) => {
            let issued = trust::decode_certificate(certificate)?;
            if let Err(error) = keeper.issued(asked, issued).await {
                let error: &dyn std::error::Error = &error;
                tracing::error!(entry, error, "an issued certificate is not used");
                let now = keeper.now();
                keeper.plan.refused(&entry, true, now);
            }
        }
        Some(Outcome::Refusal(refusal)) => {
            let now = keeper.now();
            let times = keeper.plan.refused(&entry, refusal.retry, now);
            tell_refusal(&entry, &refusal, times);
        }
        None => return Err(Malformed::absent("IssueResponse", "outcome").into()),
    }
    Ok(())
}

/// Not each time, and of what may pass by itself only once it lasts.
fn tell_refusal(entry: &str, refusal: &trust::Refusal, times: u32) {
    let (code, said) = (&refusal.code, &refusal.message);
    let lasts = !refusal.retry || times > PATIENCE;
    if lasts && times.is_power_of_two() {
        tracing::warn!(entry, code, said, times, "the CA refused to issue");
    } else {
        tracing::debug!(entry, code, said, times, "the CA refused to issue");
    }
}

async fn send(ask: &mpsc::Sender<TrustRequest>, message: Ask) -> Result<(), SessionError> {
    let message = TrustRequest {
        message: Some(message),
    };
    in_time(ask.send(message))
        .await?
        .map_err(|_| SessionError::Closed)
}

async fn in_time<T>(future: impl Future<Output = T>) -> Result<T, SessionError> {
    tokio::time::timeout(STEP_LIMIT, future)
        .await
        .map_err(|_| SessionError::TimedOut {
            seconds: STEP_LIMIT.as_secs(),
        })
}

fn status(status: tonic::Status) -> SessionError {
    SessionError::Status(status.into())
}

/// Refusals that say that retrying helps, before one is told of.
const PATIENCE: u32 = 3;
/// Messages that wait to be sent; when it is full, nothing more is read until the peer reads.
const OUTBOX: usize = 64;
/// For the first answer and for each send; covers several addresses that do not answer.
const STEP_LIMIT: Duration = Duration::from_secs(30);
/// Wall time may jump (suspend): look again at least this often, in seconds.
const LONGEST_SLEEP: u64 = 30;
