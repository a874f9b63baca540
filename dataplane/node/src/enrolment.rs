//! Who this process is, before anything else: from its state, or by its token.
//!
//! A stored identity wins, so that a restart needs neither token nor controller. Everything that
//! can be checked is checked before the token's secret is sent. It never overwrites another
//! identity.

use std::fmt;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use pelago_identity::{DiskError, EnrolError, StateDir, Stored, enrol};
use pelago_model::spiffe::Part as IdPart;
use pelago_model::token::{Purpose, Token, TokenError};
use pelago_model::{Name, PartKind, SpiffeId};
use pelago_net::BoxNet;
use pelago_runtime::clock::Clock;
use zeroize::Zeroizing;

use crate::settings::Settings;

/// Where the token of the first start comes from.
#[derive(Clone, Default)]
pub enum TokenSource {
    /// There is none: the state must hold an identity.
    #[default]
    Absent,
    /// A file with the one line that `pelago node token` printed.
    File(PathBuf),
    /// The line itself.
    Text(Zeroizing<String>),
}

/// Why this process has no identity.
#[derive(Debug, thiserror::Error)]
pub enum EnrolmentError {
    /// Nothing stored and no token.
    #[error(
        "no identity is stored yet and no token is given: make one with `pelago node token {name} --role {}` and name its file in tokenFile",
        .kind.as_str()
    )]
    NoToken {
        /// What this process is.
        kind: PartKind,
        /// Its name.
        name: Name,
    },
    /// The token's file cannot be read.
    #[error("tokenFile: {} cannot be read", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The text is no token.
    #[error("tokenFile holds no token that can be used")]
    Token(#[source] TokenError),
    /// A token for somebody else.
    #[error("the token is for {found}, this is {} {name}: use its own token", .kind.as_str())]
    OtherToken {
        /// What this process is.
        kind: PartKind,
        /// Its name.
        name: Name,
        /// What the token lets in.
        found: String,
    },
    /// The controller was not reached, not recognised, or refused.
    #[error("this process could not be enrolled")]
    Enrol(#[source] Box<EnrolError>),
    /// The state cannot be read or written.
    #[error("the identity in the state folder cannot be used")]
    State(#[source] DiskError),
    /// The state is another process's.
    #[error(
        "the state folder holds the identity {found}, this is {} {name}: give each process a state folder of its own",
        .kind.as_str()
    )]
    OtherIdentity {
        /// What this process is.
        kind: PartKind,
        /// Its name.
        name: Name,
        /// Whose identity is stored.
        found: SpiffeId,
    },
    /// The stored SVID has expired and there is no token.
    #[error(
        "the stored SVID of {id} expired at {not_after} (Unix seconds): enrol again with a new token in tokenFile"
    )]
    Expired {
        /// Whose.
        id: SpiffeId,
        /// When.
        not_after: u64,
    },
}

/// The identity of this process: stored, or enrolled now and stored. Blocks on files for a
/// moment: call it while nothing else runs.
///
/// # Errors
/// [`EnrolmentError`]; without an identity the process cannot run.
pub(crate) async fn identity(
    net: &BoxNet,
    clock: &Clock,
    state: &StateDir,
    token: &TokenSource,
    settings: &Settings,
) -> Result<Stored, EnrolmentError> {
    let stored = state.load().map_err(EnrolmentError::State)?;
    if let Some(stored) = &stored {
        is_ours(stored, settings)?;
    }
    let now = clock.now().as_secs();
    let expired = match stored {
        Some(stored) if now < stored.svid.not_after() => return Ok(stored),
        expired => expired,
    };
    let Some(token) = token.read()? else {
        return Err(match expired {
            Some(stored) => EnrolmentError::Expired {
                id: stored.svid.id().clone(),
                not_after: stored.svid.not_after(),
            },
            None => EnrolmentError::NoToken {
                kind: settings.part.kind(),
                name: settings.name.clone(),
            },
        });
    };
    is_for_us(&token, settings)?;
    let enrolled = enrol(net, clock, &token).await;
    let enrolled = enrolled.map_err(|error| EnrolmentError::Enrol(Box::new(error)))?;
    state.save(&enrolled).map_err(EnrolmentError::State)?;
    tracing::info!(id = enrolled.svid.id().as_str(), "enrolled");
    Ok(enrolled)
}

impl EnrolmentError {
    /// Whether a file that a person wrote is to blame.
    pub(crate) const fn is_configuration(&self) -> bool {
        matches!(
            self,
            Self::NoToken { .. }
                | Self::Unreadable { .. }
                | Self::Token(_)
                | Self::OtherToken { .. }
        )
    }
}

impl TokenSource {
    fn read(&self) -> Result<Option<Token>, EnrolmentError> {
        let text = match self {
            Self::Absent => return Ok(None),
            Self::Text(text) => text.clone(),
            Self::File(path) => read(path).map_err(|source| EnrolmentError::Unreadable {
                path: path.clone(),
                source,
            })?,
        };
        Token::decode(&text)
            .map(Some)
            .map_err(EnrolmentError::Token)
    }
}

fn read(path: &PathBuf) -> io::Result<Zeroizing<String>> {
    let file = std::fs::File::open(path)?;
    let mode = file.metadata()?.permissions().mode();
    if mode & 0o077 != 0 {
        tracing::warn!(
            path = %path.display(),
            mode = format!("{:o}", mode & 0o7777),
            "the token's file is open to others: make it 0600"
        );
    }
    let mut text = Zeroizing::new(String::with_capacity(TYPICAL));
    file.take(MAX_FILE).read_to_string(&mut text)?;
    Ok(text)
}

fn is_for_us(token: &Token, settings: &Settings) -> Result<(), EnrolmentError> {
    let found = match &token.purpose {
        Purpose::Part { kind, name } if *kind == settings.part.kind() && *name == settings.name => {
            return Ok(());
        }
        Purpose::Part { kind, name } => format!("{} {name}", kind.as_str()),
        Purpose::Peer { .. } => "a peer cluster".to_owned(),
    };
    Err(EnrolmentError::OtherToken {
        kind: settings.part.kind(),
        name: settings.name.clone(),
        found,
    })
}

fn is_ours(stored: &Stored, settings: &Settings) -> Result<(), EnrolmentError> {
    let id = stored.svid.id();
    let ours = match id.part() {
        Some(IdPart::Named { kind, name, .. }) => {
            kind == settings.part.kind() && name == settings.name.as_str()
        }
        _ => false,
    };
    if ours {
        return Ok(());
    }
    Err(EnrolmentError::OtherIdentity {
        kind: settings.part.kind(),
        name: settings.name.clone(),
        found: id.clone(),
    })
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("Absent"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Text(_) => f.write_str("Text"),
        }
    }
}

const MAX_FILE: u64 = 64 * 1024;
const TYPICAL: usize = 4 * 1024;

#[cfg(test)]
mod tests;
