//! The ClientHello at the one gateway port: read once, decided on, replayed.
//!
//! It may come in any number of segments and records (a post-quantum hello
//! exceeds one packet); at most 16 KiB are held, for at most 5 s. Nothing is
//! decrypted, repaired or guessed: a name that is not exactly one host name in
//! lower case selects nothing (RFC 8446 section 4.1.2, RFC 6066 section 3).

mod fault;
mod parse;

use pelago_model::{Hostname, Reason};
use tokio::io::{AsyncRead, AsyncReadExt as _};

pub(crate) use fault::HelloError;
pub(crate) use parse::{Assembler, ClientHello};

use fault::{LIMIT, TIME};

/// What a hello selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selected {
    /// Spliced unopened to the controller.
    Controller,
    /// The outer of two tunnels, terminated here.
    Hbone,
    /// Nothing that we serve.
    Refused(Reason),
}

/// Reads one ClientHello and gives it back with every byte read so far.
///
/// # Errors
/// [`HelloError`]; the connection is to be closed then.
pub(crate) async fn read<S: AsyncRead + Unpin>(
    io: &mut S,
) -> Result<(ClientHello, Vec<u8>), HelloError> {
    let reading = async {
        let mut assembler = Assembler::default();
        let mut piece = [0; 4096];
        loop {
            let room = LIMIT.saturating_sub(assembler.held()).min(piece.len());
            let into = piece.get_mut(..room).unwrap_or_default();
            if into.is_empty() {
                return Err(HelloError::TooLarge);
            }
            let count = io.read(into).await.map_err(|_| HelloError::Closed)?;
            if count == 0 {
                return Err(HelloError::Closed);
            }
            let read = into.get(..count).unwrap_or_default();
            if let Some(hello) = assembler.push(read)? {
                return Ok((hello, assembler.into_bytes()));
            }
        }
    };
    let within = tokio::time::timeout(TIME, reading).await;
    within.unwrap_or(Err(HelloError::TooSlow))
}

/// What the hello selects; `controller` is the controller's own host name, if
/// it has one, for clients that send a URL's host.
pub(crate) fn select(hello: &ClientHello, controller: Option<&Hostname>) -> Selected {
    let Some(name) = hello.server_name() else {
        return Selected::Refused(Reason::BadClientHello);
    };
    let h2_only = hello.is_h2_only();
    match name {
        None if h2_only => Selected::Hbone,
        Some("hbone.pelago") if h2_only => Selected::Hbone,
        Some("control.pelago" | "peering.pelago" | "bundle.pelago") => Selected::Controller,
        Some(name) if controller.is_some_and(|host| host.as_str() == name) => Selected::Controller,
        Some(name) if name.starts_with("outbound_.") => {
            Selected::Refused(Reason::PassthroughUnsupported)
        }
        _ => Selected::Refused(Reason::UnknownServerName),
    }
}

#[cfg(test)]
mod tests;
