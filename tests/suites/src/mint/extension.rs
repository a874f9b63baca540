//! X.509 extensions as raw DER (RFC 5280 section 4.2), right or wrong as the test asks.

/// One extension, exactly as it will stand in the certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// Its OID.
    pub oid: Vec<u64>,
    /// Whether it is critical.
    pub critical: bool,
    /// The DER inside its OCTET STRING.
    pub value: Vec<u8>,
}

/// `subjectAltName`
pub const SUBJECT_ALT_NAME: &[u64] = &[2, 5, 29, 17];
/// `keyUsage`
pub const KEY_USAGE: &[u64] = &[2, 5, 29, 15];
/// `basicConstraints`
pub const BASIC_CONSTRAINTS: &[u64] = &[2, 5, 29, 19];
/// `nameConstraints`
pub const NAME_CONSTRAINTS: &[u64] = &[2, 5, 29, 30];
/// `extKeyUsage`
pub const EXTENDED_KEY_USAGE: &[u64] = &[2, 5, 29, 37];
/// Pelago's issuer extension.
pub const ISSUER: &[u64] = &[2, 25, 120_402_739];

/// keyUsage bits, the first named bit highest (RFC 5280 section 4.2.1.3).
pub const DIGITAL_SIGNATURE: u8 = 0x80;
/// See [`DIGITAL_SIGNATURE`].
pub const KEY_ENCIPHERMENT: u8 = 0x20;
/// See [`DIGITAL_SIGNATURE`].
pub const KEY_CERT_SIGN: u8 = 0x04;
/// See [`DIGITAL_SIGNATURE`].
pub const CRL_SIGN: u8 = 0x02;

/// One subject alternative name.
#[derive(Debug, Clone, Copy)]
pub enum SanName<'a> {
    /// `uniformResourceIdentifier`; any bytes are written as they are.
    Uri(&'a str),
    /// `dNSName`
    Dns(&'a str),
    /// Any `GeneralName` by tag and content.
    Raw(u8, &'a [u8]),
}

impl Extension {
    /// The same, critical or not.
    #[must_use]
    pub const fn critical(mut self, critical: bool) -> Self {
        self.critical = critical;
        self
    }
}

/// `basicConstraints`, critical.
#[must_use]
pub fn basic_constraints(ca: bool, path_len: Option<u8>) -> Extension {
    let mut content = Vec::new();
    if ca {
        content.extend(der(0x01, &[0xff]));
    }
    if let Some(length) = path_len {
        content.extend(der(0x02, &[length]));
    }
    extension(BASIC_CONSTRAINTS, true, der(0x30, &content))
}

/// `keyUsage` of these bits, critical.
#[must_use]
pub fn key_usage(bits: u8) -> Extension {
    let unused = u8::try_from(bits.trailing_zeros().min(7)).unwrap_or_default();
    extension(KEY_USAGE, true, der(0x03, &[unused, bits]))
}

/// `extKeyUsage` with serverAuth, clientAuth, or codeSigning when neither is asked for.
#[must_use]
pub fn extended_key_usage(server: bool, client: bool) -> Extension {
    let purpose = |last: u8| der(0x06, &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, last]);
    let mut content = Vec::new();
    if server {
        content.extend(purpose(1));
    }
    if client {
        content.extend(purpose(2));
    }
    if !server && !client {
        content.extend(purpose(3));
    }
    extension(EXTENDED_KEY_USAGE, false, der(0x30, &content))
}

/// `subjectAltName` of these names.
#[must_use]
pub fn subject_alt_name(names: &[SanName<'_>], critical: bool) -> Extension {
    let names = names.iter().flat_map(|name| match name {
        SanName::Uri(text) => der(0x86, text.as_bytes()),
        SanName::Dns(text) => der(0x82, text.as_bytes()),
        SanName::Raw(tag, content) => der(*tag, content),
    });
    let content: Vec<u8> = names.collect();
    extension(SUBJECT_ALT_NAME, critical, der(0x30, &content))
}

/// `nameConstraints` that permits URIs of this host only, critical.
#[must_use]
pub fn uri_constraint(host: &str) -> Extension {
    let subtree = der(0x30, &der(0x86, host.as_bytes()));
    extension(NAME_CONSTRAINTS, true, der(0x30, &der(0xa0, &subtree)))
}

/// Pelago's issuer extension, not critical.
#[must_use]
pub fn issuer(version: u8, cluster: &str, prefixes: &[&str]) -> Extension {
    let prefixes = prefixes.iter().flat_map(|text| der(0x0c, text.as_bytes()));
    let prefixes: Vec<u8> = prefixes.collect();
    let fields = [
        der(0x02, &[version]),
        der(0x0c, cluster.as_bytes()),
        der(0x30, &prefixes),
    ];
    extension(ISSUER, false, der(0x30, &fields.concat()))
}

/// One DER element of less than 64 KiB.
#[must_use]
pub fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len())
        .unwrap_or(u16::MAX)
        .to_be_bytes();
    let mut out = vec![tag];
    match (high, low) {
        (0, 0..=0x7f) => out.push(low),
        (0, _) => out.extend([0x81, low]),
        _ => out.extend([0x82, high, low]),
    }
    out.extend_from_slice(content);
    out
}

fn extension(oid: &[u64], critical: bool, value: Vec<u8>) -> Extension {
    Extension {
        oid: oid.to_vec(),
        critical,
        value,
    }
}
