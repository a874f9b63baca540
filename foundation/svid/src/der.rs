//! The few DER shapes the issuer extension needs (X.690 section 10).
//!
//! Reads strictly (definite, minimal lengths; nothing left over) and never copies. Certificates
//! are not parsed here.

/// `INTEGER`
pub(crate) const INTEGER: u8 = 0x02;
/// `UTF8String`
pub(crate) const UTF8_STRING: u8 = 0x0c;
/// `SEQUENCE`
pub(crate) const SEQUENCE: u8 = 0x30;

/// Reads elements from the front of its bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader of these bytes.
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The content of the next element, which must carry `tag`.
    pub(crate) fn element(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, rest) = self.rest.split_first()?;
        if *found != tag {
            return None;
        }
        let (length, rest) = length(rest)?;
        let (content, rest) = rest.split_at_checked(length)?;
        self.rest = rest;
        Some(content)
    }

    /// The content of the next `UTF8String`.
    pub(crate) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.element(UTF8_STRING)?).ok()
    }

    /// Whether everything was read.
    pub(crate) const fn is_done(&self) -> bool {
        self.rest.is_empty()
    }
}

/// Whether these bytes are one element and nothing else.
pub(crate) fn is_one(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|tag| {
        let mut reader = Reader::new(bytes);
        reader.element(*tag).is_some() && reader.is_done()
    })
}

/// One element.
pub(crate) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let bytes = content.len().to_be_bytes();
    let bytes = bytes.iter().skip_while(|b| **b == 0).copied();
    let length: Vec<u8> = bytes.collect();
    match (content.len(), u8::try_from(length.len())) {
        (0..=0x7f, _) => out.extend(length.iter().chain(length.is_empty().then_some(&0))),
        (_, octets) => {
            out.push(0x80 | octets.unwrap_or_default());
            out.extend(length);
        }
    }
    out.extend_from_slice(content);
    out
}

fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    if *first < 0x80 {
        return Some((usize::from(*first), rest));
    }
    let octets = usize::from(first & 0x7f);
    if !(1..=3).contains(&octets) {
        return None;
    }
    let (octets, rest) = rest.split_at_checked(octets)?;
    let length = octets.iter().fold(0, |sum, b| sum << 8 | usize::from(*b));
    let minimal = octets.first() != Some(&0) && length >= 0x80;
    minimal.then_some((length, rest))
}

#[cfg(test)]
mod tests;
