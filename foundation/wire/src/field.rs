//! Taking single fields: texts, lists, numbers, each within its limit.
//!
//! A [`Reader`] carries the message's name so that every error names it. It
//! counts before anything is allocated for the model.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use pelago_model::{HostPort, IdError};

use crate::limits::{MAX_ADDRESSES, MAX_LIST, MAX_TEXT};
use crate::malformed::Malformed;

/// Reads the fields of one message.
#[derive(Clone, Copy)]
pub(crate) struct Reader(pub(crate) &'static str);

impl Reader {
    pub(crate) fn bad(self, field: &'static str, value: &str, allowed: &str) -> Malformed {
        Malformed::new(self.0, field, value, allowed)
    }

    /// A text with a grammar.
    pub(crate) fn id<T>(
        self,
        field: &'static str,
        text: &str,
        parse: impl FnOnce(&str) -> Result<T, IdError>,
    ) -> Result<T, Malformed> {
        parse(text).map_err(|error| Malformed::id(self.0, field, error))
    }

    /// A text with a grammar, or nothing.
    pub(crate) fn optional_id<T>(
        self,
        field: &'static str,
        text: &str,
        parse: impl FnOnce(&str) -> Result<T, IdError>,
    ) -> Result<Option<T>, Malformed> {
        if text.is_empty() {
            return Ok(None);
        }
        self.id(field, text, parse).map(Some)
    }

    /// A free text of at most [`MAX_TEXT`] bytes.
    pub(crate) fn text(self, field: &'static str, text: String) -> Result<String, Malformed> {
        self.sized(field, text, MAX_TEXT)
    }

    /// A free text of at most `max` bytes.
    pub(crate) fn sized(
        self,
        field: &'static str,
        text: String,
        max: usize,
    ) -> Result<String, Malformed> {
        if text.len() > max {
            return Err(Malformed::new(
                self.0,
                field,
                &text,
                format!("at most {max} bytes"),
            ));
        }
        Ok(text)
    }

    /// Checks a length against its limit.
    pub(crate) fn count(
        self,
        field: &'static str,
        count: usize,
        max: usize,
    ) -> Result<(), Malformed> {
        if count > max {
            return Err(Malformed::new(
                self.0,
                field,
                &format!("{count} entries"),
                format!("at most {max}"),
            ));
        }
        Ok(())
    }

    /// A list of at most `max`, each converted.
    pub(crate) fn list<W, T>(
        self,
        field: &'static str,
        list: Vec<W>,
        max: usize,
        convert: impl FnMut(W) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        self.count(field, list.len(), max)?;
        list.into_iter().map(convert).collect()
    }

    /// A port number; 0 is none.
    pub(crate) fn port(self, field: &'static str, port: u32) -> Result<u16, Malformed> {
        u16::try_from(port)
            .ok()
            .filter(|port| *port > 0)
            .ok_or_else(|| self.bad(field, &port.to_string(), "1 to 65535"))
    }

    /// An address of 4 or 16 bytes.
    pub(crate) fn ip(self, field: &'static str, bytes: &[u8]) -> Result<IpAddr, Malformed> {
        if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
            return Ok(Ipv4Addr::from(v4).into());
        }
        <[u8; 16]>::try_from(bytes)
            .map(|v6| Ipv6Addr::from(v6).into())
            .map_err(|_| self.bad(field, &format!("{} bytes", bytes.len()), "4 or 16 bytes"))
    }

    /// `host:port` addresses, at most [`MAX_ADDRESSES`].
    pub(crate) fn addresses(
        self,
        field: &'static str,
        list: &[String],
    ) -> Result<Vec<HostPort>, Malformed> {
        self.count(field, list.len(), MAX_ADDRESSES)?;
        list.iter()
            .map(|text| self.id(field, text, HostPort::parse))
            .collect()
    }

    /// Labels: free keys and values, at most [`MAX_LIST`].
    pub(crate) fn labels(
        self,
        field: &'static str,
        labels: BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>, Malformed> {
        self.count(field, labels.len(), MAX_LIST)?;
        labels
            .into_iter()
            .map(|(key, value)| Ok((self.text(field, key)?, self.text(field, value)?)))
            .collect()
    }
}
