//! What is told of each connection: one log line and Istio's TCP metrics.
//!
//! Lines go through a bounded channel to one writer; when it is full a line is
//! dropped and counted, never waited for. Whatever a peer wrote is escaped by
//! JSON. No payload and no secret is told.

mod line;

use pelago_model::{Reason, ServiceKey, SpiffeId};
use pelago_runtime::clock::Clock;
use pelago_runtime::telemetry::{Counter, CounterFamily, EncodeLabelSet, Gauge, Metrics};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;

pub(crate) use line::{Direction, Line};

/// Tells of connections. Clones tell to the same place.
#[derive(Clone)]
pub struct Telemetry {
    clock: Clock,
    lines: mpsc::Sender<Vec<u8>>,
    dropped: Counter,
    open: Gauge,
    cut: Counter,
    gateways_down: Gauge,
    families: Families,
}

#[derive(Clone)]
struct Families {
    opened: CounterFamily<Labels>,
    closed: CounterFamily<Labels>,
    sent: CounterFamily<Labels>,
    received: CounterFamily<Labels>,
}

/// The lines on their way to the writer.
#[derive(Debug)]
pub struct Lines(mpsc::Receiver<Vec<u8>>);

/// Istio's labels, those that layer 4 knows.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    reporter: &'static str,
    source_principal: String,
    destination_principal: String,
    destination_service: String,
    reason: &'static str,
}

impl Telemetry {
    /// Registers the metrics; the lines wait in [`Lines`] for [`Lines::write`].
    #[must_use]
    pub fn new(metrics: &Metrics, clock: Clock) -> (Self, Lines) {
        let (lines, waiting) = mpsc::channel(LINES);
        let family = |name, help| metrics.counters(name, help, SERIES);
        let families = Families {
            opened: family("istio_tcp_connections_opened", "Connections opened"),
            closed: family("istio_tcp_connections_closed", "Connections closed"),
            sent: family("istio_tcp_sent_bytes", "Bytes sent as the answer"),
            received: family("istio_tcp_received_bytes", "Bytes received as the request"),
        };
        let telemetry = Self {
            clock,
            lines,
            dropped: metrics.counter("access_lines_dropped", "Log lines that found no room"),
            open: metrics.gauge("connections_open", "Connections open now"),
            cut: metrics.counter("connections_revoked", "Connections a policy change ended"),
            gateways_down: metrics.gauge("gateways_down", "Gateways that do not answer"),
            families,
        };
        (telemetry, Lines(waiting))
    }

    /// A connection is open; call [`Self::closed`] in the end.
    pub(crate) fn opened(&self) {
        self.open.inc();
    }

    /// A connection that was open has ended.
    pub(crate) fn closed(&self, line: &Line) {
        self.open.dec();
        if line.reason == Some(Reason::Revoked) {
            self.cut.inc();
        }
        self.told(line);
    }

    /// Writes the line of a connection and counts it.
    pub(crate) fn told(&self, line: &Line) {
        let labels = labels(line);
        self.families.opened.with(&labels).inc();
        self.families.closed.with(&labels).inc();
        // Istio counts from the server's side: received is the request.
        self.families.received.with(&labels).inc_by(line.bytes_sent);
        self.families.sent.with(&labels).inc_by(line.bytes_received);
        let text = line.json(self.clock.now());
        if self.lines.try_send(text).is_err() {
            self.dropped.inc();
        }
    }

    /// A gateway stopped answering, or answers again.
    pub(crate) fn gateway(&self, down: bool) {
        if down {
            self.gateways_down.inc();
        } else {
            self.gateways_down.dec();
        }
    }
}

impl Lines {
    /// Writes line after line until every [`Telemetry`] is dropped.
    ///
    /// # Errors
    /// The writer's.
    pub async fn write<W: AsyncWrite + Unpin>(mut self, mut to: W) -> std::io::Result<()> {
        while let Some(mut text) = self.0.recv().await {
            // Many small lines become one write.
            while text.len() < BATCH {
                match self.0.try_recv() {
                    Ok(more) => text.extend_from_slice(&more),
                    Err(_) => break,
                }
            }
            to.write_all(&text).await?;
            to.flush().await?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Telemetry")
    }
}

fn labels(line: &Line) -> Labels {
    let principal = |id: Option<&SpiffeId>| id.map_or("unknown", SpiffeId::as_str).to_owned();
    let service = line.service.as_ref().map(ServiceKey::to_string);
    Labels {
        reporter: line.direction.reporter(),
        source_principal: principal(line.source_id.as_ref()),
        destination_principal: principal(line.destination_id.as_ref()),
        destination_service: service.unwrap_or_else(|| "unknown".to_owned()),
        reason: line.code(),
    }
}

/// Lines that may wait for the writer.
const LINES: usize = 4096;
/// Bytes gathered into one write.
const BATCH: usize = 16 * 1024;
/// Label sets per family; further ones are counted together.
const SERIES: usize = 2_000;

#[cfg(test)]
mod tests;
