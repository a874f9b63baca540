//! Gateways that told where they listen, until it is written down.
//!
//! Of each gateway only its newest word waits, and all of them wait a moment
//! after each round, so that none keeps the store or the others busy.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pelago_model::{Name, SpiffeId};
use pelago_runtime::backoff::Backoff;
use pelago_wire::ads::Client;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::registry::Registry;

/// What waits to be written down, by gateway.
#[derive(Debug, Default)]
pub(crate) struct Registrations {
    waiting: Mutex<BTreeMap<Name, (SpiffeId, Client)>>,
    bell: Notify,
}

impl Registrations {
    /// The newest word of a gateway.
    pub(super) fn put(&self, id: SpiffeId, name: Name, client: Client) {
        self.waiting().insert(name, (id, client));
        self.bell.notify_one();
    }

    fn again(&self, id: SpiffeId, name: Name, client: Client) {
        self.waiting().entry(name).or_insert((id, client));
        self.bell.notify_one();
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, BTreeMap<Name, (SpiffeId, Client)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes registrations down until dropped; one that fails waits with the others.
pub(crate) async fn register(registry: Registry, registrations: Arc<Registrations>) {
    let mut backoff = Backoff::new(
        Duration::from_millis(50),
        Duration::from_secs(1),
        fastrand::u64(..),
    );
    loop {
        registrations.bell.notified().await;
        let all = std::mem::take(&mut *registrations.waiting());
        let mut pause = PAUSE;
        for (name, (id, client)) in all {
            let Err(error) = registry.register(&id, name.clone(), client.clone()).await else {
                continue;
            };
            tracing::error!(gateway = %id, error = &error as &dyn std::error::Error, "a gateway's registration cannot be written");
            registrations.again(id, name, client);
            pause = pause.max(backoff.failed());
        }
        sleep(pause).await;
    }
}

const PAUSE: Duration = Duration::from_millis(500);
