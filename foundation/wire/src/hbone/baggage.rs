//! The `baggage` header: who is who, for telemetry and never for a decision.
//!
//! ztunnel's keys (`k8s.cluster.name`, `k8s.namespace.name`, …). Reading is
//! bounded and forgiving: what is unknown or malformed is left out.

/// What the header tells; empty is not told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Baggage {
    /// `k8s.cluster.name`
    pub cluster: String,
    /// `k8s.namespace.name`
    pub namespace: String,
    /// `k8s.pod.name`, or another kind's name.
    pub workload: String,
    /// `service.name`
    pub service: String,
    /// `service.version`
    pub version: String,
    /// `cloud.region`
    pub region: String,
    /// `cloud.availability_zone`
    pub zone: String,
}

impl Baggage {
    /// Writes the header; a value that would need quoting is left out.
    #[must_use]
    pub fn encode(&self) -> String {
        let pairs = [
            ("k8s.cluster.name", &self.cluster),
            ("k8s.namespace.name", &self.namespace),
            ("k8s.pod.name", &self.workload),
            ("service.name", &self.service),
            ("service.version", &self.version),
            ("cloud.region", &self.region),
            ("cloud.availability_zone", &self.zone),
        ];
        let told: Vec<String> = pairs
            .into_iter()
            .filter(|(_, value)| is_plain(value))
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        told.join(",")
    }

    /// Reads the header, at most 64 pairs and 256 bytes of each value.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut read = Self::default();
        for pair in text.split(',').take(MAX_PAIRS) {
            let Some((key, value)) = pair.trim().split_once('=') else {
                continue;
            };
            // Properties after `;` (W3C Baggage section 3.3.2) are not used.
            let value = value.split(';').next().unwrap_or_default().trim();
            if !is_plain(value) {
                continue;
            }
            if let Some(field) = read.field(key.trim()) {
                value.clone_into(field);
            }
        }
        read
    }

    fn field(&mut self, key: &str) -> Option<&mut String> {
        Some(match key {
            "k8s.cluster.name" => &mut self.cluster,
            "k8s.namespace.name" => &mut self.namespace,
            "service.name" => &mut self.service,
            "service.version" => &mut self.version,
            "cloud.region" => &mut self.region,
            "cloud.availability_zone" => &mut self.zone,
            _ if key.starts_with("k8s.") && key.ends_with(".name") => &mut self.workload,
            _ => return None,
        })
    }
}

/// W3C Baggage `value` without percent-encoding, within our limit.
fn is_plain(value: &str) -> bool {
    (1..=MAX_VALUE).contains(&value.len())
        && value
            .bytes()
            .all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b',' | b';' | b'\\' | b'%'))
}

const MAX_PAIRS: usize = 64;
const MAX_VALUE: usize = 256;
