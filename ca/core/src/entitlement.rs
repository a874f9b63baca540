//! Who may have which certificate: the one policy behind every door.
//!
//! Enrolment, renewal, entries and the controller's own SVID all end in
//! [`decide`]; there is no second way to a template. It never looks at a
//! certificate request.

use pelago_model::{Name, PartKind, RegistrationEntry, SpiffeId};

use crate::caller::{Caller, Realm};

/// The shortest lifetime in seconds that an entry may ask for.
pub const MIN_TTL: u64 = 20;
/// The longest lifetime in seconds that an entry may ask for: 7 days.
pub const MAX_TTL: u64 = 7 * 24 * 3600;

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub enum Requester<'a> {
    /// The controller, for itself.
    Controller,
    /// The holder of a node or gateway token.
    Token {
        /// What the token lets in.
        kind: PartKind,
        /// Its name.
        name: &'a Name,
    },
    /// A verified caller on its trust stream.
    Verified {
        /// Its class.
        caller: &'a Caller,
        /// Whether our records say that it enrolled.
        enrolled: bool,
    },
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub enum Ask<'a> {
    /// The requester's own SVID.
    Own,
    /// The SVID of a registration entry.
    Entry(Option<&'a RegistrationEntry>),
}

/// Lifetimes, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// How long an SVID lives unless its entry says otherwise.
    pub ttl: u64,
    /// How often it is renewed.
    pub renew_every: u64,
}

/// A right to one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entitlement {
    /// The identity.
    pub id: SpiffeId,
    /// Its lifetime in seconds.
    pub ttl: u64,
    /// When its holder should ask again, in seconds from now.
    pub renew_after: u64,
}

/// Decides one request.
///
/// # Errors
/// [`Refusal`], whose [`Refusal::code`] is stable.
pub fn decide(
    realm: &Realm,
    terms: Terms,
    requester: Requester<'_>,
    ask: Ask<'_>,
) -> Result<Entitlement, Refusal> {
    match (requester, ask) {
        (Requester::Controller, Ask::Own) => Ok(grant(realm.controller(), terms.ttl, terms)),
        (Requester::Token { kind, name }, Ask::Own) => {
            let id = realm.trust_domain.part(kind, &realm.cluster, name);
            Ok(grant(id, terms.ttl, terms))
        }
        (
            Requester::Verified {
                caller: Caller::Part { kind, name },
                enrolled,
            },
            ask,
        ) => {
            if !enrolled {
                return Err(Refusal::NotEnrolled);
            }
            match ask {
                Ask::Own => {
                    let id = realm.trust_domain.part(*kind, &realm.cluster, name);
                    Ok(grant(id, terms.ttl, terms))
                }
                Ask::Entry(Some(entry)) => for_entry(realm, terms, *kind, name, entry),
                Ask::Entry(None) => Err(Refusal::NotEntitled),
            }
        }
        _ => Err(Refusal::NotEntitled),
    }
}

/// Why a certificate was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not theirs. An entry that is not there and one of another node look the
    /// same, so that asking tells nothing.
    #[error(
        "no registration entry of that name belongs to this node: check spec.node of the RegistrationEntry"
    )]
    NotEntitled,
    /// The records do not hold the caller.
    #[error(
        "this node is not enrolled here: ask for a token with `pelago node token` and enrol again"
    )]
    NotEnrolled,
    /// An entry below `/pelago/` or of another trust domain.
    #[error(
        "the entry asks for {id}, which this cluster does not issue: use an ID of its own trust domain that is not below /pelago/"
    )]
    Identity {
        /// The identity asked for.
        id: SpiffeId,
    },
    /// An entry with a lifetime out of bounds.
    #[error("the entry asks for a lifetime of {ttl} s; {MIN_TTL} to {MAX_TTL} are allowed")]
    Lifetime {
        /// The lifetime asked for, in seconds.
        ttl: u64,
    },
}

impl Refusal {
    /// The stable code of the wire.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotEntitled => "not_entitled",
            Self::NotEnrolled => "not_enrolled",
            Self::Identity { .. } => "identity_not_issued",
            Self::Lifetime { .. } => "lifetime_out_of_bounds",
        }
    }
}

fn for_entry(
    realm: &Realm,
    terms: Terms,
    kind: PartKind,
    name: &Name,
    entry: &RegistrationEntry,
) -> Result<Entitlement, Refusal> {
    // Gateways serve no workloads: an entry of a node with the same name is not
    // theirs.
    if kind != PartKind::Node || entry.node != *name {
        return Err(Refusal::NotEntitled);
    }
    let id = &entry.spiffe_id;
    if *id.trust_domain() != realm.trust_domain || id.is_reserved() || id.path().is_empty() {
        return Err(Refusal::Identity { id: id.clone() });
    }
    let ttl = entry.ttl_seconds.unwrap_or(terms.ttl);
    if entry.ttl_seconds.is_some() && !(MIN_TTL..=MAX_TTL).contains(&ttl) {
        return Err(Refusal::Lifetime { ttl });
    }
    Ok(grant(id.clone(), ttl, terms))
}

fn grant(id: SpiffeId, ttl: u64, terms: Terms) -> Entitlement {
    Entitlement {
        id,
        ttl,
        // Half the lifetime is left for trying again.
        renew_after: terms.renew_every.min(ttl / 2).max(1),
    }
}

#[cfg(test)]
mod tests;
