//! A connection while it is open: relayed, cut when its leave is taken away,
//! told of in the end.
//!
//! However it ends, a side that was not told the other's end is reset: what is
//! broken off, by a failure, a policy or the drain's deadline, must not look
//! whole to who reads it.

use pelago_model::Reason;
use pelago_net::Net;
use tokio::time::Instant;

use crate::registry::Open;
use crate::relay::{Meter, relay};
use crate::side::Side;
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
    pub(crate) async fn relay<N: Net>(
        self,
        worker: &Worker<N>,
        caller: Side<N::Stream>,
        called: Side<N::Stream>,
    ) {
        let Self {
            mut open,
            line,
            begun,
        } = self;
        worker.telemetry.opened();
        // Only the drain's deadline drops this future: the line is told anyway.
        let mut joined = Joined {
            worker,
            caller,
            called,
            meter: Meter::default(),
            line: Line {
                reason: Some(Reason::Draining),
                ..line
            },
            begun,
        };
        let Joined {
            caller,
            called,
            meter,
            ..
        } = &mut joined;
        let cut = tokio::select! {
            relayed = relay(caller, called, meter, &worker.buffers) => {
                if let Err(error) = relayed {
                    tracing::debug!(%error, "a connection broke");
                }
                None
            }
            reason = open.cut() => Some(reason),
        };
        joined.line.reason = cut;
    }
}

struct Joined<'a, N: Net> {
    worker: &'a Worker<N>,
    caller: Side<N::Stream>,
    called: Side<N::Stream>,
    meter: Meter,
    line: Line,
    begun: Instant,
}

impl<N: Net> Drop for Joined<'_, N> {
    fn drop(&mut self) {
        if !self.meter.received_whole() {
            self.caller.break_off();
        }
        if !self.meter.sent_whole() {
            self.called.break_off();
        }
        self.line.bytes_sent = self.meter.sent();
        self.line.bytes_received = self.meter.received();
        self.line.duration = self.begun.elapsed();
        self.worker.telemetry.closed(&self.line);
    }
}
