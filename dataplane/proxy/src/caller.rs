//! Which of our workloads opened a connection: the kernel's facts about the
//! socket's holders against the registration entries of this node.
//!
//! Pure. All holders must be the same workload; whoever cannot be told apart
//! is refused. Where processes cannot be read only entries that ask for
//! nothing but the uid may match.

use pelago_model::registration::Facts;
use pelago_model::{RegistrationEntry, Selector, SpiffeId};
use pelago_net::{Holders, Owner, ProcessFacts};

/// The workload that opened the connection; `None` for none or several.
pub(crate) fn caller<'a>(owner: &Owner, entries: &'a [RegistrationEntry]) -> Option<&'a SpiffeId> {
    match &owner.holders {
        Holders::Unreadable => {
            let facts = Facts {
                uid: Some(owner.uid),
                ..Facts::default()
            };
            the_one(&facts, entries.iter().filter(|entry| asks_only_uid(entry)))
        }
        Holders::Known(holders) => {
            let mut found = holders
                .iter()
                .map(|holder| the_one(&facts(holder), entries.iter()));
            let first = found.next()??;
            found.all(|other| other == Some(first)).then_some(first)
        }
    }
}

/// The one identity whose entries these facts satisfy.
fn the_one<'a>(
    facts: &Facts,
    entries: impl Iterator<Item = &'a RegistrationEntry>,
) -> Option<&'a SpiffeId> {
    let mut ids = entries
        .filter(|entry| facts.satisfy(entry))
        .map(|entry| &entry.spiffe_id);
    let first = ids.next()?;
    ids.all(|other| other == first).then_some(first)
}

fn facts(process: &ProcessFacts) -> Facts {
    let mut gids = process.groups.clone();
    gids.push(process.gid);
    let path = process.path.as_ref().and_then(|path| path.to_str());
    Facts {
        uid: Some(process.uid),
        gids,
        path: path.map(str::to_owned),
    }
}

fn asks_only_uid(entry: &RegistrationEntry) -> bool {
    let mut selectors = entry.selectors.iter();
    selectors.all(|selector| matches!(selector, Selector::Uid(_)))
}

#[cfg(test)]
mod tests;
