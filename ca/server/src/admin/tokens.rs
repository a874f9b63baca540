//! Making tokens.

use pelago_ca_core::TokenRecord;
use pelago_ca_core::join::MAX_PATTERNS;
use pelago_ca_core::token::{TokenId, TokenState, ttl};
use pelago_model::token::{Purpose, Secret, Token};
use pelago_model::{ClusterId, Grant, HostPort, IdError, Name, PartKind, ServicePattern};
use pelago_store::{Actor, Expected};
use pelago_wire::admin::{CreateNodeTokenRequest, CreatePeerTokenRequest, TokenResponse};
use tonic::Status;

use crate::ca::Ca;
use crate::entropy::random;
use crate::report::failed;

/// A token for a node or gateway of this cluster.
pub(super) async fn node(
    ca: &Ca,
    actor: &Actor,
    asked: &CreateNodeTokenRequest,
) -> Result<TokenResponse, Status> {
    let name = Name::parse(&asked.name).map_err(|error| invalid(&error))?;
    let kind = PartKind::parse(&asked.role).ok_or_else(|| {
        Status::invalid_argument(format!(
            "role {:?} is not known: \"node\" or \"gateway\"",
            asked.role.chars().take(64).collect::<String>()
        ))
    })?;
    let addresses: Vec<HostPort> = ca
        .config
        .control
        .iter()
        .chain(&ca.config.advertise)
        .cloned()
        .collect();
    if addresses.is_empty() {
        return Err(Status::failed_precondition(
            "this controller knows no address of its own to put into a token: set `listen.control:` or `advertise:` in its configuration",
        ));
    }
    let id = ca.realm.trust_domain.part(kind, &ca.realm.cluster, &name);
    let opens = vec![format!("one {} may enrol as {id}", kind.as_str())];
    let purpose = Purpose::Part { kind, name };
    make(ca, actor, purpose, addresses, asked.ttl_seconds, opens).await
}

/// A token for another cluster.
pub(super) async fn peer(
    ca: &Ca,
    actor: &Actor,
    asked: &CreatePeerTokenRequest,
) -> Result<TokenResponse, Status> {
    match asked.trust.as_str() {
        "" | "federate" => {}
        "share" => {
            return Err(Status::unimplemented(
                "trust: share arrives with the next release; use federate",
            ));
        }
        other => {
            return Err(Status::invalid_argument(format!(
                "trust {:?} is not known: \"federate\"",
                other.chars().take(64).collect::<String>()
            )));
        }
    }
    if ca.config.advertise.is_empty() {
        return Err(Status::failed_precondition(
            "this controller advertises no gateway address for peers to dial: set `advertise:` in its configuration",
        ));
    }
    let grant = Grant {
        export: patterns("export", &asked.export)?,
        merge: patterns("merge", &asked.merge)?,
    };
    let opens = opens(&ca.realm.cluster, "the joining cluster", &grant);
    let addresses = ca.config.advertise.clone();
    let purpose = Purpose::Peer { grant };
    make(ca, actor, purpose, addresses, asked.ttl_seconds, opens).await
}

/// Reads service patterns.
pub(super) fn patterns(
    field: &'static str,
    texts: &[String],
) -> Result<Vec<ServicePattern>, Status> {
    if texts.len() > MAX_PATTERNS {
        return Err(Status::invalid_argument(format!(
            "{field}: {} patterns; at most {MAX_PATTERNS} are allowed",
            texts.len()
        )));
    }
    texts
        .iter()
        .map(|text| ServicePattern::parse(text).map_err(|error| invalid(&error)))
        .collect()
}

/// What a grant of `owner` opens to `other`, one line each.
pub(super) fn opens(owner: &ClusterId, other: &str, grant: &Grant) -> Vec<String> {
    let exported = grant.export.iter().map(|pattern| {
        format!("{other} may call {pattern} of {owner} (where a ServiceExport names it)")
    });
    let merged = grant.merge.iter().map(|pattern| {
        format!(
            "{pattern} is merged: endpoints of {owner} and of {other} answer under one name in both"
        )
    });
    let lines: Vec<String> = exported.chain(merged).collect();
    if lines.is_empty() {
        return vec![format!("nothing: {other} may call no service of {owner}")];
    }
    lines
}

async fn make(
    ca: &Ca,
    actor: &Actor,
    purpose: Purpose,
    addresses: Vec<HostPort>,
    asked: u64,
    opens: Vec<String>,
) -> Result<TokenResponse, Status> {
    let lifetime = ttl(asked).map_err(|error| Status::invalid_argument(error.to_string()))?;
    let now = ca.now();
    let expires = now.saturating_add(lifetime);
    let secret = random().map_err(|error| failed(&error))?;
    let secret = Secret::new(secret);
    let record = TokenRecord {
        purpose: purpose.clone(),
        created: now,
        expires,
        actor: actor.to_string(),
        state: TokenState::Unused,
    };
    let id = TokenId::of(&secret);
    let put = ca.tables.tokens.put(id.as_str(), Expected::Absent, &record);
    put.await.map_err(|error| failed(&error))?;
    let bundles = ca.view.bundles();
    let roots = bundles.get(&ca.realm.trust_domain);
    let pins = roots.map_or_else(Vec::new, |bundle| {
        let ders = bundle.x509_authorities.iter();
        ders.filter_map(|der| pelago_svid::pin(der)).collect()
    });
    let token = Token {
        purpose,
        cluster: ca.realm.cluster.clone(),
        controller: ca.realm.controller(),
        addresses,
        pins,
        secret,
        expires,
    };
    Ok(TokenResponse {
        token: token.encode().as_str().to_owned(),
        expires,
        opens,
    })
}

fn invalid(error: &IdError) -> Status {
    Status::invalid_argument(error.to_string())
}
