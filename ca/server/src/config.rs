//! What a CA is configured with, checked once.

use std::time::Duration;

use pelago_ca_core::Realm;
use pelago_ca_core::entitlement::Terms;
use pelago_ca_core::join::MAX_ADDRESSES;
use pelago_model::{ClusterId, HostPort, Hostname, TrustDomain};

/// The configuration of one cluster's CA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaConfig {
    /// The cluster's id; fixed at first start.
    pub cluster: ClusterId,
    /// Its trust domain; fixed at first start.
    pub trust_domain: TrustDomain,
    /// Names the controller is also dialled by; its certificate has them.
    pub dns_names: Vec<Hostname>,
    /// How long an SVID lives. Default 24 h.
    pub svid_ttl: Duration,
    /// How often it is renewed. Default 1 h.
    pub renew_every: Duration,
    /// How long an intermediate lives. Default 30 d.
    pub intermediate_ttl: Duration,
    /// How long a root lives. Default 10 years.
    pub root_ttl: Duration,
    /// How often holders of our bundle should ask again. Default 60 s.
    pub refresh_hint: Duration,
    /// The gateway addresses that peers dial: in tokens for peers.
    pub advertise: Vec<HostPort>,
    /// The controller's own addresses: in tokens for nodes and gateways, before
    /// the gateways.
    pub control: Vec<HostPort>,
}

impl CaConfig {
    /// The defaults for this cluster: nothing is advertised.
    #[must_use]
    pub const fn new(cluster: ClusterId, trust_domain: TrustDomain) -> Self {
        Self {
            cluster,
            trust_domain,
            dns_names: Vec::new(),
            svid_ttl: Duration::from_secs(24 * 3600),
            renew_every: Duration::from_secs(3600),
            intermediate_ttl: Duration::from_secs(30 * 24 * 3600),
            root_ttl: Duration::from_secs(3650 * 24 * 3600),
            refresh_hint: Duration::from_secs(60),
            advertise: Vec::new(),
            control: Vec::new(),
        }
    }

    /// Whether lifetimes and lists fit each other.
    ///
    /// # Errors
    /// [`ConfigError`] names the field, its value and what is allowed.
    pub fn check(&self) -> Result<(), ConfigError> {
        let lifetimes = [
            (
                "ca.svid.ttl",
                self.svid_ttl,
                MIN_TTL,
                self.intermediate_ttl / 2,
            ),
            (
                "ca.svid.renewEvery",
                self.renew_every,
                SECOND,
                self.svid_ttl / 2,
            ),
            (
                "ca.intermediate.ttl",
                self.intermediate_ttl,
                MIN_TTL,
                self.root_ttl,
            ),
            ("ca.refreshHint", self.refresh_hint, SECOND, MAX_HINT),
        ];
        for (field, value, least, most) in lifetimes {
            if !(least..=most).contains(&value) {
                return Err(ConfigError::Lifetime {
                    field,
                    value,
                    least,
                    most,
                });
            }
        }
        for (field, list) in [("advertise", &self.advertise), ("control", &self.control)] {
            if list.len() > MAX_ADDRESSES {
                return Err(ConfigError::Addresses {
                    field,
                    count: list.len(),
                });
            }
        }
        Ok(())
    }

    pub(crate) fn realm(&self) -> Realm {
        Realm {
            cluster: self.cluster.clone(),
            trust_domain: self.trust_domain.clone(),
        }
    }

    pub(crate) const fn terms(&self) -> Terms {
        Terms {
            ttl: self.svid_ttl.as_secs(),
            renew_every: self.renew_every.as_secs(),
        }
    }
}

/// Why a configuration was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A lifetime out of bounds.
    #[error("{field}: {value:?} is not allowed here: {least:?} to {most:?}")]
    Lifetime {
        /// The field.
        field: &'static str,
        /// As configured.
        value: Duration,
        /// The least allowed.
        least: Duration,
        /// The most allowed, given the other fields.
        most: Duration,
    },
    /// Too many addresses.
    #[error("{field}: {count} addresses; at most {MAX_ADDRESSES} are allowed")]
    Addresses {
        /// The field.
        field: &'static str,
        /// How many.
        count: usize,
    },
}

const SECOND: Duration = Duration::from_secs(1);
const MIN_TTL: Duration = Duration::from_secs(20);
const MAX_HINT: Duration = Duration::from_secs(24 * 3600);
