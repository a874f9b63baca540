//! Answering one request for a certificate, by the one policy.

use std::time::Duration;

use pelago_ca_core::entitlement::{Ask, Requester, decide};
use pelago_ca_core::{Caller, RequestedKey};
use pelago_store::{Expected, TableError};
use pelago_wire::trust::{self as wire, IssueRequest, IssueResponse, Issued, issue_response};

use crate::ca::Ca;
use crate::issuance::IssueFailed;
use crate::report::chain;
use crate::tables::NodeRecord;

/// The answer to one request. `in_bounds` is whether the caller keeps its rate;
/// beyond it not even the request is parsed.
pub(super) async fn answer(
    ca: &Ca,
    caller: &Caller,
    asked: IssueRequest,
    in_bounds: bool,
) -> IssueResponse {
    let (id, entry) = (asked.id, cut(&asked.entry));
    let issued = if in_bounds {
        issue(ca, caller, asked).await
    } else {
        Err(Refused {
            code: "rate_limited",
            message: "too many requests of this caller: ask again in a second".to_owned(),
            retry: true,
        })
    };
    let outcome = match issued {
        Ok(issued) => {
            ca.counters.issued.inc();
            issue_response::Outcome::Certificate(wire::encode_certificate(&issued))
        }
        Err(refused) => {
            ca.counters.refused.inc();
            tracing::info!(%caller, entry, code = refused.code, "a certificate was refused");
            issue_response::Outcome::Refusal(wire::Refusal {
                code: refused.code.to_owned(),
                message: refused.message,
                retry: refused.retry,
            })
        }
    };
    IssueResponse {
        id,
        entry,
        outcome: Some(outcome),
    }
}

struct Refused {
    code: &'static str,
    message: String,
    retry: bool,
}

async fn issue(ca: &Ca, caller: &Caller, asked: IssueRequest) -> Result<Issued, Refused> {
    let name = caller.observer();
    let node = ca.tables.nodes.get(&name).await?;
    let entries = ca.view.entries();
    let ask = match asked.entry.as_str() {
        "" => Ask::Own,
        entry => Ask::Entry(entries.get(entry)),
    };
    let requester = Requester::Verified {
        caller,
        enrolled: node.is_some(),
    };
    let entitled = decide(&ca.realm, ca.config.terms(), requester, ask);
    let entitled = entitled.map_err(|refusal| Refused {
        code: refusal.code(),
        message: refusal.to_string(),
        retry: false,
    })?;
    // The key is read only once the caller may have a certificate at all.
    let key = RequestedKey::read(&asked.csr).map_err(|error| Refused {
        code: "bad_request",
        message: error.to_string(),
        retry: false,
    })?;
    let renew_after = Duration::from_secs(entitled.renew_after);
    let plan = ca.issuance.plan(entitled, ca.now())?;
    let issued = ca.issuance.sign(&plan, key.spki(), &[]).await?;
    if asked.entry.is_empty() {
        renewed(ca, &name, plan.not_after).await?;
    }
    Ok(Issued {
        spiffe_id: plan.id,
        chain: issued.chain,
        renew_after,
    })
}

/// Notes the end of a node's newest SVID, unless the node is gone by now.
async fn renewed(ca: &Ca, name: &str, not_after: u64) -> Result<(), TableError> {
    let Some(found) = ca.tables.nodes.get(name).await? else {
        return Ok(());
    };
    let node = NodeRecord {
        svid_expires: not_after,
        ..found.value
    };
    let expected = Expected::Revision(found.revision);
    match ca.tables.nodes.put(name, expected, &node).await {
        // Enrolled again or removed meanwhile: theirs is the newer word.
        Ok(_) | Err(TableError::Conflict { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

impl From<TableError> for Refused {
    fn from(error: TableError) -> Self {
        Self::ours(&error)
    }
}

impl From<IssueFailed> for Refused {
    fn from(error: IssueFailed) -> Self {
        Self::ours(&error)
    }
}

impl Refused {
    /// Our own failure: the cause stays in our log.
    fn ours(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = chain(error), "a certificate could not be issued");
        Self {
            code: "unavailable",
            message: "the certificate could not be issued: ask again".to_owned(),
            retry: true,
        }
    }
}

/// Entry ids are at most 253 characters; what is longer is not repeated.
fn cut(entry: &str) -> String {
    entry.chars().take(253).collect()
}
