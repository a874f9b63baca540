//! The YAML parser, and where in the document something went wrong.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, IgnoredAny, IntoDeserializer, MapAccess,
    Visitor,
};
use serde_path_to_error::Track;
use serde_saphyr::{Error, Options};

/// What every document says about itself.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Head {
    pub(super) api_version: Option<String>,
    pub(super) kind: Option<String>,
}

/// What is wrong with a document.
pub(super) enum Problem {
    Yaml {
        line: u64,
        problem: String,
    },
    Unknown {
        line: u64,
        path: String,
        field: String,
        allowed: Vec<&'static str>,
    },
    Missing {
        line: u64,
        path: String,
    },
    Value {
        line: u64,
        path: String,
        problem: String,
    },
}

/// Reads `apiVersion` and `kind`, and that there is one well-formed document.
pub(super) fn head(text: &str) -> Result<Head, Problem> {
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| Problem::Yaml {
        line: line(&error),
        problem: error.without_snippet().to_string(),
    })
}

/// Reads everything but `apiVersion` and `kind`.
pub(super) fn body<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    let mut track = Track::new();
    let body = Body {
        track: &mut track,
        kind: PhantomData,
    };
    let read = serde_saphyr::with_deserializer_from_str_with_options(text, options(), |document| {
        document.deserialize_map(body)
    });
    read.map_err(|error| {
        let path = track.path().to_string();
        problem(error.without_snippet(), &path)
    })
}

fn problem(error: &Error, path: &str) -> Problem {
    let line = line(error);
    match error {
        Error::SerdeUnknownField {
            field, expected, ..
        } => Problem::Unknown {
            line,
            path: join(path, field),
            field: field.clone(),
            allowed: expected.clone(),
        },
        Error::SerdeMissingField { field, .. } => Problem::Missing {
            line,
            path: join(path, field),
        },
        other => Problem::Value {
            line,
            path: path.to_owned(),
            problem: other.to_string(),
        },
    }
}

fn join(path: &str, field: &str) -> String {
    let parent = path.strip_suffix('?').unwrap_or(path);
    let parent = parent.strip_suffix(field).unwrap_or(parent);
    match parent.trim_end_matches('.') {
        "" => field.to_owned(),
        parent => format!("{parent}.{field}"),
    }
}

fn line(error: &Error) -> u64 {
    error.location().map_or(0, |location| location.line())
}

fn options() -> Options {
    serde_saphyr::options! { with_snippet: false }
}

/// Hands `T` the document's fields without the two that every document has.
struct Body<'t, T> {
    track: &'t mut Track,
    kind: PhantomData<T>,
}

impl<'de, T: DeserializeOwned> Visitor<'de> for Body<'_, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping of fields")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        let fields = MapAccessDeserializer::new(Fields { map });
        T::deserialize(serde_path_to_error::Deserializer::new(fields, self.track))
    }
}

struct Fields<A> {
    map: A,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Fields<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        while let Some(key) = self.map.next_key::<String>()? {
            if key != "apiVersion" && key != "kind" {
                return seed.deserialize(key.into_deserializer()).map(Some);
            }
            self.map.next_value::<IgnoredAny>()?;
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}
