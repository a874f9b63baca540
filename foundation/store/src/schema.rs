//! The store's header: which format it has, who may read it, whose it is.
//!
//! [`Schema::open`] comes before any other use of a store. It refuses a store
//! that a newer release has written in a way we would misread, and one that
//! belongs to another cluster. It never migrates backwards.

use serde::{Deserialize, Serialize};

use crate::contract::{Expected, Store, StoreError, Swap};
use crate::key::Key;
use crate::revision::Versioned;

/// The format this binary writes.
pub const FORMAT: u32 = 1;

/// The newest format this binary reads. State names the oldest reader that will
/// not misread it; we may be that or newer.
pub const READER: u32 = 1;

/// Proof that a store is ours to read and write.
#[derive(Debug, Clone)]
pub struct Schema {
    header: Header,
}

impl Schema {
    /// Reads the header, or writes one into an empty store, binding it to
    /// `cluster` (a cluster id).
    ///
    /// # Errors
    /// A store in a format we cannot read, of another cluster, or with content
    /// but no header; and the store's own failures.
    pub async fn open(store: &dyn Store, cluster: &str) -> Result<Self, SchemaError> {
        let key = header_key()?;
        let ours = Header::ours(cluster);
        for _ in 0..ATTEMPTS {
            let (header, expected) = match store.get(&key).await? {
                Some(found) => {
                    let header = read(&found)?.check(cluster)?;
                    // A newer format that we can read keeps its own header.
                    if header.format > FORMAT || header == ours {
                        return Ok(Self { header });
                    }
                    (ours.clone(), Expected::Revision(found.revision))
                }
                None => {
                    refuse_headless(store).await?;
                    (ours.clone(), Expected::Absent)
                }
            };
            let bytes = serde_json::to_vec(&header).map_err(SchemaError::Header)?;
            if let Swap::Done(_) = store.compare_and_swap(&key, expected, Some(bytes)).await? {
                return Ok(Self { header });
            }
            // Another replica was quicker: what it wrote must suit us.
        }
        Err(SchemaError::Contended)
    }

    /// The header as it is stored now.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }
}

/// What a store says about itself, under `meta/schema`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The format of everything in the store.
    pub format: u32,
    /// The oldest reader that will not misread it.
    pub oldest_reader: u32,
    /// The release that wrote it last.
    pub writer: String,
    /// The cluster whose state this is, bound at first start.
    pub cluster: String,
}

impl Header {
    fn ours(cluster: &str) -> Self {
        Self {
            format: FORMAT,
            oldest_reader: READER,
            writer: concat!("pelago ", env!("CARGO_PKG_VERSION")).to_owned(),
            cluster: cluster.to_owned(),
        }
    }

    fn check(self, cluster: &str) -> Result<Self, SchemaError> {
        if self.cluster != cluster {
            return Err(SchemaError::OtherCluster {
                stored: self.cluster,
                configured: cluster.to_owned(),
            });
        }
        Ok(self)
    }
}

/// Why a store is not ours to use.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// A newer release wrote it.
    #[error(
        "state written by format {format}, which needs at least reader {oldest_reader}; \
         this binary reads up to {READER}: upgrade pelago"
    )]
    TooNew {
        /// The format of the store.
        format: u32,
        /// The oldest reader it admits.
        oldest_reader: u32,
        /// The release that wrote it.
        writer: String,
    },
    /// It is another cluster's.
    #[error(
        "this store belongs to cluster {stored:?} and the configuration says {configured:?}: \
         a cluster's id is fixed at first start; give this cluster a store of its own"
    )]
    OtherCluster {
        /// The cluster it is bound to.
        stored: String,
        /// The cluster that wanted to open it.
        configured: String,
    },
    /// It has content and no header.
    #[error("the store holds {key} but no header (meta/schema): it is not pelago's, or damaged")]
    Headless {
        /// A key that is there.
        key: Key,
    },
    /// Its header cannot be read.
    #[error("the store's header (meta/schema) cannot be read: restore it from a backup")]
    Header(#[source] serde_json::Error),
    /// Others kept changing the header.
    #[error("the store's header kept changing: start again once the other replicas are up")]
    Contended,
    /// The store failed.
    #[error("the store's header could not be read or written")]
    Store(#[from] StoreError),
}

fn read(found: &Versioned) -> Result<Header, SchemaError> {
    /// What every format, however new, has: enough to refuse it by its number.
    #[derive(Deserialize)]
    struct Format {
        format: u32,
        oldest_reader: u32,
        #[serde(default)]
        writer: String,
    }
    let format: Format = serde_json::from_slice(&found.value).map_err(SchemaError::Header)?;
    if format.oldest_reader > READER {
        return Err(SchemaError::TooNew {
            format: format.format,
            oldest_reader: format.oldest_reader,
            writer: format.writer,
        });
    }
    serde_json::from_slice(&found.value).map_err(SchemaError::Header)
}

async fn refuse_headless(store: &dyn Store) -> Result<(), SchemaError> {
    let listing = store.list("").await?;
    match listing.entries.into_iter().next() {
        // A replica may have written the header since we looked.
        Some((key, _)) if key != header_key()? => Err(SchemaError::Headless { key }),
        _ => Ok(()),
    }
}

fn header_key() -> Result<Key, StoreError> {
    Key::new("meta/schema").map_err(StoreError::Corrupt)
}

const ATTEMPTS: usize = 8;

#[cfg(test)]
mod tests;
