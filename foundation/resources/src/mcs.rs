//! Multi-Cluster Services API `multicluster.x-k8s.io`: `ServiceExport`.
//!
//! An export alone opens nothing: a peer must also be granted the service.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::declaration::Declaration;
use crate::metadata::Metadata;
use crate::node::Node;
use crate::schema::{self, Unhonoured};
use crate::status::Report;

pub(crate) fn read(
    document: &Node,
    meta: &Metadata,
    report: &mut Report<'_>,
) -> Option<Declaration> {
    if let Some(spec) = document.field("spec") {
        let _: RawSpec = schema::typed(spec, "spec", UNHONOURED, report)?;
    }
    Some(Declaration::Export(meta.key.clone()))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct RawSpec {}

const UNHONOURED: Unhonoured = &[("spec", &["exportedLabels", "exportedAnnotations"])];
