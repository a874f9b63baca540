//! Records into a handshake message, a message into the two extensions that
//! decide. Every length is checked against what is there; nothing is indexed.

use pelago_model::Hostname;

use super::fault::{HelloError, LIMIT};

/// Puts records together until the ClientHello is complete. Work is linear in
/// the bytes, however they are cut.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    raw: Vec<u8>,
    /// How much of `raw` went into `message`.
    taken: usize,
    message: Vec<u8>,
}

impl Assembler {
    /// How many bytes are held.
    pub(crate) const fn held(&self) -> usize {
        self.raw.len()
    }

    /// Everything read so far, for the replay.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.raw
    }

    /// Takes more bytes; the hello, once it is complete.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Option<ClientHello>, HelloError> {
        self.raw.extend_from_slice(bytes);
        while self.take_record()? {
            if let Some(body) = self.body()? {
                return ClientHello::parse(body).map(Some).ok_or(HelloError::NotTls);
            }
        }
        Ok(None)
    }

    /// Moves one complete record into the message. RFC 8446 section 5.1.
    fn take_record(&mut self) -> Result<bool, HelloError> {
        let rest = self.raw.get(self.taken..).unwrap_or_default();
        if rest.first().is_some_and(|kind| *kind != HANDSHAKE)
            || rest.get(1).is_some_and(|major| *major != 3)
        {
            return Err(HelloError::NotTls);
        }
        let Some((header, rest)) = rest.split_at_checked(5) else {
            return Ok(false);
        };
        let &[_, _, _, high, low] = header else {
            return Ok(false);
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length == 0 || length > MAX_RECORD {
            return Err(HelloError::NotTls);
        }
        let Some(fragment) = rest.get(..length) else {
            return Ok(false);
        };
        self.message.extend_from_slice(fragment);
        self.taken += 5 + length;
        Ok(true)
    }

    /// The body of the message, once it is complete.
    fn body(&self) -> Result<Option<&[u8]>, HelloError> {
        let kind = self.message.first();
        if kind.is_some_and(|kind| *kind != CLIENT_HELLO) {
            return Err(HelloError::NotTls);
        }
        let Some((&[_, a, b, c], rest)) = self.message.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap_or(usize::MAX);
        if length > LIMIT {
            return Err(HelloError::TooLarge);
        }
        Ok(rest.get(..length))
    }
}

/// What decides: the server name and the application protocols, as sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ClientHello {
    /// The names of the `server_name` extension; `None` without the extension.
    names: Option<Vec<Vec<u8>>>,
    alpn: Vec<Vec<u8>>,
}

impl ClientHello {
    /// The one server name. The outer `None` is a name that is none: several,
    /// or not a host name as it should be written.
    pub(crate) fn server_name(&self) -> Option<Option<&str>> {
        let Some(names) = &self.names else {
            return Some(None);
        };
        let [name] = names.as_slice() else {
            return None;
        };
        let name = std::str::from_utf8(name).ok()?;
        Hostname::parse(name).ok().map(|_| Some(name))
    }

    /// Whether ALPN offers exactly `h2`.
    pub(crate) fn is_h2_only(&self) -> bool {
        matches!(self.alpn.as_slice(), [only] if only == b"h2")
    }

    fn parse(body: &[u8]) -> Option<Self> {
        let mut body = Cursor(body);
        body.bytes(2 + 32)?;
        body.short()?;
        body.long()?;
        body.short()?;
        let mut extensions = if body.0.is_empty() {
            Cursor(&[])
        } else {
            Cursor(body.long()?)
        };
        if !body.0.is_empty() {
            return None;
        }
        let mut hello = Self::default();
        let mut has_alpn = false;
        while !extensions.0.is_empty() {
            let kind = extensions.number()?;
            let value = extensions.long()?;
            match kind {
                SERVER_NAME if hello.names.is_some() => return None,
                ALPN if has_alpn => return None,
                SERVER_NAME => hello.names = Some(names(value)?),
                ALPN => {
                    has_alpn = true;
                    hello.alpn = protocols(value)?;
                }
                _ => {}
            }
        }
        Some(hello)
    }
}

fn names(value: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut outer = Cursor(value);
    let mut list = Cursor(outer.long()?);
    let mut names = Vec::new();
    while !list.0.is_empty() {
        let &[kind] = list.bytes(1)? else { return None };
        let name = list.long()?;
        if kind != HOST_NAME || names.len() == MAX_NAMES {
            return None;
        }
        names.push(name.to_vec());
    }
    outer.0.is_empty().then_some(names)
}

fn protocols(value: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut outer = Cursor(value);
    let mut list = Cursor(outer.long()?);
    let mut protocols = Vec::new();
    while !list.0.is_empty() {
        let protocol = list.short()?;
        if protocols.len() < MAX_NAMES {
            protocols.push(protocol.to_vec());
        }
    }
    outer.0.is_empty().then_some(protocols)
}

/// Takes vectors off the front.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        let &[high, low] = self.bytes(2)? else {
            return None;
        };
        Some(u16::from_be_bytes([high, low]))
    }

    /// A vector with one byte of length.
    fn short(&mut self) -> Option<&'a [u8]> {
        let &[length] = self.bytes(1)? else {
            return None;
        };
        self.bytes(usize::from(length))
    }

    /// A vector with two bytes of length.
    fn long(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.bytes(usize::from(length))
    }
}

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
const HOST_NAME: u8 = 0;
const MAX_RECORD: usize = 1 << 14;
/// More names or protocols than this are not told apart any more.
const MAX_NAMES: usize = 16;
