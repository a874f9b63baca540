use std::sync::Arc;

use pelago_model::{PartKind, Standing};

use super::Slice;
use crate::fixture::*;
use crate::merge::Merge;
use crate::view::{Fact, FactKey};

#[test]
fn a_gateway_sees_what_it_may_let_in_and_a_node_everything() {
    let yaml =
        service("api") + &workload("api", "api-1", "10.0.0.1") + &export("api") + &service("own");
    let mut views = [
        view(facts("east", &yaml)),
        view([
            peer_fact(peer("west", &["shop/api"], &[]), Standing::Fresh),
            (
                FactKey::Imported(cluster("west"), object("shop/x")),
                Fact::Imported(Arc::new(shown_service("west", "x", &["w"]))),
            ),
        ]),
    ];
    let mut merge = Merge::new(cluster("east"));
    merge.update(&mut views);
    let mut gateway = Slice::new(PartKind::Gateway, cluster("east"));
    let slice = gateway.update(merge.snapshot());
    assert_eq!(
        slice
            .services()
            .map(|s| s.key.to_string())
            .collect::<Vec<_>>(),
        ["shop/api.shop.svc.cluster.local"]
    );
    assert_eq!(slice.workloads().count(), 1);
    let mut node = Slice::new(PartKind::Node, cluster("east"));
    assert_eq!(*node.update(merge.snapshot()), *merge.snapshot());

    views[0].remove(&FactKey::Export(object("shop/api")));
    merge.update(&mut views);
    assert_eq!(gateway.update(merge.snapshot()).services().count(), 0);
    assert_eq!(
        *gateway.update(merge.snapshot()),
        *Slice::new(PartKind::Gateway, cluster("east")).update(merge.snapshot())
    );
}
