//! A connection while it is open: relayed, cut when its leave is taken away,
//! told of in the end.

use pelago_model::Reason;
use pelago_net::Net;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use crate::registry::Open;
use crate::relay::{Meter, relay};
use crate::telemetry::Line;
use crate::worker::Worker;

/// An open connection and what is known of it.
pub(crate) struct Session {
    pub(crate) open: Open,
    pub(crate) line: Line,
    pub(crate) begun: Instant,
}

impl Session {
    /// Relays between the caller and the called until both are done, one
    /// breaks, or the leave ends; both are dropped then.
    pub(crate) async fn relay<N, A, B>(self, worker: &Worker<N>, mut caller: A, mut called: B)
    where
        N: Net,
        A: AsyncRead + AsyncWrite + Unpin,
        B: AsyncRead + AsyncWrite + Unpin,
    {
        let Self {
            mut open,
            line,
            begun,
        } = self;
        worker.telemetry.opened();
        // Only the drain's deadline drops this future: the line is told anyway.
        let mut told = Told {
            worker,
            meter: Meter::default(),
            line: Line {
                reason: Some(Reason::Draining),
                ..line
            },
            begun,
        };
        let cut = tokio::select! {
            relayed = relay(&mut caller, &mut called, &told.meter, &worker.buffers) => {
                if let Err(error) = relayed {
                    tracing::debug!(%error, "a connection broke");
                }
                None
            }
            reason = open.cut() => Some(reason),
        };
        told.line.reason = cut;
        drop((caller, called));
    }
}

struct Told<'a, N: Net> {
    worker: &'a Worker<N>,
    meter: Meter,
    line: Line,
    begun: Instant,
}

impl<N: Net> Drop for Told<'_, N> {
    fn drop(&mut self) {
        self.line.bytes_sent = self.meter.sent();
        self.line.bytes_received = self.meter.received();
        self.line.duration = self.begun.elapsed();
        self.worker.telemetry.closed(&self.line);
    }
}
