//! A YAML value that remembers its line.
//!
//! Mappings keep the order of the text; a key that is not text is refused while
//! parsing. Absent and `null` fields are the same thing, as in Kubernetes.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_saphyr::Spanned;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    /// From 1, in the document's own text.
    pub(crate) line: u64,
    pub(crate) shape: Shape,
}

/// A YAML value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    /// `null`, or nothing at all.
    Null,
    /// A number, a boolean or text.
    Scalar(Value),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, with the line of each key.
    Map(Vec<Entry>),
}

/// One field of a mapping.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) line: u64,
    pub(crate) value: Node,
}

impl Node {
    /// The field of that name, unless it is absent or null.
    pub(crate) fn field(&self, name: &str) -> Option<&Self> {
        self.fields()
            .find(|entry| entry.key == name)
            .map(|entry| &entry.value)
    }

    /// All fields that are not null.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &Entry> {
        let entries = match &self.shape {
            Shape::Map(entries) => entries.as_slice(),
            _ => &[],
        };
        entries
            .iter()
            .filter(|entry| entry.value.shape != Shape::Null)
    }

    /// The text, if it is text.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.shape {
            Shape::Scalar(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// The items, if it is a sequence.
    pub(crate) const fn items(&self) -> Option<&[Self]> {
        match &self.shape {
            Shape::List(items) => Some(items.as_slice()),
            _ => None,
        }
    }

    /// The same value for serde, null fields left out.
    pub(crate) fn json(&self) -> Value {
        match &self.shape {
            Shape::Null => Value::Null,
            Shape::Scalar(value) => value.clone(),
            Shape::List(items) => items.iter().map(Self::json).collect(),
            Shape::Map(_) => self
                .fields()
                .map(|entry| (entry.key.clone(), entry.value.json()))
                .collect(),
        }
    }

    /// What it is, for people: its kind and the beginning of its text.
    pub(crate) fn describe(&self) -> String {
        match &self.shape {
            Shape::Null => "nothing".to_owned(),
            Shape::Scalar(Value::String(text)) => {
                format!("{:?}", text.chars().take(64).collect::<String>())
            }
            Shape::Scalar(value) => value.to_string(),
            Shape::List(_) => "a list".to_owned(),
            Shape::Map(_) => "an object".to_owned(),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Shape>::deserialize(from)?;
        Ok(Self {
            line: spanned.defined.line(),
            shape: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ShapeVisitor)
    }
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Shape, E> {
        Ok(Shape::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Shape, E> {
        Ok(Shape::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Shape, E> {
        Ok(Shape::Scalar(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Shape, E> {
        Ok(Shape::Scalar(value.into()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Shape, E> {
        Ok(Shape::Scalar(text.into()))
    }

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape::Null)
    }

    fn visit_none<E>(self) -> Result<Shape, E> {
        Ok(Shape::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Shape, D::Error> {
        Shape::deserialize(from)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Shape, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Shape::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Shape, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = access.next_key::<Spanned<Shape>>()? {
            let Shape::Scalar(Value::String(name)) = key.value else {
                return Err(A::Error::custom(
                    "the key of a field must be text: quote it",
                ));
            };
            entries.push(Entry {
                key: name,
                line: key.defined.line(),
                value: access.next_value()?,
            });
        }
        Ok(Shape::Map(entries))
    }
}
