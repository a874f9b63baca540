//! Gateways of ours, as they say themselves and as their SVID attributes it.
//!
//! A registration stays in the store when the stream that told it ends: a lost
//! stream empties nothing.

use std::convert::Infallible;
use std::sync::Arc;

use pelago_model::gateway::GatewayId;
use pelago_model::spiffe::Part;
use pelago_model::{ClusterId, Gateway, Name, NetworkId, PartKind, SpiffeId, Standing};
use pelago_store::{Actor, Change, Store, Table, UpdateError};
use pelago_wire::ads::Client;

use crate::diary::Diary;

/// Registers gateways.
#[derive(Clone)]
pub(crate) struct Registry {
    cluster: ClusterId,
    network: NetworkId,
    table: Table<Gateway>,
    diary: Diary,
}

impl Registry {
    pub(crate) fn new(
        cluster: ClusterId,
        network: NetworkId,
        store: Arc<dyn Store>,
        diary: Diary,
    ) -> Self {
        Self {
            cluster,
            network,
            table: table(store),
            diary,
        }
    }

    /// Kind and name of a part of our own cluster.
    pub(crate) fn part(&self, id: &SpiffeId) -> Option<(PartKind, Name)> {
        match id.part()? {
            Part::Named {
                kind,
                cluster,
                name,
            } if cluster == self.cluster.as_str() => Some((kind, Name::parse(name).ok()?)),
            _ => None,
        }
    }

    /// Writes down what a gateway says of itself, if it is news. `id` is what
    /// its certificate proved.
    pub(crate) async fn register(
        &self,
        id: &SpiffeId,
        name: Name,
        client: Client,
    ) -> Result<(), UpdateError<Infallible>> {
        if client.advertise.is_empty() {
            tracing::warn!(gateway = %id, "the gateway advertises no address: it is not shown to anyone; set `advertise`");
            return Ok(());
        }
        let network = client.network.map_or_else(
            || self.network.clone(),
            |network| NetworkId::of(self.cluster.clone(), network),
        );
        let gateway = Gateway {
            id: GatewayId {
                cluster: self.cluster.clone(),
                name: name.clone(),
            },
            network,
            identity: id.clone(),
            addresses: client.advertise,
            standing: Standing::Fresh,
        };
        let mut news = false;
        let change = |old: Option<Gateway>| {
            news = old.as_ref() != Some(&gateway);
            Ok(if news {
                Change::Put(gateway.clone())
            } else {
                Change::Keep
            })
        };
        self.table.update(name.as_str(), change).await?;
        if news {
            let actor = Actor::Spiffe(id.to_string());
            let object = format!("gateway/{name}");
            self.diary.note(actor, "gateway.register", &object).await;
        }
        Ok(())
    }
}

/// Where gateways are kept.
pub(crate) fn table(store: Arc<dyn Store>) -> Table<Gateway> {
    Table::new(store, "gateway")
}
