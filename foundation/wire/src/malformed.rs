//! What a message said that cannot be taken.
//!
//! Names the field, quotes the value (cut) and says what would have been
//! accepted, so that the sender's operator can act on it. Values of secret
//! fields are never quoted.

use pelago_model::IdError;

/// A message that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}.{field} {value:?} is not valid: {allowed}")]
pub struct Malformed {
    /// The message, such as `Workload`.
    pub message: &'static str,
    /// The path of the field inside it, such as `endpoints.host`.
    pub field: &'static str,
    /// The value as given, cut to 256 characters; `…` where it is secret.
    pub value: String,
    /// What would have been accepted.
    pub allowed: String,
}

impl Malformed {
    /// Quotes at most 256 characters of `value`.
    #[must_use]
    pub fn new(
        message: &'static str,
        field: &'static str,
        value: &str,
        allowed: impl Into<String>,
    ) -> Self {
        Self {
            message,
            field,
            value: value.chars().take(256).collect(),
            allowed: allowed.into(),
        }
    }

    /// A field that must be there and is not.
    #[must_use]
    pub fn absent(message: &'static str, field: &'static str) -> Self {
        Self::new(message, field, "", "it must be present")
    }

    /// A field that a model type refused.
    #[must_use]
    pub fn id(message: &'static str, field: &'static str, error: IdError) -> Self {
        Self {
            message,
            field,
            value: error.value,
            allowed: format!("{}: {}", error.what, error.allowed),
        }
    }
}

impl From<Malformed> for tonic::Status {
    fn from(malformed: Malformed) -> Self {
        Self::invalid_argument(malformed.to_string())
    }
}
