use pelago_model::Standing;

use super::findings;
use crate::fixture::*;
use crate::merge::Merge;

#[test]
fn what_does_not_hold_together_is_said() {
    let yaml = export("ghost")
        + &service("api")
        + &workload("api", "api-1", "10.0.0.1").replace("http: 8080", "other: 1");
    let mut views = [
        view(facts("east", &yaml)),
        view([peer_fact(peer("west", &["shop/api"], &[]), Standing::Fresh)]),
    ];
    let mut merge = Merge::new(cluster("east"));
    merge.update(&mut views);
    let said: Vec<String> = findings(&merge).iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "mesh: warning: ServiceExport shop/ghost: there is no such service: nothing is exported",
            "mesh: warning: Service shop/api: is granted to peer west and has no ServiceExport: it is not shown",
            "mesh: warning: Service shop/api: spec.ports: WorkloadEntry shop/api-1 has no port named \"http\": 80/TCP does not lead to it",
        ]
    );
}

#[test]
fn an_export_that_is_cut_is_said() {
    let mut yaml = service("api") + &export("api");
    for index in 0..5_001 {
        let ip = format!("10.0.{}.{}", index / 250, index % 250);
        yaml += &workload("api", &format!("api-{index}"), &ip);
    }
    let mut views = [
        view(facts("east", &yaml)),
        view([peer_fact(peer("west", &["shop/api"], &[]), Standing::Fresh)]),
    ];
    let mut merge = Merge::new(cluster("east"));
    merge.update(&mut views);
    let said = findings(&merge);
    assert_eq!(said.len(), 1);
    assert!(
        said[0]
            .message
            .starts_with("has 5001 endpoints: only 5000 are shown"),
        "{}",
        said[0]
    );
}
