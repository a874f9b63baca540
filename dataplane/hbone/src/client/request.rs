//! What is asked for in a CONNECT (RFC 9113 section 8.5): an authority and the
//! headers around it, never a scheme or a path.

use http::{HeaderName, HeaderValue, Method, Uri, Version};
use pelago_model::WorkloadUid;
use pelago_wire::hbone::{BAGGAGE, ENDPOINT, Target};
use pelago_wire::malformed::Malformed;

/// One CONNECT to be sent.
#[derive(Debug, Clone)]
pub struct Request {
    target: Target,
    endpoint: Option<WorkloadUid>,
    baggage: Option<String>,
}

impl Request {
    /// Asks for `target`.
    #[must_use]
    pub const fn to(target: Target) -> Self {
        Self {
            target,
            endpoint: None,
            baggage: None,
        }
    }

    /// Asks a gateway for this endpoint of the target.
    #[must_use]
    pub fn endpoint(self, endpoint: WorkloadUid) -> Self {
        Self {
            endpoint: Some(endpoint),
            ..self
        }
    }

    /// Tells who is who, for the peer's telemetry (`Baggage::encode`); left
    /// out when it is no header value.
    #[must_use]
    pub fn baggage(self, baggage: String) -> Self {
        Self {
            baggage: Some(baggage),
            ..self
        }
    }

    pub(crate) fn into_http(self) -> Result<http::Request<()>, Malformed> {
        let authority = self.target.to_string();
        let uri = Uri::builder()
            .authority(authority.as_str())
            .build()
            .map_err(|_| Malformed::new("CONNECT", "authority", &authority, "an authority"))?;
        let mut request = http::Request::new(());
        *request.method_mut() = Method::CONNECT;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = uri;
        if let Some(endpoint) = self.endpoint {
            let endpoint = endpoint.to_string();
            let value = HeaderValue::try_from(&endpoint)
                .map_err(|_| Malformed::new("CONNECT", ENDPOINT, &endpoint, "a header value"))?;
            let name = HeaderName::from_static(ENDPOINT);
            request.headers_mut().insert(name, value);
        }
        if let Some(value) = self.baggage.and_then(|it| HeaderValue::try_from(it).ok()) {
            let name = HeaderName::from_static(BAGGAGE);
            request.headers_mut().insert(name, value);
        }
        Ok(request)
    }
}
