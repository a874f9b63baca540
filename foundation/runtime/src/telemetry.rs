//! What a process says about itself: log lines and metrics.
//!
//! [`init`] is called once, by `main`. Metrics hang on a [`Metrics`] registry
//! that is passed down, never on a global; each family has a bound on its label
//! sets, because a series, once made, stays. Neither may ever hold a secret.

mod log;
mod metrics;

pub use log::{LogFormat, LogOptions, LogOutput, TelemetryError, init};
pub use metrics::{Bounded, Buckets, Labels, Metrics};
pub use metrics::{Counter, CounterFamily, Gauge, GaugeFamily, Histogram, HistogramFamily};
/// Derive this (with `Clone, Debug, Hash, PartialEq, Eq`) on the labels of a family.
pub use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};

#[cfg(test)]
mod tests;
