//! One YAML file per process, read strictly.
//!
//! The door to the YAML parser for process configuration: one document of at
//! most 1 MiB, `apiVersion: pelago.dev/v1alpha1`, the expected `kind`, and no
//! field that is not known. An error names the file, the path of the field and
//! what would be accepted. It never reads the environment. Start with [`read`].

mod document;
pub mod duration;
mod nearest;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::de::DeserializeOwned;

use document::Problem;

/// The version of every configuration file.
pub const API_VERSION: &str = "pelago.dev/v1alpha1";

/// The largest file, in bytes.
pub const MAX_SIZE: usize = 1024 * 1024;

/// Reads the file at `path` as a `kind`. `T` must carry
/// `#[serde(deny_unknown_fields)]`, as must every struct in it, and has no
/// fields of its own for `apiVersion` and `kind`. Blocks: call it in `main`.
///
/// # Errors
/// A file that cannot be read or is too large, and all that [`parse`] refuses.
pub fn read<T: DeserializeOwned>(path: &Path, kind: &str) -> Result<T, ConfigError> {
    let file = path.display().to_string();
    let failed = |source| ConfigError::Unreadable {
        file: file.clone(),
        source,
    };
    let mut text = String::new();
    let limit = u64::try_from(MAX_SIZE).unwrap_or(u64::MAX);
    File::open(path)
        .and_then(|opened| opened.take(limit + 1).read_to_string(&mut text))
        .map_err(failed)?;
    parse(&file, kind, &text)
}

/// Reads `text`, calling it `name` in errors.
///
/// # Errors
/// Text that is not one YAML document of this version and kind, an unknown or
/// missing field, a value that is not accepted.
pub fn parse<T: DeserializeOwned>(name: &str, kind: &str, text: &str) -> Result<T, ConfigError> {
    let file = || name.to_owned();
    if text.len() > MAX_SIZE {
        return Err(ConfigError::TooLarge { file: file() });
    }
    let head = document::head(text).map_err(|problem| problem.in_file(name))?;
    if head.api_version.as_deref() != Some(API_VERSION) {
        return Err(ConfigError::ApiVersion {
            file: file(),
            found: head.api_version.unwrap_or_default(),
        });
    }
    if head.kind.as_deref() != Some(kind) {
        return Err(ConfigError::Kind {
            file: file(),
            found: head.kind.unwrap_or_default(),
            expected: kind.to_owned(),
        });
    }
    document::body(text).map_err(|problem| problem.in_file(name))
}

/// Why a configuration file was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It could not be read.
    #[error("{file} cannot be read")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is too large.
    #[error("{file} is larger than {MAX_SIZE} bytes: a configuration file is not a data file")]
    TooLarge {
        /// The file.
        file: String,
    },
    /// It is not one YAML document.
    #[error("{file}:{line}: {problem}")]
    Yaml {
        /// The file.
        file: String,
        /// The line, from 1; 0 if unknown.
        line: u64,
        /// What the parser found.
        problem: String,
    },
    /// It has another version or none.
    #[error("{file}: apiVersion {found:?} is not known: write apiVersion: {API_VERSION}")]
    ApiVersion {
        /// The file.
        file: String,
        /// What it says; empty if nothing.
        found: String,
    },
    /// It is of another kind, or of none.
    #[error("{file}: kind is {found:?}, expected kind: {expected}")]
    Kind {
        /// The file.
        file: String,
        /// What it says; empty if nothing.
        found: String,
        /// What the process reads.
        expected: String,
    },
    /// It has a field that is not known.
    #[error("{file}:{line}: unknown field {path}{}", hint(nearest.as_deref(), allowed))]
    UnknownField {
        /// The file.
        file: String,
        /// The line, from 1; 0 if unknown.
        line: u64,
        /// The field's path, such as `ca.svid.tll`.
        path: String,
        /// The nearest known field, if one is near.
        nearest: Option<String>,
        /// The fields known there.
        allowed: Vec<&'static str>,
    },
    /// It lacks a field.
    #[error("{file}:{line}: field {path} is missing")]
    MissingField {
        /// The file.
        file: String,
        /// The line of what lacks it, from 1; 0 if unknown.
        line: u64,
        /// The field's path.
        path: String,
    },
    /// A field has a value that is not accepted.
    #[error("{file}:{line}: field {path}: {problem}")]
    Value {
        /// The file.
        file: String,
        /// The line, from 1; 0 if unknown.
        line: u64,
        /// The field's path.
        path: String,
        /// The value and what is accepted, as the field's type says it.
        problem: String,
    },
}

impl Problem {
    fn in_file(self, name: &str) -> ConfigError {
        let file = name.to_owned();
        match self {
            Self::Yaml { line, problem } => ConfigError::Yaml {
                file,
                line,
                problem,
            },
            Self::Unknown {
                line,
                path,
                field,
                allowed,
            } => ConfigError::UnknownField {
                file,
                line,
                path,
                nearest: nearest::of(&field, &allowed).map(str::to_owned),
                allowed,
            },
            Self::Missing { line, path } => ConfigError::MissingField { file, line, path },
            Self::Value {
                line,
                path,
                problem,
            } => ConfigError::Value {
                file,
                line,
                path,
                problem,
            },
        }
    }
}

fn hint(nearest: Option<&str>, allowed: &[&str]) -> String {
    match nearest {
        Some(name) => format!(": did you mean {name}?"),
        None => format!(": known here are {}", allowed.join(", ")),
    }
}

#[cfg(test)]
mod tests;
