//! First contact with a token: the server is known by its root's pin and its exact ID.
//!
//! The channel is connected before it is returned, so that a wrong address or a wrong server is
//! told apart before any secret is sent; a reconnect is judged by the same pins.

use std::sync::{Arc, Mutex, PoisonError};

use hyper_util::rt::TokioIo;
use pelago_model::token::{Purpose, Token};
use pelago_net::{BoxNet, BoxStream};
use pelago_runtime::clock::Clock;
use tonic::transport::{Channel, Uri};
use tower::service_fn;

use crate::channels::endpoint;
use crate::dial::{AttemptError, ReachError, reach};
use crate::error::TlsError;
use crate::stream::TlsStream;
use crate::svid::Svid;
use crate::tls::connect_pinned;
use crate::{SNI_CONTROL, SNI_PEERING};

/// Why the issuer of a token was not reached.
#[derive(Debug, thiserror::Error)]
pub enum PinnedError {
    /// The token is past its expiry.
    #[error("the token expired at {expires} (Unix seconds): ask for a new one")]
    Expired {
        /// Its expiry.
        expires: u64,
    },
    /// None of the token's addresses led to the controller it names.
    #[error("the controller that the token names was not reached")]
    Reach(#[source] ReachError),
    /// HTTP/2 did not come about over the secure connection.
    #[error("the controller that the token names does not speak HTTP/2")]
    Http2(#[source] tonic::transport::Error),
}

impl PinnedError {
    /// Whether the last address did answer, and proved to be another than the token names.
    #[must_use]
    pub fn is_impostor(&self) -> bool {
        let Self::Reach(ReachError::Failed { last, .. }) = self else {
            return false;
        };
        let AttemptError::Tls { source, .. } = last.as_ref() else {
            return false;
        };
        matches!(
            source,
            TlsError::Unverified(_)
                | TlsError::WrongIdentity { .. }
                | TlsError::WrongCluster { .. }
        )
    }
}

/// A connected channel to the token's controller, verified by pin and ID. `client` is shown if
/// given: a peer controller shows its own SVID, a node that enrols has none. Nothing of the token
/// but its addresses, pins and ID is used.
///
/// # Errors
/// [`PinnedError`]; the secret was not sent.
pub async fn pinned(
    net: &BoxNet,
    clock: &Clock,
    token: &Token,
    client: Option<Arc<Svid>>,
) -> Result<Channel, PinnedError> {
    if token.expires <= clock.now().as_secs() {
        return Err(PinnedError::Expired {
            expires: token.expires,
        });
    }
    let contact = Arc::new(Contact {
        net: net.clone(),
        clock: Arc::clone(clock),
        sni: match token.purpose {
            Purpose::Peer { .. } => SNI_PEERING,
            Purpose::Part { .. } => SNI_CONTROL,
        },
        addresses: token.addresses.clone(),
        pins: token.pins.clone(),
        controller: token.controller.clone(),
        client,
    });
    // The first connection is made here, for its error; the connector hands it out once.
    let first = contact.dial().await.map_err(PinnedError::Reach)?;
    let first = Arc::new(Mutex::new(Some(first)));
    let connector = service_fn({
        let contact = Arc::clone(&contact);
        move |_: Uri| {
            let contact = Arc::clone(&contact);
            let first = first.lock().unwrap_or_else(PoisonError::into_inner).take();
            async move {
                match first {
                    Some(stream) => Ok(TokioIo::new(stream)),
                    None => contact.dial().await.map(TokioIo::new),
                }
            }
        }
    });
    endpoint(contact.sni)
        .connect_with_connector(connector)
        .await
        .map_err(PinnedError::Http2)
}

struct Contact {
    net: BoxNet,
    clock: Clock,
    sni: &'static str,
    addresses: Vec<pelago_model::HostPort>,
    pins: Vec<pelago_model::token::Pin>,
    controller: pelago_model::SpiffeId,
    client: Option<Arc<Svid>>,
}

impl Contact {
    async fn dial(&self) -> Result<TlsStream<BoxStream>, ReachError> {
        let secured = reach(&self.net, &self.addresses, |stream| self.secure(stream));
        secured.await
    }

    async fn secure(&self, stream: BoxStream) -> Result<TlsStream<BoxStream>, TlsError> {
        let (stream, _) = connect_pinned(
            stream,
            self.sni,
            &self.pins,
            &self.controller,
            self.client.as_deref(),
            self.clock.now().as_secs(),
        )
        .await?;
        Ok(stream)
    }
}
