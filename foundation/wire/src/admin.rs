//! `pelago.admin.v1`: the admin API of a controller.
//!
//! The messages are read and written by people's tools; there is nothing to
//! convert. Those that carry a token say so in `Debug` without printing it.

use std::fmt;

pub use crate::protos::pelago::admin::v1::*;

impl fmt::Debug for TokenResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenResponse")
            .field("expires", &self.expires)
            .field("opens", &self.opens)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for InspectPeerTokenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InspectPeerTokenRequest")
            .field("export", &self.export)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for JoinPeerRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinPeerRequest")
            .field("export", &self.export)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}
