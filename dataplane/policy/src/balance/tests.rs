use std::collections::BTreeMap;

use pelago_model::service::Spread;
use pelago_model::{Health, Locality, NetworkId, Standing};
use proptest::prelude::*;

use super::*;
use crate::tests::home;

fn rank() -> impl Strategy<Value = Rank> {
    let standing = prop_oneof![
        Just(Standing::Fresh),
        Just(Standing::Demoted),
        Just(Standing::Withdrawn)
    ];
    let health = prop_oneof![Just(Health::Healthy), Just(Health::Unhealthy)];
    let tier = prop_oneof![Just(Tier::Near), Just(Tier::Region), Just(Tier::Elsewhere)];
    (standing, health, any::<bool>(), any::<bool>(), tier).prop_map(
        |(standing, health, failing, idle, tier)| Rank {
            standing,
            health,
            failing,
            idle,
            tier,
        },
    )
}

proptest! {
    #[test]
    fn the_drawn_one_is_of_the_best_rank(
        ranks in proptest::collection::vec((rank(), 0_u32..4), 1..12),
        draw in any::<u64>(),
    ) {
        let candidates = ranks.iter().map(|(rank, weight)| (*rank, *weight, *rank)).collect();
        let best = best(candidates, draw).unwrap();
        prop_assert_eq!(Some(best), ranks.iter().map(|(rank, _)| *rank).min());
    }

    #[test]
    fn draws_follow_weights(weights in proptest::collection::vec(0_u32..5, 1..6)) {
        let total: u32 = weights.iter().sum();
        let mut counts = BTreeMap::new();
        let rounds = if total == 0 { weights.len() as u64 } else { u64::from(total) };
        for draw in 0..rounds {
            let drawn = weighted(weights.iter().copied().zip(0..weights.len()).collect(), draw);
            *counts.entry(drawn.unwrap()).or_insert(0_u32) += 1;
        }
        for (index, weight) in weights.iter().enumerate() {
            let expected = if total == 0 { 1 } else { *weight };
            prop_assert_eq!(counts.get(&index).copied().unwrap_or(0), expected);
        }
    }

    #[test]
    fn nothing_is_drawn_of_nothing(draw in any::<u64>()) {
        prop_assert_eq!(weighted::<u8>(Vec::new(), draw), None);
        prop_assert_eq!(best::<u8>(Vec::new(), draw), None);
    }
}

#[test]
fn tiers_go_from_our_zone_to_our_region_to_elsewhere() {
    let tier = |network: &str, at: &str, spread| {
        let network = NetworkId::parse(network).unwrap();
        Tier::of(&home(), spread, &network, &Locality::parse(at))
    };
    let table = [
        ("east/net", "eu/a", Tier::Near),
        ("east/net", "eu/b", Tier::Region),
        ("east/net", "", Tier::Region),
        ("west/net", "eu/a", Tier::Region),
        ("west/net", "us/a", Tier::Elsewhere),
        ("west/net", "", Tier::Elsewhere),
    ];
    for (network, at, expected) in table {
        assert_eq!(
            tier(network, at, Spread::Nearest),
            expected,
            "{network} {at}"
        );
        assert_eq!(tier(network, at, Spread::Everywhere), Tier::Near);
    }
}
