//! gRPC channels over our TLS, one per target, shared by all who ask for it.
//!
//! A channel connects when it is first used, again when it is lost, and each time with the state
//! of that moment. Liveness is HTTP/2 PING: 5 s idle, 5 s for the answer. It never falls back to
//! another identity or to plaintext.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use pelago_model::{HostPort, SpiffeId};
use pelago_net::BoxNet;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

use crate::dial::reach;
use crate::peer::Expect;
use crate::state::Identity;

/// Whom to reach, how, and as whom.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// Tried in order; names are resolved at each attempt.
    pub addresses: Vec<HostPort>,
    /// The server name to send, such as [`crate::SNI_CONTROL`].
    pub sni: String,
    /// The identity that speaks.
    pub as_id: SpiffeId,
    /// Who must answer.
    pub expect: Expect,
}

/// Makes and keeps channels. Clones share them.
#[derive(Clone)]
pub struct Channels {
    net: BoxNet,
    identity: Identity,
    /// Most recently used last.
    kept: Arc<Mutex<Vec<(Target, Channel)>>>,
}

/// How many targets are kept; the least recently used one is forgotten first (whoever holds its
/// channel keeps it).
const MAX_KEPT: usize = 256;

impl Channels {
    /// No channels yet.
    #[must_use]
    pub fn new(net: BoxNet, identity: Identity) -> Self {
        Self {
            net,
            identity,
            kept: Arc::default(),
        }
    }

    /// The channel of this target: the one already there, or a new one that connects when it is
    /// first used.
    #[must_use]
    pub fn channel(&self, target: &Target) -> Channel {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(known, _)| known == target);
        let channel = match at {
            Some(at) => kept.remove(at).1,
            None => self.open(target),
        };
        if kept.len() >= MAX_KEPT {
            kept.remove(0);
        }
        kept.push((target.clone(), channel.clone()));
        channel
    }

    /// Forgets every channel to this target, so that the next one connects anew.
    pub fn forget(&self, target: &Target) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(known, _)| known != target);
    }

    fn open(&self, target: &Target) -> Channel {
        let (net, identity) = (self.net.clone(), self.identity.clone());
        let target = Arc::new(target.clone());
        let uri = target.sni.clone();
        endpoint(&uri).connect_with_connector_lazy(service_fn(move |_: Uri| {
            let (net, identity) = (net.clone(), identity.clone());
            let target = Arc::clone(&target);
            async move {
                let secured = reach(&net, &target.addresses, |stream| async {
                    identity
                        .connect(stream, &target.as_id, &target.sni, &target.expect)
                        .await
                });
                secured.await.map(|(stream, _)| TokioIo::new(stream))
            }
        }))
    }
}

/// The HTTP/2 settings of every channel; the authority is the server name.
pub(crate) fn endpoint(sni: &str) -> Endpoint {
    let uri = Uri::builder()
        .scheme("http")
        .authority(sni)
        .path_and_query("/")
        .build()
        .unwrap_or_default();
    Endpoint::from(uri)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE)
        .keep_alive_while_idle(true)
        .http2_max_header_list_size(16 * 1024)
}

const KEEPALIVE: Duration = Duration::from_secs(5);

impl fmt::Debug for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channels").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
