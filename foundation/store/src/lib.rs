//! What must survive a restart: keys, values, revisions, and who changed what.
//!
//! One trait, [`Store`], with a memory and a redb implementation that pass the
//! same suite. Values change one key at a time by compare-and-swap; there are no
//! transactions over several keys, so that etcd and Kubernetes objects fit the
//! same trait later. Start with [`Store`]; use it through [`Table`], after
//! [`Schema::open`] has bound the store to its cluster.

mod audit;
mod contract;
mod feed;
mod key;
mod memory;
mod redb;
mod revision;
mod schema;
mod table;
mod watch;

pub use audit::{Actor, Audit, AuditEntry, AuditError, AuditRecord, Outcome};
pub use contract::{BoxError, BoxFuture, Expected, Listing, MAX_VALUE, Store, StoreError, Swap};
pub use key::{Key, KeyError, MAX_KEY};
pub use memory::MemoryStore;
pub use redb::{OpenError, RedbStore};
pub use revision::{Revision, Versioned};
pub use schema::{FORMAT, Header, READER, Schema, SchemaError};
pub use table::{
    ATTEMPTS as UPDATE_ATTEMPTS, Change, Record, Rows, Table, TableError, TableEvent, TableWatch,
    UpdateError,
};
pub use watch::{Event, Watch};
