//! One CONNECT that waits for its answer.
//!
//! What the peer sends before the answer stays in the stream's window and is
//! read by no one: a peer that did not wait is reset instead of accepted, so
//! that bytes meant for whoever answers never reach the target as if they came
//! after (RFC 9110 section 9.3.6). The target is parsed, not judged.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use pelago_model::WorkloadUid;
use pelago_wire::hbone::{BAGGAGE, ENDPOINT, REFUSAL, Target, parse_endpoint};
use pelago_wire::malformed::Malformed;

use super::allowance::Abandoned;
use crate::broken::io_error;
use crate::stream::HboneStream;

/// A CONNECT to be accepted or refused; dropped without either, it is reset.
#[derive(Debug)]
pub struct Incoming {
    /// What is asked for, or what is wrong with it (an `x-pelago-endpoint`
    /// that is none included): log it and refuse with 400.
    pub target: Result<Target, Malformed>,
    /// The endpoint a gateway is asked for.
    pub endpoint: Option<WorkloadUid>,
    /// Who is who, as the peer tells it: for telemetry only.
    pub baggage: Option<String>,
    waiting: Waiting,
}

/// The answer could not be given.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The peer took its request back, or the tunnel has ended.
    #[error("the peer went away before the answer; nothing is left to do")]
    Gone {
        /// How.
        source: io::Error,
    },
    /// Bytes came before there was anyone to send them to.
    #[error("the peer sent bytes before the answer; the request was reset")]
    Early,
}

impl Incoming {
    pub(super) fn new(
        request: http::Request<RecvStream>,
        respond: SendResponse<Bytes>,
        abandoned: Abandoned,
    ) -> Self {
        let (head, receive) = request.into_parts();
        let (endpoint, wrong) = match endpoint(&head.headers) {
            Ok(endpoint) => (endpoint, None),
            Err(malformed) => (None, Some(malformed)),
        };
        let target = match (head.uri.authority(), wrong) {
            (_, Some(malformed)) => Err(malformed),
            (Some(authority), None) => Target::parse(authority.as_str()),
            (None, None) => Err(Malformed::absent(CONNECT, "authority")),
        };
        Self {
            target,
            endpoint,
            baggage: baggage(&head.headers),
            waiting: Waiting {
                respond,
                receive: Some(receive),
                abandoned,
                answered: false,
            },
        }
    }

    /// Resolves when the peer took its request back or the tunnel ended: what
    /// is being done for it can stop.
    pub async fn gone(&mut self) {
        // Both outcomes say the same: nobody waits for an answer.
        let _ = poll_fn(|cx| self.waiting.respond.poll_reset(cx)).await;
    }

    /// Answers 200; call it when the target is connected. `endpoint` tells
    /// which one a gateway chose.
    ///
    /// # Errors
    /// [`AnswerError`].
    pub fn accept(mut self, endpoint: Option<&WorkloadUid>) -> Result<HboneStream, AnswerError> {
        self.waiting.listen()?;
        let mut answer = Response::new(());
        if let Some(value) = endpoint.and_then(|it| HeaderValue::try_from(it.to_string()).ok()) {
            let name = HeaderName::from_static(ENDPOINT);
            answer.headers_mut().insert(name, value);
        }
        let gone = |source| AnswerError::Gone { source };
        let send = self.waiting.answer(answer, false).map_err(gone)?;
        let receive = self.waiting.receive.take();
        let receive = receive.ok_or_else(|| gone(io::ErrorKind::NotConnected.into()))?;
        Ok(HboneStream::new(send, receive, None))
    }

    /// Answers no: `status` 400 to 599 (anything else becomes 503), with the
    /// opaque id of the log line. The reason is not told.
    pub fn refuse(mut self, status: u16, refusal: &str) {
        let mut answer = Response::new(());
        *answer.status_mut() = StatusCode::from_u16(status)
            .ok()
            .filter(|status| status.is_client_error() || status.is_server_error())
            .unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        if let Ok(value) = HeaderValue::from_str(refusal) {
            let name = HeaderName::from_static(REFUSAL);
            answer.headers_mut().insert(name, value);
        }
        // A peer that has gone does not miss it.
        let _ = self.waiting.answer(answer, true);
    }
}

/// The half that owes an answer.
#[derive(Debug)]
struct Waiting {
    respond: SendResponse<Bytes>,
    receive: Option<RecvStream>,
    abandoned: Abandoned,
    answered: bool,
}

impl Waiting {
    /// That the peer has waited: nothing has come yet but perhaps its end.
    fn listen(&mut self) -> Result<(), AnswerError> {
        let gone = |source| AnswerError::Gone { source };
        let Some(receive) = &mut self.receive else {
            return Err(gone(io::ErrorKind::NotConnected.into()));
        };
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            match receive.poll_data(&mut cx) {
                Poll::Pending | Poll::Ready(None) => return Ok(()),
                Poll::Ready(Some(Ok(data))) if data.is_empty() => {}
                Poll::Ready(Some(Ok(_))) => {
                    self.respond.send_reset(Reason::PROTOCOL_ERROR);
                    // It made us dial for nothing, as one who takes it back.
                    self.abandoned.add();
                    self.answered = true;
                    return Err(AnswerError::Early);
                }
                Poll::Ready(Some(Err(error))) => return Err(gone(io_error(error))),
            }
        }
    }

    fn answer(&mut self, answer: Response<()>, end: bool) -> io::Result<h2::SendStream<Bytes>> {
        let sent = self.respond.send_response(answer, end).map_err(io_error)?;
        self.answered = true;
        Ok(sent)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        if !self.answered && matches!(self.respond.poll_reset(&mut cx), Poll::Ready(_)) {
            self.abandoned.add();
        }
    }
}

fn endpoint(headers: &HeaderMap) -> Result<Option<WorkloadUid>, Malformed> {
    let mut values = headers.get_all(ENDPOINT).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Malformed::new(CONNECT, ENDPOINT, "…", "at most one"));
    }
    parse_endpoint(value.as_bytes()).map(Some)
}

fn baggage(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(BAGGAGE)?.to_str().ok()?;
    (text.len() <= MAX_BAGGAGE).then(|| text.to_owned())
}

const CONNECT: &str = "CONNECT";
/// W3C Baggage section 3.3.2 asks for at least this much.
const MAX_BAGGAGE: usize = 8192;
