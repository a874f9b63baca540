use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::MakeWriter;

use super::*;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;
    fn make_writer(&self) -> Self {
        self.clone()
    }
}

fn logged(format: LogFormat, level: &str, say: impl FnOnce()) -> String {
    let lines = Lines::default();
    let options = LogOptions {
        format,
        level: level.to_owned(),
        ..LogOptions::default()
    };
    let subscriber = log::subscriber(&options, lines.clone()).unwrap();
    tracing::subscriber::with_default(subscriber, say);
    let bytes = lines.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn json_is_one_object_per_line() {
    let text = logged(LogFormat::Json, "info", || {
        tracing::info!(source = "spiffe://a/b", bytes = 7, "connection\nclosed");
        tracing::debug!("not at this level");
        tracing::error!("second");
    });
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["message"], "connection\nclosed");
    assert_eq!(lines[0]["source"], "spiffe://a/b");
    assert_eq!(lines[0]["bytes"], 7);
    assert_eq!(lines[0]["level"], "INFO");
    assert!(lines[0]["timestamp"].is_string());
}

#[test]
fn text_has_no_escape_codes_of_its_own_or_of_others() {
    let text = logged(LogFormat::Text, "info", || {
        tracing::info!(peer = "\u{1b}[31mred", "hello");
    });
    assert!(
        text.contains("hello") && !text.contains('\u{1b}'),
        "{text:?}"
    );
}

#[test]
fn a_level_that_is_none_is_refused() {
    for level in ["loud=5=6", "info,a=nonsense"] {
        let options = LogOptions {
            level: level.to_owned(),
            ..LogOptions::default()
        };
        let error = log::subscriber(&options, Lines::default())
            .err()
            .expect(level);
        assert!(error.to_string().contains(level), "{error}");
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct By {
    reason: String,
}

fn by(reason: &str) -> By {
    By {
        reason: reason.to_owned(),
    }
}

#[test]
fn metrics_encode_with_their_labels() {
    let metrics = Metrics::new();
    let opened = metrics.counters::<By>("connections", "connections by reason.", 10);
    opened.with(&by("permit")).inc_by(3);
    opened.with(&by("deny\"\n")).inc();
    metrics.gauge("streams", "open streams").set(4);
    metrics
        .histogram("dial_seconds", "time to dial", &[0.1, 1.0])
        .observe(0.5);
    let text = metrics.encode();
    for line in [
        "# HELP pelago_connections connections by reason.",
        "pelago_connections_total{reason=\"permit\"} 3",
        "pelago_connections_total{reason=\"deny\\\"\\n\"} 1",
        "pelago_streams 4",
        "pelago_dial_seconds_bucket{le=\"1.0\"} 1",
        "# EOF",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
}

#[test]
fn a_family_stops_growing_at_its_bound() {
    let metrics = Metrics::new();
    let opened = metrics.counters::<By>("connections", "by reason", 2);
    for n in 0..100 {
        opened.with(&by(&n.to_string())).inc();
    }
    opened.with(&by("0")).inc();
    let text = metrics.encode();
    assert_eq!(
        text.matches("pelago_connections_total{").count(),
        2,
        "{text}"
    );
    assert!(
        text.contains("pelago_connections_total{reason=\"0\"} 2"),
        "{text}"
    );
    assert!(
        text.contains("pelago_connections_overflow_total 98"),
        "{text}"
    );
    opened.remove(&by("0"));
    opened.remove(&by("never made"));
    opened.with(&by("new")).inc();
    assert!(metrics.encode().contains("{reason=\"new\"} 1"));
    opened.with(&by("one too many")).inc();
    assert!(!metrics.encode().contains("one too many"));
}

#[test]
fn what_is_counted_elsewhere_is_shown() {
    let (count, level) = (Counter::default(), Gauge::default());
    count.inc();
    let metrics = Metrics::new();
    metrics.adopt("ca_issued", "certificates signed.", &count);
    metrics.adopt("ca_sessions", "sessions", &level);
    count.inc();
    level.set(-3);
    let text = metrics.encode();
    assert!(
        text.contains("# HELP pelago_ca_issued certificates signed.\n"),
        "{text}"
    );
    assert!(text.contains("\npelago_ca_issued_total 2\n"), "{text}");
    assert!(text.contains("\npelago_ca_sessions -3\n"), "{text}");
}
