//! Counters, gauges and histograms with typed labels and a bound.
//!
//! A thin door to `prometheus-client`, whose series never expire: a family that
//! reached its bound sends further label sets to one unlabelled overflow series
//! (`<name>_overflow`), so that a peer cannot grow it by inventing labels.

use std::fmt::{Debug, Write};
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::{counter, gauge, histogram};
use prometheus_client::registry::{Metric, Registry};

/// A count that only grows.
pub type Counter = counter::Counter;
/// A number that goes up and down.
pub type Gauge = gauge::Gauge;
/// A distribution, in seconds or bytes.
pub type Histogram = histogram::Histogram;

/// A set of labels; derive [`EncodeLabelSet`] and the rest follows.
pub trait Labels: Clone + Hash + Eq + Debug + EncodeLabelSet + Send + Sync + 'static {}
impl<T: Clone + Hash + Eq + Debug + EncodeLabelSet + Send + Sync + 'static> Labels for T {}

/// Counters by labels.
pub type CounterFamily<L> = Bounded<L, Counter, fn() -> Counter>;
/// Gauges by labels.
pub type GaugeFamily<L> = Bounded<L, Gauge, fn() -> Gauge>;
/// Histograms by labels.
pub type HistogramFamily<L> = Bounded<L, Histogram, Buckets>;

/// The registry of one process; clones share it.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
}

impl Metrics {
    /// An empty registry; every name is prefixed `pelago_`, except those of
    /// Istio's standard metrics (`istio_…`), which stay as the field knows them.
    #[must_use]
    pub fn new() -> Self {
        Self {
            registry: Arc::new(Mutex::new(Registry::default())),
        }
    }

    /// A counter without labels. The text form adds `_total` to its name.
    #[must_use]
    pub fn counter(&self, name: &str, help: &str) -> Counter {
        self.add(name, help, Counter::default())
    }

    /// A gauge without labels.
    #[must_use]
    pub fn gauge(&self, name: &str, help: &str) -> Gauge {
        self.add(name, help, Gauge::default())
    }

    /// A histogram without labels; `buckets` are upper bounds, rising.
    #[must_use]
    pub fn histogram(&self, name: &str, help: &str, buckets: &'static [f64]) -> Histogram {
        self.add(name, help, Buckets(buckets).new_metric())
    }

    /// Counters by labels, at most `bound` label sets.
    #[must_use]
    pub fn counters<L: Labels>(&self, name: &str, help: &str, bound: usize) -> CounterFamily<L> {
        self.family(name, help, bound, Counter::default)
    }

    /// Gauges by labels, at most `bound` label sets.
    #[must_use]
    pub fn gauges<L: Labels>(&self, name: &str, help: &str, bound: usize) -> GaugeFamily<L> {
        self.family(name, help, bound, Gauge::default)
    }

    /// Histograms by labels, at most `bound` label sets; `buckets` are upper
    /// bounds, rising.
    #[must_use]
    pub fn histograms<L: Labels>(
        &self,
        name: &str,
        help: &str,
        buckets: &'static [f64],
        bound: usize,
    ) -> HistogramFamily<L> {
        self.family(name, help, bound, Buckets(buckets))
    }

    /// Shows a metric that is made and counted elsewhere, so that whoever counts
    /// needs no registry. Names as above.
    pub fn adopt<M: Metric + Clone>(&self, name: &str, help: &str, metric: &M) {
        self.add(name, help, metric.clone());
    }

    /// Everything in the OpenMetrics text form.
    #[must_use]
    pub fn encode(&self) -> String {
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        if encode(&mut text, &registry).is_err() {
            // A String refuses nothing; only a broken encoder gets here.
            text.clear();
            let _ = writeln!(text, "# EOF");
        }
        text
    }

    fn family<L, M, C>(&self, name: &str, help: &str, bound: usize, make: C) -> Bounded<L, M, C>
    where
        L: Labels,
        M: Metric + Clone + prometheus_client::encoding::EncodeMetric,
        C: MetricConstructor<M> + Clone + Send + Sync + 'static,
        Family<L, M, C>: Metric,
    {
        let overflow = self.add(
            &format!("{name}_overflow"),
            &format!("what {name} could not tell apart: it has {bound} label sets"),
            make.new_metric(),
        );
        let family = self.add(name, help, Family::new_with_constructor(make));
        Bounded {
            family,
            overflow,
            made: Arc::default(),
            bound,
        }
    }

    fn add<M: Metric + Clone>(&self, name: &str, help: &str, metric: M) -> M {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let name = if name.starts_with("istio_") {
            name.to_owned()
        } else {
            format!("pelago_{name}")
        };
        registry.register(name, help.trim_end_matches('.'), metric.clone());
        metric
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// A family of metrics with a bound on its label sets; clones share it.
#[derive(Debug)]
pub struct Bounded<L, M, C> {
    family: Family<L, M, C>,
    overflow: M,
    made: Arc<Mutex<usize>>,
    bound: usize,
}

impl<L: Labels, M: Clone, C: MetricConstructor<M>> Bounded<L, M, C> {
    /// The metric of these labels, made on first use; the overflow metric once
    /// the bound is reached. Keep it where it is used often.
    #[must_use]
    pub fn with(&self, labels: &L) -> M {
        if let Some(metric) = self.family.get(labels) {
            return metric.clone();
        }
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(metric) = self.family.get(labels) {
            return metric.clone();
        }
        if *made >= self.bound {
            return self.overflow.clone();
        }
        *made += 1;
        self.family.get_or_create_owned(labels)
    }

    /// Forgets the series of these labels, making room for another.
    pub fn remove(&self, labels: &L) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if self.family.remove(labels) {
            *made -= 1;
        }
    }
}

impl<L, M: Clone, C: Clone> Clone for Bounded<L, M, C> {
    fn clone(&self) -> Self {
        Self {
            family: self.family.clone(),
            overflow: self.overflow.clone(),
            made: Arc::clone(&self.made),
            bound: self.bound,
        }
    }
}

/// The upper bounds of a histogram's buckets.
#[derive(Debug, Clone, Copy)]
pub struct Buckets(&'static [f64]);

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new(self.0.iter().copied())
    }
}
