//! Both sides dial: which of two sessions stays.

use pelago_model::SpiffeId;

/// Who dialled a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialler {
    /// We did.
    Us,
    /// The peer did.
    Peer,
}

/// Which of two sessions stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The one that was there.
    Old,
    /// The one that came.
    New,
}

/// Of two sessions dialled by different sides the one of the smaller SPIFFE ID
/// stays, which both sides decide alike. The same side dials again only when it
/// has lost the first: the newer stays.
#[must_use]
pub fn keep(ours: &SpiffeId, theirs: &SpiffeId, old: Dialler, new: Dialler) -> Keep {
    let smaller = if ours < theirs {
        Dialler::Us
    } else {
        Dialler::Peer
    };
    if old == new || new == smaller {
        Keep::New
    } else {
        Keep::Old
    }
}
