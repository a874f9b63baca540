//! What a ClientHello may not be, and its limits.

use std::time::Duration;

/// Why a hello leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HelloError {
    /// Not a TLS ClientHello.
    #[error("the first bytes are no TLS ClientHello")]
    NotTls,
    /// More than is held.
    #[error("the ClientHello exceeds {LIMIT} bytes")]
    TooLarge,
    /// Not complete in time.
    #[error("the ClientHello was not complete within {} s", TIME.as_secs())]
    TooSlow,
    /// The peer left.
    #[error("the peer left before its ClientHello was complete")]
    Closed,
}

/// The most bytes held before the hello is complete.
pub(crate) const LIMIT: usize = 16 * 1024;
/// The longest a hello may take.
pub(crate) const TIME: Duration = Duration::from_secs(5);
