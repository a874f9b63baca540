//! Where the CLI finds clusters: a file of contexts, each a cluster and the
//! admin socket of its controller.

use std::path::{Path, PathBuf};

use pelago_model::ClusterId;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// The variable that names the contexts file.
pub const VARIABLE: &str = "PELAGO_CONTEXTS";

/// The contexts file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Contexts {
    /// The clusters this user administers.
    pub contexts: Vec<Context>,
}

/// One cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Context {
    /// Its id.
    pub cluster: ClusterId,
    /// The admin socket of its controller on this machine.
    pub admin_socket: PathBuf,
}

impl Contexts {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// Exit code 2: the file is missing or not valid.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        if !path.exists() {
            return Err(Failure::invalid(anyhow::anyhow!(
                "no clusters are known: {} does not exist; run `pelago demo`, or write the file (docs/operations.md), \
                 or name another by ${VARIABLE}",
                path.display()
            )));
        }
        pelago_runtime::config::read(path, "Contexts").map_err(Failure::invalid)
    }

    /// The text of a contexts file.
    ///
    /// # Errors
    /// When the contexts cannot be written as YAML.
    pub fn to_yaml(&self) -> Result<String, Failure> {
        let body = serde_saphyr::to_string(self).map_err(Failure::failed)?;
        Ok(format!(
            "apiVersion: pelago.dev/v1alpha1\nkind: Contexts\n{body}"
        ))
    }

    /// The clusters asked for; all of them if none is named.
    ///
    /// # Errors
    /// Exit code 2: a name that is no context.
    pub fn select(&self, names: &[ClusterId]) -> Result<Vec<&Context>, Failure> {
        if names.is_empty() {
            return Ok(self.contexts.iter().collect());
        }
        names.iter().map(|name| self.find(name)).collect()
    }

    /// The one cluster a command acts on.
    ///
    /// # Errors
    /// Exit code 2: none or several are possible.
    pub fn one(&self, names: &[ClusterId]) -> Result<&Context, Failure> {
        match (names, self.contexts.as_slice()) {
            ([name], _) | ([], [Context { cluster: name, .. }]) => self.find(name),
            ([], _) => Err(Failure::invalid(anyhow::anyhow!(
                "which cluster? say --cluster with one of: {}",
                self.names()
            ))),
            _ => Err(Failure::invalid(anyhow::anyhow!(
                "this command acts on one cluster: give --cluster once"
            ))),
        }
    }

    fn find(&self, name: &ClusterId) -> Result<&Context, Failure> {
        self.contexts
            .iter()
            .find(|context| context.cluster == *name)
            .ok_or_else(|| {
                Failure::invalid(anyhow::anyhow!(
                    "cluster {name} is not in the contexts; there are: {}",
                    self.names()
                ))
            })
    }

    fn names(&self) -> String {
        let names: Vec<_> = self
            .contexts
            .iter()
            .map(|context| context.cluster.as_str())
            .collect();
        names.join(", ")
    }
}
