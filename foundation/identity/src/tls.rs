//! TLS both ways: 1.3 only, ALPN `h2`, no resumption, no tickets, no CA hints.
//!
//! Each connection gets a configuration of its own, made from the current state, and a verdict
//! of its own; nothing is cached, so nothing can be stale. A handshake ends within
//! [`HANDSHAKE_LIMIT`].

use std::io;
use std::sync::Arc;
use std::time::Duration;

use pelago_model::SpiffeId;
use pelago_model::token::Pin;
use pelago_svid::{Usage, VerifiedPeer, verify};
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::TLS13;
use rustls::{ClientConfig, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::error::TlsError;
use crate::peer::{ClientAuth, Expect, PeerCertificate};
use crate::provider::provider;
use crate::state::{Identity, State};
use crate::stream::TlsStream;
use crate::svid::Svid;
use crate::verifier::{ClientVerifier, ServerTrust, ServerVerifier, Verdict};

/// The longest a handshake may take.
pub(crate) const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

impl Identity {
    /// Opens TLS over `io` as `as_id`, with `sni`, to one of the peers of `expect`. The peer that
    /// is returned was verified inside this handshake.
    ///
    /// # Errors
    /// [`TlsError`]; its [`TlsError::reason`] is the code for the log. A server that refuses our
    /// own certificate says so only at the first read (TLS 1.3).
    pub async fn connect<S>(
        &self,
        io: S,
        as_id: &SpiffeId,
        sni: &str,
        expect: &Expect,
    ) -> Result<(TlsStream<S>, VerifiedPeer), TlsError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let state = self.current();
        let svid = usable(&state, as_id, self.now())?;
        let trust = ServerTrust::Bundles {
            bundles: state.bundles.clone(),
            expect: expect.clone(),
        };
        open(io, sni, trust, Some(&svid), self.now()).await
    }

    /// Accepts TLS over `io` as `as_id`.
    ///
    /// # Errors
    /// [`TlsError`]; with [`ClientAuth::Required`] also for every client that is not verified.
    pub async fn accept<S>(
        &self,
        io: S,
        as_id: &SpiffeId,
        auth: ClientAuth,
    ) -> Result<(TlsStream<S>, PeerCertificate), TlsError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let state = self.current();
        let now = self.now();
        let svid = usable(&state, as_id, now)?;
        let verdict = Arc::new(Verdict::default());
        let verifier = ClientVerifier::new(state.bundles.clone(), auth, now, &verdict);
        let shown = match auth {
            ClientAuth::Required => Arc::clone(svid.certified()),
            ClientAuth::Optional => with_root(&svid, &state, now),
        };
        let config = server_config(verifier, shown).map_err(|source| TlsError::Configuration {
            id: as_id.clone(),
            source,
        })?;
        let accepting = TlsAcceptor::from(Arc::new(config)).accept(io);
        let stream = match tokio::time::timeout(HANDSHAKE_LIMIT, accepting).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(source)) => return Err(failed(&verdict, source)),
            Err(_) => {
                return Err(TlsError::TimedOut {
                    after: HANDSHAKE_LIMIT,
                });
            }
        };
        agreed(stream.get_ref().1.alpn_protocol())?;
        let peer = match verdict.take() {
            Some(decided) => decided?,
            None if auth == ClientAuth::Required => return Err(TlsError::NoCertificate),
            None => PeerCertificate::Absent,
        };
        Ok((TlsStream::new(stream), peer))
    }
}

/// First contact with a token: the server is judged by `pins`; `client` is shown if there is one.
pub(crate) async fn connect_pinned<S>(
    io: S,
    sni: &str,
    pins: &[Pin],
    expected: &SpiffeId,
    client: Option<&Svid>,
    now: u64,
) -> Result<(TlsStream<S>, VerifiedPeer), TlsError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let trust = ServerTrust::Pins {
        pins: pins.to_vec(),
        expected: expected.clone(),
    };
    open(io, sni, trust, client, now).await
}

async fn open<S>(
    io: S,
    sni: &str,
    trust: ServerTrust,
    client: Option<&Svid>,
    now: u64,
) -> Result<(TlsStream<S>, VerifiedPeer), TlsError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let name = ServerName::try_from(sni.to_owned()).map_err(|_| TlsError::BadServerName {
        sni: sni.to_owned(),
    })?;
    let expected = match &trust {
        ServerTrust::Bundles { expect, .. } => expect.ids.first().cloned(),
        ServerTrust::Pins { expected, .. } => Some(expected.clone()),
    };
    let expected = expected.ok_or(TlsError::NobodyExpected)?;
    let verdict = Arc::new(Verdict::default());
    let verifier = ServerVerifier::new(trust, now, &verdict);
    let config = client_config(verifier, client).map_err(|source| TlsError::Configuration {
        id: client.map_or(expected, |svid| svid.id().clone()),
        source,
    })?;
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, io);
    let stream = match tokio::time::timeout(HANDSHAKE_LIMIT, connecting).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(source)) => return Err(failed(&verdict, source)),
        Err(_) => {
            return Err(TlsError::TimedOut {
                after: HANDSHAKE_LIMIT,
            });
        }
    };
    agreed(stream.get_ref().1.alpn_protocol())?;
    match verdict.take() {
        Some(Ok(PeerCertificate::Verified(peer))) => Ok((TlsStream::new(stream), peer)),
        Some(Err(error)) => Err(error),
        _ => Err(TlsError::NoCertificate),
    }
}

/// The verifier's own words if it refused, else what the library says.
fn failed(verdict: &Verdict, source: io::Error) -> TlsError {
    if let Some(Err(error)) = verdict.take() {
        return error;
    }
    let rustls = source.get_ref().and_then(|error| error.downcast_ref());
    match rustls {
        Some(rustls::Error::NoCertificatesPresented) => TlsError::NoCertificate,
        Some(rustls::Error::NoApplicationProtocol) => TlsError::NoHttp2,
        _ => TlsError::Handshake(source),
    }
}

fn agreed(protocol: Option<&[u8]>) -> Result<(), TlsError> {
    if protocol == Some(H2) {
        return Ok(());
    }
    Err(TlsError::NoHttp2)
}

fn usable(state: &State, id: &SpiffeId, now: u64) -> Result<Arc<Svid>, TlsError> {
    let svid = state
        .svid(id)
        .ok_or_else(|| TlsError::NoSvid { id: id.clone() })?;
    if svid.not_after() < now {
        return Err(TlsError::SvidExpired {
            id: id.clone(),
            not_after: svid.not_after(),
        });
    }
    Ok(svid)
}

/// The chain followed by the root it verifies to, found by verifying it as a client would.
fn with_root(svid: &Svid, state: &State, now: u64) -> Arc<CertifiedKey> {
    let chain = svid.chain_der();
    let root = verify(chain, &state.bundles, Usage::Server, now)
        .ok()
        .and_then(|own| {
            let bundle = state.bundles.get(own.id().trust_domain())?;
            let mut roots = bundle.x509_authorities.iter();
            roots
                .find(|der| pelago_svid::pin(der) == Some(own.authority()))
                .map(|der| CertificateDer::from(der.to_vec()))
        });
    let Some(root) = root else {
        return Arc::clone(svid.certified());
    };
    let chain = chain.iter().cloned().chain([root]).collect();
    Arc::new(CertifiedKey::new(chain, Arc::clone(&svid.certified().key)))
}

fn client_config(
    verifier: ServerVerifier,
    svid: Option<&Svid>,
) -> Result<ClientConfig, rustls::Error> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match svid {
        Some(svid) => config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(
            Arc::clone(svid.certified()),
        ))),
        None => config.with_no_client_auth(),
    };
    config.alpn_protocols = vec![H2.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn server_config(
    verifier: ClientVerifier,
    shown: Arc<CertifiedKey>,
) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
    config.alpn_protocols = vec![H2.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

const H2: &[u8] = b"h2";

#[cfg(test)]
mod tests;
