//! The SPIFFE Workload API (package-less, as the standard has it).
//!
//! The agent serves it; a foreign workload's client calls it. Every request
//! must carry the metadata [`HEADER`] = `true` (SPIFFE Workload Endpoint,
//! section 5). `Debug` of SVIDs leaves keys and tokens out.

use std::fmt;

pub use crate::protos::spiffe_workload_api_client;
pub use crate::protos::spiffe_workload_api_server;
pub use crate::protos::{
    JwtBundlesRequest, JwtBundlesResponse, Jwtsvid, JwtsvidRequest, JwtsvidResponse,
    ValidateJwtsvidRequest, ValidateJwtsvidResponse, X509BundlesRequest, X509BundlesResponse,
    X509svid, X509svidRequest, X509svidResponse,
};

/// The security header; a request without it (value `true`) is refused with
/// `InvalidArgument`.
pub const HEADER: &str = "workload.spiffe.io";

impl fmt::Debug for X509svid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("X509svid")
            .field("spiffe_id", &self.spiffe_id)
            .field("hint", &self.hint)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Jwtsvid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwtsvid")
            .field("spiffe_id", &self.spiffe_id)
            .field("hint", &self.hint)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ValidateJwtsvidRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValidateJwtsvidRequest")
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}
