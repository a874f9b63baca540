//! The calls of the Workload API.
//!
//! Each begins with the security header (SPIFFE Workload Endpoint, section 5): a request without
//! it is refused before anything is looked at, since it may be a browser's forgery.

use futures_util::stream::BoxStream;
use pelago_identity::Identity;
use pelago_runtime::scope::Drain;
use pelago_wire::workload_api::spiffe_workload_api_server::SpiffeWorkloadApi;
use pelago_wire::workload_api::{
    HEADER, JwtBundlesRequest, JwtBundlesResponse, JwtsvidRequest, JwtsvidResponse,
    ValidateJwtsvidRequest, ValidateJwtsvidResponse, X509BundlesRequest, X509BundlesResponse,
    X509svidRequest, X509svidResponse,
};
use tonic::{Request, Response, Status};

use crate::attestation::Caller;
use crate::budget::Budget;
use crate::entitlement::{bundles, svids};
use crate::told::Told;
use crate::updates::{Updates, View};

/// The service of one agent.
#[derive(Debug)]
pub(crate) struct WorkloadApi {
    pub(crate) identity: Identity,
    pub(crate) drain: Drain,
    pub(crate) streams: Budget,
    pub(crate) told: Told,
}

impl WorkloadApi {
    fn updates<T, R, V>(
        &self,
        request: &Request<T>,
        view: View<V>,
    ) -> Result<Response<Answers<R>>, Status>
    where
        V: PartialEq + Send + Sync + 'static,
        R: for<'a> From<&'a V> + Send + 'static,
    {
        has_header(request)?;
        let caller = request.extensions().get::<Caller>().cloned();
        let caller = caller.ok_or_else(|| {
            Status::permission_denied("the Workload API is served on its socket only")
        })?;
        let permit = self.streams.take(caller.credentials().uid).ok_or_else(|| {
            Status::resource_exhausted("this user has too many streams open: close some")
        })?;
        let (identity, drain) = (self.identity.clone(), self.drain.clone());
        let updates = Updates::begin(caller, identity, drain, view, permit, self.told.clone())?;
        Ok(Response::new(updates.stream()))
    }
}

type Answers<R> = BoxStream<'static, Result<R, Status>>;

#[tonic::async_trait]
impl SpiffeWorkloadApi for WorkloadApi {
    type FetchX509SVIDStream = Answers<X509svidResponse>;
    type FetchX509BundlesStream = Answers<X509BundlesResponse>;
    type FetchJWTBundlesStream = Answers<JwtBundlesResponse>;

    async fn fetch_x509svid(
        &self,
        request: Request<X509svidRequest>,
    ) -> Result<Response<Self::FetchX509SVIDStream>, Status> {
        self.updates(&request, svids)
    }

    async fn fetch_x509_bundles(
        &self,
        request: Request<X509BundlesRequest>,
    ) -> Result<Response<Self::FetchX509BundlesStream>, Status> {
        self.updates(&request, bundles)
    }

    async fn fetch_jwtsvid(
        &self,
        request: Request<JwtsvidRequest>,
    ) -> Result<Response<JwtsvidResponse>, Status> {
        Err(not_served(&request, "FetchJWTSVID"))
    }

    async fn fetch_jwt_bundles(
        &self,
        request: Request<JwtBundlesRequest>,
    ) -> Result<Response<Self::FetchJWTBundlesStream>, Status> {
        Err(not_served(&request, "FetchJWTBundles"))
    }

    async fn validate_jwtsvid(
        &self,
        request: Request<ValidateJwtsvidRequest>,
    ) -> Result<Response<ValidateJwtsvidResponse>, Status> {
        Err(not_served(&request, "ValidateJWTSVID"))
    }
}

/// Exactly one value, exactly `true`.
fn has_header<T>(request: &Request<T>) -> Result<(), Status> {
    let mut values = request.metadata().get_all(HEADER).iter();
    match (values.next(), values.next()) {
        (Some(value), None) if value.as_bytes() == b"true" => Ok(()),
        _ => Err(Status::invalid_argument(format!(
            "the security header is missing: send metadata {HEADER}: true"
        ))),
    }
}

fn not_served<T>(request: &Request<T>, call: &str) -> Status {
    has_header(request).err().unwrap_or_else(|| {
        Status::unimplemented(format!(
            "{call} is not served yet: this agent serves the X.509 profile (FetchX509SVID, FetchX509Bundles)"
        ))
    })
}
