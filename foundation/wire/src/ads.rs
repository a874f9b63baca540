//! Delta ADS: Envoy's aggregated discovery, the delta protocol only, and what
//! our own clients say about themselves in `node`.
//!
//! The machines that speak it are in `xds`. What a node claims in its metadata
//! is attributed to its certificate by the server; the `node.id` alone proves
//! nothing.

use std::collections::BTreeMap;

use pelago_model::{HostPort, Locality, Name, SpiffeId};
use prost_types::{ListValue, Struct, Value, value::Kind as Json};

pub use crate::protos::envoy::config::core::v3::Node;
pub use crate::protos::envoy::service::discovery::v3::*;
pub use crate::protos::google::rpc::Status;
pub use prost_types::Any;

use crate::field::Reader;
use crate::hello::Hello;
use crate::limits::{MAX_ADDRESSES, MAX_CAPABILITIES};
use crate::malformed::Malformed;

const READ: Reader = Reader("Node");

/// What a discovery client says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its SPIFFE ID; must be the one its certificate shows.
    pub id: SpiffeId,
    /// Its Hello, as on every Pelago stream.
    pub hello: Hello,
    /// Where it listens for other clusters; empty unless it is a gateway.
    pub advertise: Vec<HostPort>,
    /// Its network's name in its cluster, if it says.
    pub network: Option<Name>,
    /// Where it runs.
    pub locality: Locality,
}

/// Writes `node` with `metadata.pelago`.
#[must_use]
pub fn encode_client(client: &Client) -> Node {
    let pelago = object([
        ("hello", encode_hello(&client.hello)),
        ("advertise", list(client.advertise.iter())),
        (
            "network",
            text(client.network.as_ref().map_or("", Name::as_str)),
        ),
        ("locality", text(&client.locality.to_string())),
    ]);
    Node {
        id: client.id.as_str().to_owned(),
        cluster: String::new(),
        metadata: Some(Struct {
            fields: BTreeMap::from([(KEY.to_owned(), pelago)]),
        }),
    }
}

/// Reads `node` of a Pelago client.
///
/// # Errors
/// [`Malformed`] without `metadata.pelago` or when a field breaks its grammar.
pub fn decode_client(node: &Node) -> Result<Client, Malformed> {
    let pelago = node
        .metadata
        .as_ref()
        .and_then(|metadata| metadata.fields.get(KEY))
        .and_then(fields)
        .ok_or_else(|| Malformed::absent("Node", "metadata.pelago"))?;
    let advertise = strings(pelago, "advertise", MAX_ADDRESSES)?;
    Ok(Client {
        id: READ.id("id", &node.id, SpiffeId::parse)?,
        hello: pelago
            .get("hello")
            .and_then(fields)
            .ok_or_else(|| Malformed::absent("Node", "metadata.pelago.hello"))
            .and_then(decode_hello)?,
        advertise: READ.addresses("metadata.pelago.advertise", &advertise)?,
        network: READ.optional_id(
            "metadata.pelago.network",
            &string(pelago, "network")?,
            Name::parse,
        )?,
        locality: Locality::parse(&string(pelago, "locality")?),
    })
}

type Fields = BTreeMap<String, Value>;

const KEY: &str = "pelago";

fn encode_hello(hello: &Hello) -> Value {
    let number = |n: u32| Value {
        kind: Some(Json::NumberValue(f64::from(n))),
    };
    object([
        ("oldestProtocol", number(hello.oldest_protocol)),
        ("newestProtocol", number(hello.newest_protocol)),
        ("capabilities", list(hello.capabilities.iter())),
        ("software", text(&hello.software)),
    ])
}

fn decode_hello(hello: &Fields) -> Result<Hello, Malformed> {
    Ok(Hello {
        oldest_protocol: number(hello, "oldestProtocol")?,
        newest_protocol: number(hello, "newestProtocol")?,
        capabilities: strings(hello, "capabilities", MAX_CAPABILITIES)?,
        software: string(hello, "software")?,
    })
}

fn text(text: &str) -> Value {
    Value {
        kind: Some(Json::StringValue(text.to_owned())),
    }
}

fn list(texts: impl Iterator<Item = impl ToString>) -> Value {
    let values = texts.map(|item| text(&item.to_string())).collect();
    Value {
        kind: Some(Json::ListValue(ListValue { values })),
    }
}

fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let fields = fields
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    Value {
        kind: Some(Json::StructValue(Struct { fields })),
    }
}

const fn fields(value: &Value) -> Option<&Fields> {
    match &value.kind {
        Some(Json::StructValue(object)) => Some(&object.fields),
        _ => None,
    }
}

/// A text of the object; absent is empty.
fn string(fields: &Fields, key: &'static str) -> Result<String, Malformed> {
    match fields.get(key).and_then(|value| value.kind.as_ref()) {
        None | Some(Json::NullValue(_)) => Ok(String::new()),
        Some(Json::StringValue(text)) => READ.text(key, text.clone()),
        Some(_) => Err(READ.bad(key, "", "a string")),
    }
}

/// A list of texts of the object; absent is empty.
fn strings(fields: &Fields, key: &'static str, max: usize) -> Result<Vec<String>, Malformed> {
    let values = match fields.get(key).and_then(|value| value.kind.as_ref()) {
        None | Some(Json::NullValue(_)) => return Ok(Vec::new()),
        Some(Json::ListValue(list)) => &list.values,
        Some(_) => return Err(READ.bad(key, "", "a list of strings")),
    };
    READ.count(key, values.len(), max)?;
    values
        .iter()
        .map(|value| match &value.kind {
            Some(Json::StringValue(text)) => READ.text(key, text.clone()),
            _ => Err(READ.bad(key, "", "a list of strings")),
        })
        .collect()
}

/// A whole number of the object (JSON has only floating ones).
fn number(fields: &Fields, key: &'static str) -> Result<u32, Malformed> {
    match fields.get(key).and_then(|value| value.kind.as_ref()) {
        Some(Json::NumberValue(number))
            if number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(number) =>
        {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "the guard leaves only whole numbers of u32's range"
            )]
            Ok(*number as u32)
        }
        _ => Err(READ.bad(key, "", "a whole number from 0 to 4294967295")),
    }
}

#[cfg(test)]
mod tests;
