//! Path validation (RFC 5280 section 6, by webpki) and what the path's issuers say.
//!
//! webpki builds the path; this room adds what it leaves out: validity of roots, keyUsage of
//! CAs, and our issuer extension, read only from certificates *on* the path. It never looks at a
//! certificate that was merely presented.

use std::time::Duration;

use pelago_model::token::Pin;
use pelago_model::{ClusterId, SpiffeId};
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage, VerifiedPath};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use crate::bundle::{Authority, AuthorityError, authority, check_ca};
use crate::extension::{ExtensionError, IssuerExtension, OID_DER};

/// What the leaf was presented as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// A TLS client.
    Client,
    /// A TLS server.
    Server,
}

/// A root that may end a path.
pub(crate) struct Root<'a> {
    anchor: TrustAnchor<'a>,
    pin: Pin,
}

impl<'a> Root<'a> {
    /// The certificate as a root, if it may be one at `now`.
    pub(crate) fn new(der: &'a [u8], now: u64) -> Option<Self> {
        let Authority { pin, .. } = authority(der).ok().filter(|root| root.is_valid_at(now))?;
        // The anchor borrows from the bytes, not from the wrapper around them.
        let anchor = webpki::anchor_from_trusted_cert(&CertificateDer::from(der))
            .ok()?
            .to_owned();
        Some(Self { anchor, pin })
    }
}

/// What a verified path says about its leaf.
#[derive(Debug)]
pub(crate) struct Issued {
    /// The issuing cluster, if any CA on the path names one.
    pub(crate) cluster: Option<ClusterId>,
    /// The root that ends the path.
    pub(crate) authority: Pin,
}

/// Why no path, or not this one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// No path to a root of the trust domain.
    #[error("no valid path to a root of its trust domain")]
    NoPath(#[source] webpki::Error),
    /// A CA on the path that may not be one.
    #[error("a CA on the path may not issue")]
    BadIssuer(#[source] AuthorityError),
    /// A CA on the path whose issuer extension cannot be read.
    #[error("a CA on the path carries an issuer extension that cannot be read")]
    BadExtension(#[source] ExtensionError),
    /// A CA on the path may not issue this ID.
    #[error("{id} is outside what cluster {cluster}'s CA may issue")]
    OutsidePrefixes {
        /// The leaf's ID.
        id: SpiffeId,
        /// The cluster its CA names.
        cluster: ClusterId,
    },
    /// A nested CA claims another cluster than the CA above it.
    #[error("a CA of cluster {upper} signed a CA that claims cluster {lower}")]
    OtherCluster {
        /// Nearer to the root.
        upper: ClusterId,
        /// Nearer to the leaf.
        lower: ClusterId,
    },
}

/// Validates the path from the first certificate to one of the roots, and reads what its issuers
/// say about `id`.
pub(crate) fn validate(
    chain: &[CertificateDer<'_>],
    roots: &[Root<'_>],
    id: &SpiffeId,
    usage: Usage,
    now: u64,
) -> Result<Issued, PathError> {
    let no_path = PathError::NoPath;
    let (leaf, presented) = chain
        .split_first()
        .ok_or_else(|| no_path(webpki::Error::UnknownIssuer))?;
    let leaf = EndEntityCert::try_from(leaf).map_err(no_path)?;
    let anchors: Vec<TrustAnchor<'_>> = roots.iter().map(|root| root.anchor.clone()).collect();
    let path = leaf
        .verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &anchors,
            presented,
            UnixTime::since_unix_epoch(Duration::from_secs(now)),
            match usage {
                Usage::Client => KeyUsage::client_auth(),
                Usage::Server => KeyUsage::server_auth(),
            },
            None,
            None,
        )
        .map_err(no_path)?;
    let root = roots.iter().find(|root| root.anchor == *path.anchor());
    Ok(Issued {
        cluster: issuing_cluster(&path, id)?,
        authority: root
            .ok_or_else(|| no_path(webpki::Error::UnknownIssuer))?
            .pin,
    })
}

/// Every CA on the path must allow the ID (so a nested one only narrows), and all that name a
/// cluster must name the same.
fn issuing_cluster(path: &VerifiedPath<'_>, id: &SpiffeId) -> Result<Option<ClusterId>, PathError> {
    let mut lower: Option<ClusterId> = None;
    for issuer in path.intermediate_certificates() {
        let der = issuer.der();
        let (_, certificate) = X509Certificate::from_der(&der)
            .map_err(|_| PathError::BadIssuer(AuthorityError::Malformed))?;
        check_ca(&certificate).map_err(PathError::BadIssuer)?;
        let Some(says) = extension(&certificate).map_err(PathError::BadExtension)? else {
            continue;
        };
        if !says.covers(id) {
            return Err(PathError::OutsidePrefixes {
                id: id.clone(),
                cluster: says.cluster,
            });
        }
        match lower {
            Some(lower) if lower != says.cluster => {
                return Err(PathError::OtherCluster {
                    upper: says.cluster,
                    lower,
                });
            }
            _ => lower = Some(says.cluster),
        }
    }
    Ok(lower)
}

fn extension(certificate: &X509Certificate<'_>) -> Result<Option<IssuerExtension>, ExtensionError> {
    let mut ours = certificate
        .extensions()
        .iter()
        .filter(|extension| extension.oid.as_bytes() == OID_DER);
    match (ours.next(), ours.next()) {
        (None, _) => Ok(None),
        (Some(only), None) => IssuerExtension::decode(only.value).map(Some),
        _ => Err(ExtensionError::Repeated),
    }
}
