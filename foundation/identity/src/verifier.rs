//! rustls' verifiers, one per connection, that keep what they found.
//!
//! rustls calls them inside the handshake and checks possession of the key itself (by
//! `verify_tls13_signature`). What they decided is left in the [`Verdict`] of the connection:
//! the peer outside the handshake is the peer inside it. They never fall back to WebPKI names.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use pelago_model::token::Pin;
use pelago_model::{BundleSet, SpiffeId};
use pelago_svid::{Usage, VerifiedPeer, VerifyError, verify, verify_pinned};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerIncompatible,
    SignatureScheme,
};

use crate::error::TlsError;
use crate::peer::{ClientAuth, Expect, PeerCertificate};
use crate::provider::provider;

/// What the verifier of one connection decided; empty while it was not asked.
#[derive(Default)]
pub(crate) struct Verdict(Mutex<Option<Result<PeerCertificate, TlsError>>>);

impl Verdict {
    /// Takes the decision out.
    pub(crate) fn take(&self) -> Option<Result<PeerCertificate, TlsError>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn keep(&self, decided: Result<PeerCertificate, TlsError>) -> Result<(), Error> {
        let refused = decided.is_err();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(decided);
        if refused {
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        Ok(())
    }
}

/// How a server's chain is judged.
pub(crate) enum ServerTrust {
    /// By the bundle of its own trust domain.
    Bundles {
        /// All bundles.
        bundles: BundleSet,
        /// Who it must be.
        expect: Expect,
    },
    /// By the pins of a token, at first contact.
    Pins {
        /// Roots' pins.
        pins: Vec<Pin>,
        /// Who it must be.
        expected: SpiffeId,
    },
}

/// Judges the server of one connection.
pub(crate) struct ServerVerifier {
    pub(crate) trust: ServerTrust,
    pub(crate) now: u64,
    pub(crate) verdict: Arc<Verdict>,
    pub(crate) provider: Arc<CryptoProvider>,
}

impl ServerVerifier {
    pub(crate) fn new(trust: ServerTrust, now: u64, verdict: &Arc<Verdict>) -> Self {
        Self {
            trust,
            now,
            verdict: Arc::clone(verdict),
            provider: provider(),
        }
    }

    fn judge(&self, chain: &[CertificateDer<'_>]) -> Result<VerifiedPeer, TlsError> {
        let unverified = |why| TlsError::Unverified(Box::new(why));
        match &self.trust {
            ServerTrust::Bundles { bundles, expect } => {
                let peer = verify(chain, bundles, Usage::Server, self.now).map_err(unverified)?;
                expected(peer, expect)
            }
            ServerTrust::Pins { pins, expected } => {
                verify_pinned(chain, pins, expected, self.now).map_err(unverified)
            }
        }
    }
}

fn expected(peer: VerifiedPeer, expect: &Expect) -> Result<VerifiedPeer, TlsError> {
    if !expect.ids.contains(peer.id()) {
        return Err(TlsError::WrongIdentity {
            expected: expect.ids.clone(),
            found: peer.id().clone(),
        });
    }
    match &expect.issuer_cluster {
        Some(cluster) if peer.issuer_cluster() != Some(cluster) => Err(TlsError::WrongCluster {
            id: peer.id().clone(),
            expected: cluster.clone(),
            found: peer.issuer_cluster().cloned(),
        }),
        _ => Ok(peer),
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = joined(end_entity, intermediates);
        self.verdict
            .keep(self.judge(&chain).map(PeerCertificate::Verified))?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Judges the client of one connection.
pub(crate) struct ClientVerifier {
    pub(crate) bundles: BundleSet,
    pub(crate) auth: ClientAuth,
    pub(crate) now: u64,
    pub(crate) verdict: Arc<Verdict>,
    pub(crate) provider: Arc<CryptoProvider>,
}

impl ClientVerifier {
    pub(crate) fn new(
        bundles: BundleSet,
        auth: ClientAuth,
        now: u64,
        verdict: &Arc<Verdict>,
    ) -> Self {
        Self {
            bundles,
            auth,
            now,
            verdict: Arc::clone(verdict),
            provider: provider(),
        }
    }

    fn judge(&self, chain: &[CertificateDer<'_>]) -> Result<PeerCertificate, TlsError> {
        match (
            verify(chain, &self.bundles, Usage::Client, self.now),
            self.auth,
        ) {
            (Ok(peer), _) => Ok(PeerCertificate::Verified(peer)),
            // A chain too large to look at is not worth carrying further.
            (Err(why @ VerifyError::ChainTooLarge { .. }), _)
            | (Err(why), ClientAuth::Required) => Err(TlsError::Unverified(Box::new(why))),
            (Err(why), ClientAuth::Optional) => Ok(PeerCertificate::Unverified {
                chain: chain.iter().map(|der| der.clone().into_owned()).collect(),
                why: Arc::new(why),
            }),
        }
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.auth == ClientAuth::Required
    }

    /// No hints: they would tell strangers whom we trust.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let chain = joined(end_entity, intermediates);
        self.verdict.keep(self.judge(&chain))?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

fn joined<'a>(
    end_entity: &'a CertificateDer<'_>,
    intermediates: &'a [CertificateDer<'_>],
) -> Vec<CertificateDer<'a>> {
    std::iter::once(end_entity)
        .chain(intermediates)
        .map(|der| CertificateDer::from(der.as_ref()))
        .collect()
}

impl fmt::Debug for ServerVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerVerifier")
    }
}

impl fmt::Debug for ClientVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientVerifier")
    }
}
