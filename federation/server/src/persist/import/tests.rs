use std::collections::BTreeMap;
use std::sync::Arc;

use pelago_federation_core::export::Shown;
use pelago_model::{
    ClusterId, ExportedEndpoint, ExportedService, Health, Hostname, Locality, Name, Namespace,
    NetworkId, SpiffeId, WorkloadUid,
};
use pelago_store::{MemoryStore, Store};

use super::{Imports, Saved, load};

fn saved(endpoints: usize) -> Arc<Saved> {
    let endpoint = |index| ExportedEndpoint {
        uid: WorkloadUid::parse(&format!("west/x/{index}")).expect("uid"),
        identity: SpiffeId::parse("spiffe://west.example/ns/shop/sa/api").expect("id"),
        network: NetworkId::parse("west/west-net").expect("network"),
        locality: Locality::default(),
        weight: 1,
        health: Health::Healthy,
    };
    let service = ExportedService {
        namespace: Namespace::parse("shop").expect("namespace"),
        name: Name::parse("api").expect("name"),
        host: Hostname::parse("api.shop.svc.cluster.local").expect("host"),
        ports: Vec::new(),
        endpoints: (0..endpoints).map(endpoint).collect(),
    };
    let controller = SpiffeId::parse("spiffe://west.example/pelago/controller/west").expect("id");
    Arc::new(Saved::new(
        controller,
        [Shown::Service(service)].into_iter(),
    ))
}

fn west() -> ClusterId {
    ClusterId::parse("west").expect("cluster")
}

#[tokio::test]
async fn large_states_come_back_and_removed_peers_leave_nothing() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let mut imports = Imports::new(&store);
    for endpoints in [10, 10_000, 3, 8_000] {
        let now = saved(endpoints);
        imports
            .sync(&[(west(), Arc::clone(&now))].into())
            .await
            .expect("stored");
        let found = load(&store).await.expect("loaded");
        assert_eq!(found.get(&west()), Some(&now), "{endpoints}");
    }
    imports.sync(&BTreeMap::new()).await.expect("stored");
    assert!(
        store
            .list("import/")
            .await
            .expect("list")
            .entries
            .is_empty()
    );
}
