//! Why a configuration is refused.

use pelago_runtime::config::ConfigError;

/// Why a configuration is refused. The text names field, value and what is allowed.
#[derive(Debug, thiserror::Error)]
pub enum ConfigFault {
    /// The file cannot be read as what it should be.
    #[error(transparent)]
    File(#[from] ConfigError),
    /// Something that a later release serves.
    #[error("{field}: {value} is not served yet; allowed here: {allowed}")]
    NotServed {
        /// The field's path.
        field: &'static str,
        /// What it says.
        value: String,
        /// What it may say.
        allowed: &'static str,
    },
    /// A field that is needed here is missing.
    #[error("{field} is missing: {needed}")]
    Missing {
        /// The field's path.
        field: &'static str,
        /// What it should say.
        needed: &'static str,
    },
    /// A value that is not accepted.
    #[error("{field}: {value} does not fit; allowed here: {allowed}")]
    Misfit {
        /// The field's path.
        field: &'static str,
        /// What it says.
        value: String,
        /// What it may say.
        allowed: String,
    },
}

impl ConfigFault {
    pub(crate) fn misfit(field: &'static str, value: &str, allowed: &str) -> Self {
        Self::Misfit {
            field,
            value: shown(value),
            allowed: allowed.to_owned(),
        }
    }

    pub(crate) fn not_served(field: &'static str, value: &str, allowed: &'static str) -> Self {
        Self::NotServed {
            field,
            value: shown(value),
            allowed,
        }
    }
}

fn shown(value: &str) -> String {
    value.chars().take(256).collect()
}
