//! Choosing among endpoints or gateways: rank, then a weighted draw inside the
//! best rank.
//!
//! The rank is made of standing, health, what was observed, whether it takes a
//! share at all, and place, in that order. The draw is an argument.

use std::fmt;

use pelago_model::service::Spread;
use pelago_model::{Health, Locality, NetworkId, Standing};

use crate::facts::Home;

/// Where a candidate stands; less is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    pub(crate) standing: Standing,
    pub(crate) health: Health,
    /// Seen to fail lately, or behind gateways that do not answer.
    pub(crate) failing: bool,
    /// Takes no share while others can.
    pub(crate) idle: bool,
    pub(crate) tier: Tier,
}

/// How near a candidate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tier {
    /// Our network and zone; everything, when place does not matter.
    Near,
    /// Our network or region.
    Region,
    /// Anywhere.
    Elsewhere,
}

impl Tier {
    /// The tier of something at `network` and `locality`, seen from home. An
    /// unknown region is never a common one.
    pub(crate) fn of(home: &Home, spread: Spread, network: &NetworkId, at: &Locality) -> Self {
        let ours = &home.locality;
        let same_region = at.region == ours.region;
        let same_zone = *network == home.network && same_region && at.zone == ours.zone;
        if spread == Spread::Everywhere || same_zone {
            Self::Near
        } else if *network == home.network || (same_region && !at.region.is_empty()) {
            Self::Region
        } else {
            Self::Elsewhere
        }
    }
}

impl fmt::Display for Rank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let standing = match self.standing {
            Standing::Fresh => "fresh",
            Standing::Demoted => "demoted",
            Standing::Withdrawn => "withdrawn",
        };
        let health = match self.health {
            Health::Healthy => "healthy",
            Health::Unhealthy => "unhealthy",
        };
        let tier = match self.tier {
            Tier::Near => "near",
            Tier::Region => "same network or region",
            Tier::Elsewhere => "elsewhere",
        };
        write!(f, "{standing}, {health}, {tier}")?;
        if self.failing {
            f.write_str(", failing")?;
        }
        if self.idle {
            f.write_str(", weight 0")?;
        }
        Ok(())
    }
}

/// The best-ranked of the candidates, drawn by weight.
pub(crate) fn best<T>(candidates: Vec<(Rank, u32, T)>, draw: u64) -> Option<T> {
    let best = candidates.iter().map(|(rank, ..)| *rank).min()?;
    let inside = candidates.into_iter().filter(|(rank, ..)| *rank == best);
    weighted(
        inside.map(|(_, weight, value)| (weight, value)).collect(),
        draw,
    )
}

/// One of the candidates by weight; all alike when no weight is above 0.
pub(crate) fn weighted<T>(candidates: Vec<(u32, T)>, draw: u64) -> Option<T> {
    let total: u64 = candidates
        .iter()
        .map(|(weight, _)| u64::from(*weight))
        .sum();
    if total == 0 {
        let count = u64::try_from(candidates.len())
            .ok()
            .filter(|count| *count > 0)?;
        let index = usize::try_from(draw % count).ok()?;
        return candidates.into_iter().nth(index).map(|(_, value)| value);
    }
    let mut left = draw % total;
    for (weight, value) in candidates {
        match left.checked_sub(u64::from(weight)) {
            Some(rest) => left = rest,
            None => return Some(value),
        }
    }
    None
}

/// Another draw from the same one, for a choice that should not follow it
/// (the finalizer of SplitMix64).
pub(crate) const fn another(draw: u64) -> u64 {
    let mixed = draw.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests;
