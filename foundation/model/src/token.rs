//! Join and enrolment tokens: one line of text that carries all a stranger
//! needs to find us, recognise us, and be let in once.
//!
//! The text is `pelago1.` and base64url (no padding) of a JSON document. The
//! secret never prints; [`Token::encode`] is the one way out.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::id::{ClusterId, Name};
use crate::net::HostPort;
use crate::peer::Grant;
use crate::spiffe::{PartKind, SpiffeId};

const PREFIX: &str = "pelago1.";
const MAX_TEXT: usize = 16 * 1024;

/// A token, as printed by `peer token` and `node token`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// What it lets in.
    pub purpose: Purpose,
    /// The cluster that issued it.
    pub cluster: ClusterId,
    /// The exact identity its controller must show.
    pub controller: SpiffeId,
    /// Where to dial: gateway ports for peers, the controller or gateways for
    /// nodes. Tried in order.
    pub addresses: Vec<HostPort>,
    /// SHA-256 of the SubjectPublicKeyInfo of each published root.
    pub pins: Vec<Pin>,
    /// Proves the right to be let in; redeemed once.
    pub secret: Secret,
    /// Unix seconds after which it is worthless.
    pub expires: u64,
}

/// What a token lets in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Another cluster, with what opens to it.
    Peer {
        /// What the issuer grants.
        grant: Grant,
    },
    /// A node or gateway of the issuer's own cluster.
    Part {
        /// Which kind.
        kind: PartKind,
        /// Its name.
        name: Name,
    },
}

/// SHA-256 of a root's SubjectPublicKeyInfo (RFC 7469 section 2.4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pin(pub [u8; 32]);

/// 32 random bytes. No `Debug` of the value, zeroized when dropped.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Secret(Zeroizing<[u8; 32]>);

/// Why a text is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a token at all.
    #[error(
        "this is not a Pelago token: it should begin with \"pelago1.\"; paste the whole line that `pelago … token` printed"
    )]
    NotAToken,
    /// A token of another format.
    #[error(
        "this token is of format {0:?}, this version reads \"pelago1.\": use the same major version on both sides"
    )]
    OtherFormat(String),
    /// Cut or altered.
    #[error(
        "this token is damaged (cut or altered): paste the whole line that `pelago … token` printed"
    )]
    Damaged,
}

impl Token {
    /// The line of text.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<String> {
        let json = Zeroizing::new(serde_json::to_vec(self).unwrap_or_default());
        let check = checksum(&json);
        let body = Zeroizing::new(URL_SAFE_NO_PAD.encode(json.as_slice()));
        Zeroizing::new(format!("{PREFIX}{}.{check}", body.as_str()))
    }

    /// Reads the line of text; surrounding white space is ignored.
    ///
    /// # Errors
    /// [`TokenError`]; no part of the text is quoted, since it is a secret.
    pub fn decode(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        if text.len() > MAX_TEXT {
            return Err(TokenError::Damaged);
        }
        let Some(rest) = text.strip_prefix(PREFIX) else {
            let format = text
                .split_once('.')
                .map(|(format, _)| format)
                .filter(|format| {
                    format.len() < 16
                        && format
                            .strip_prefix("pelago")
                            .is_some_and(|n| n.parse::<u32>().is_ok())
                });
            return Err(format.map_or(TokenError::NotAToken, |format| {
                TokenError::OtherFormat(format.to_owned())
            }));
        };
        let (body, check) = rest.split_once('.').ok_or(TokenError::Damaged)?;
        let json = Zeroizing::new(
            URL_SAFE_NO_PAD
                .decode(body)
                .map_err(|_| TokenError::Damaged)?,
        );
        if checksum(&json) != check {
            return Err(TokenError::Damaged);
        }
        serde_json::from_slice(&json).map_err(|_| TokenError::Damaged)
    }
}

/// Tells an altered token from a wrong one early; it proves nothing else.
fn checksum(json: &[u8]) -> String {
    crate::hash::Version::of_bytes(json)
        .to_string()
        .chars()
        .take(8)
        .collect()
}

impl Secret {
    /// A secret of these random bytes.
    #[must_use]
    pub fn new(random: [u8; 32]) -> Self {
        Self(Zeroizing::new(random))
    }

    /// Parses base64url without padding of 32 bytes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).ok()?);
        Some(Self(Zeroizing::new(bytes.as_slice().try_into().ok()?)))
    }

    /// The bytes, for hashing and for the wire.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl TryFrom<String> for Secret {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&Zeroizing::new(text)).ok_or("a secret is 32 bytes in base64url")
    }
}

impl From<Secret> for String {
    fn from(secret: Secret) -> Self {
        URL_SAFE_NO_PAD.encode(secret.0.as_slice())
    }
}

impl TryFrom<String> for Pin {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        URL_SAFE_NO_PAD
            .decode(text)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or("a pin is the SHA-256 of a public key in base64url")
    }
}

impl From<Pin> for String {
    fn from(pin: Pin) -> Self {
        URL_SAFE_NO_PAD.encode(pin.0)
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from(*self))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
