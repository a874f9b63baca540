//! A value against the schema of its kind: unknown fields, wrong types, wrong
//! values, each with its path.
//!
//! The schema is derived from the very struct that serde fills, so that what is
//! reported and what is read cannot differ. Only the part of JSON Schema that
//! schemars writes for plain structs is understood.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::nearest::nearest;
use crate::node::{Node, Shape};
use crate::status::Report;

/// Fields that exist in the kind and have no effect here, by the path of their
/// object (`spec.ports[]`).
pub(crate) type Unhonoured = &'static [(&'static str, &'static [&'static str])];

/// Reads a value as `T`; whatever keeps it from being one is reported.
pub(crate) fn typed<T: JsonSchema + DeserializeOwned>(
    node: &Node,
    path: &str,
    unhonoured: Unhonoured,
    report: &mut Report<'_>,
) -> Option<T> {
    let schema = schema_of::<T>();
    let mut check = Check {
        unhonoured,
        report,
        wrong: false,
    };
    check.value(node, &schema, path);
    if check.wrong {
        return None;
    }
    match serde_json::from_value(node.json()) {
        Ok(value) => Some(value),
        Err(error) => {
            report.broken(node.line, path, error.to_string());
            None
        }
    }
}

fn schema_of<T: JsonSchema>() -> Value {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value()
}

struct Check<'a, 'b> {
    unhonoured: Unhonoured,
    report: &'a mut Report<'b>,
    wrong: bool,
}

impl Check<'_, '_> {
    fn value(&mut self, node: &Node, schema: &Value, path: &str) {
        if !fits(node, schema) {
            self.wrong = true;
            let message = format!("is {}; allowed: {}", node.describe(), allowed(schema));
            self.report.broken(node.line, path, message);
            return;
        }
        match &node.shape {
            Shape::Null | Shape::Scalar(_) => {}
            Shape::List(items) => {
                let schema = schema.get("items").unwrap_or(&Value::Bool(true));
                for (index, item) in items.iter().enumerate() {
                    self.value(item, schema, &format!("{path}[{index}]"));
                }
            }
            Shape::Map(_) => self.fields(node, schema, path),
        }
    }

    fn fields(&mut self, node: &Node, schema: &Value, path: &str) {
        let none = Map::new();
        let known = schema
            .get("properties")
            .and_then(Value::as_object)
            .unwrap_or(&none);
        let others = schema.get("additionalProperties");
        for entry in node.fields() {
            let inner = join(path, &entry.key);
            if let Some(schema) = known.get(&entry.key).or(others) {
                self.value(&entry.value, schema, &inner);
            } else {
                self.unknown(entry.line, path, &entry.key, known);
            }
        }
        let required = schema.get("required").and_then(Value::as_array);
        for name in required.into_iter().flatten().filter_map(Value::as_str) {
            if node.field(name).is_none() {
                self.wrong = true;
                let message = known.get(name).map_or_else(String::new, allowed);
                let message = format!("is missing; allowed: {message}");
                self.report.broken(node.line, &join(path, name), message);
            }
        }
    }

    fn unknown(&mut self, line: u64, path: &str, key: &str, known: &Map<String, Value>) {
        let parent = without_indexes(path);
        let unhonoured = self
            .unhonoured
            .iter()
            .filter(|(object, _)| *object == parent)
            .flat_map(|(_, fields)| fields.iter().copied());
        let short: String = key.chars().take(64).collect();
        let field = join(path, &short);
        if unhonoured.clone().any(|field| field == key) {
            let message = "is not honoured by this version and has no effect".to_owned();
            return self.report.ignored(line, &field, message);
        }
        let names = known.keys().map(String::as_str).chain(unhonoured);
        let hint = nearest(&short, names).map_or_else(
            || "is not a field of this kind and has no effect".to_owned(),
            |name| format!("is not a field of this kind and has no effect; did you mean {name:?}?"),
        );
        self.report.ignored(line, &field, hint);
    }
}

/// Whether the value itself, not what is in it, is what the schema asks for.
fn fits(node: &Node, schema: &Value) -> bool {
    if let Some(options) = alternatives(schema) {
        return options.iter().any(|option| fits(node, option));
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return matches!(&node.shape, Shape::Scalar(value) if values.contains(value));
    }
    if let Some(value) = schema.get("const") {
        return matches!(&node.shape, Shape::Scalar(own) if own == value);
    }
    match schema.get("type") {
        None => true,
        Some(Value::Array(types)) => types.iter().any(|kind| is_a(node, kind, schema)),
        Some(kind) => is_a(node, kind, schema),
    }
}

fn is_a(node: &Node, kind: &Value, schema: &Value) -> bool {
    match (&node.shape, kind.as_str().unwrap_or_default()) {
        (Shape::Null, "null")
        | (Shape::Scalar(Value::String(_)), "string")
        | (Shape::Scalar(Value::Bool(_)), "boolean")
        | (Shape::Scalar(Value::Number(_)), "number")
        | (Shape::List(_), "array")
        | (Shape::Map(_), "object") => true,
        (Shape::Scalar(Value::Number(number)), "integer") => number.as_i64().is_some_and(|n| {
            let least = schema.get("minimum").and_then(Value::as_i64);
            let most = schema.get("maximum").and_then(Value::as_i64);
            least.is_none_or(|least| n >= least) && most.is_none_or(|most| n <= most)
        }),
        _ => false,
    }
}

fn allowed(schema: &Value) -> String {
    if let Some(options) = alternatives(schema) {
        let options: Vec<String> = options
            .iter()
            .filter(|option| option.get("type").and_then(Value::as_str) != Some("null"))
            .map(allowed)
            .collect();
        return options.join(" or ");
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        let values: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
        return values.join(", ");
    }
    if let Some(value) = schema.get("const").and_then(Value::as_str) {
        return value.to_owned();
    }
    let kinds: Vec<String> = match schema.get("type") {
        Some(Value::Array(types)) => types.iter().map(|kind| word(kind, schema)).collect(),
        Some(kind) => vec![word(kind, schema)],
        None => vec!["anything".to_owned()],
    };
    let kinds: Vec<String> = kinds.into_iter().filter(|kind| !kind.is_empty()).collect();
    kinds.join(" or ")
}

fn word(kind: &Value, schema: &Value) -> String {
    match kind.as_str().unwrap_or_default() {
        "null" => String::new(),
        "string" => "text".to_owned(),
        "boolean" => "true or false".to_owned(),
        "array" => "a list".to_owned(),
        "object" => "an object".to_owned(),
        "integer" => {
            let bound = |name| schema.get(name).and_then(Value::as_i64);
            match (bound("minimum"), bound("maximum")) {
                (Some(least), Some(most)) => format!("a number of {least} to {most}"),
                (Some(least), None) => format!("a number of at least {least}"),
                _ => "a number".to_owned(),
            }
        }
        other => other.to_owned(),
    }
}

fn alternatives(schema: &Value) -> Option<&Vec<Value>> {
    schema
        .get("anyOf")
        .or_else(|| schema.get("oneOf"))
        .and_then(Value::as_array)
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// `spec.ports[3]` as `spec.ports[]`.
fn without_indexes(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut inside = false;
    for c in path.chars() {
        inside = inside && c != ']';
        if !inside {
            out.push(c);
        }
        inside = inside || c == '[';
    }
    out
}

#[cfg(test)]
mod tests;
