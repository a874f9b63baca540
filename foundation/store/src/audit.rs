//! Who changed what: an append-only chain of entries in the store.
//!
//! Entry *n* lives at `audit/<20 digits of n>` and carries the SHA-256 of entry
//! *n-1* as stored, so that altering or removing one breaks every later link;
//! cutting the newest off is not seen by the chain alone. Replicas append by
//! compare-and-swap on the next number and never overwrite. It holds no secrets:
//! callers pass names and ids, never tokens or keys.

use std::fmt;
use std::sync::Arc;

use pelago_runtime::clock::UnixTime;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use crate::contract::{Expected, Store, StoreError, Swap};
use crate::key::Key;

/// The audit log of one store. Share one per process; replicas have their own.
pub struct Audit {
    store: Arc<dyn Store>,
    /// The newest entry known here. Held while appending, so that the callers of
    /// one process queue instead of racing each other.
    head: Mutex<Head>,
}

/// One mutation, or an attempt at one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// When it was decided.
    pub time: UnixTime,
    /// Who asked.
    pub actor: Actor,
    /// What was asked, such as `peer.join`. Cut to 64 bytes.
    pub verb: String,
    /// Of what, such as `peer/west`. Cut to 512 bytes.
    pub object: String,
    /// What came of it.
    pub outcome: Outcome,
    /// Why: the person's `--reason`, or a stable refusal code. Cut to 1024 bytes.
    pub reason: Option<String>,
}

/// Who asked for a change. Written as `uid/1000(ada)`, the SPIFFE ID,
/// `token/<id>` or `system/<part>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A local user, attested by the kernel; the name is for people.
    LocalUid(u32, Option<String>),
    /// A verified SPIFFE ID.
    Spiffe(String),
    /// The holder of a token, by the token's public id.
    Token(String),
    /// A part of Pelago acting by itself.
    System(&'static str),
    /// Whoever an earlier record of ours names, as it is written there: for what
    /// a crash interrupted.
    Recorded(String),
}

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was not permitted, or not valid.
    Refused,
    /// It was permitted and failed.
    Failed,
}

/// An entry as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// The version of this record: 1.
    pub v: u32,
    /// Its number, from 1 without gaps.
    pub sequence: u64,
    /// SHA-256 of the entry before it, in hex; zeros for the first.
    pub previous: String,
    /// When it was decided.
    pub time: UnixTime,
    /// Who asked, as [`Actor`] is written.
    pub actor: String,
    /// What was asked.
    pub verb: String,
    /// Of what.
    pub object: String,
    /// What came of it.
    pub outcome: Outcome,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Audit {
    /// The audit log in `store`; nothing is read before the first call.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            head: Mutex::new(Head::default()),
        }
    }

    /// Appends an entry and returns its number once it is durable. Record before
    /// you answer: a change whose record failed is reported as failed.
    ///
    /// # Errors
    /// The store's failures, or other replicas that kept appending.
    pub async fn record(&self, entry: AuditEntry) -> Result<u64, AuditError> {
        let mut head = self.head.lock().await;
        self.append(&mut head, &entry).await
    }

    /// Appends an entry unless the newest 1000 tell of it already: the same time,
    /// actor, verb, object and outcome. For what is repeated after a crash, with
    /// the time at which it was decided.
    ///
    /// # Errors
    /// As [`Audit::record`].
    pub async fn record_once(&self, entry: AuditEntry) -> Result<u64, AuditError> {
        let mut head = self.head.lock().await;
        self.catch_up(&mut head).await?;
        match self.told(head.sequence, &entry).await? {
            Some(sequence) => Ok(sequence),
            None => self.append(&mut head, &entry).await,
        }
    }

    async fn append(&self, head: &mut Head, entry: &AuditEntry) -> Result<u64, AuditError> {
        for _ in 0..ATTEMPTS {
            self.catch_up(head).await?;
            let record = entry.at(head.sequence + 1, &head.hash);
            let bytes = serde_json::to_vec(&record).map_err(AuditError::Unwritable)?;
            let next = Head {
                sequence: record.sequence,
                hash: digest(&bytes),
            };
            let key = key(next.sequence)?;
            let swap = self
                .store
                .compare_and_swap(&key, Expected::Absent, Some(bytes))
                .await?;
            if let Swap::Done(_) = swap {
                *head = next;
                return Ok(next.sequence);
            }
        }
        Err(AuditError::Contended)
    }

    /// The newest entries, newest first, at most `limit` and at most 1000.
    ///
    /// # Errors
    /// An entry that is missing or cannot be read, named; the store's failures.
    pub async fn list(&self, limit: usize) -> Result<Vec<AuditRecord>, AuditError> {
        let newest = self.newest().await?.sequence;
        let limit = u64::try_from(limit.min(MAX_LIST)).unwrap_or(u64::MAX);
        let oldest = newest.saturating_sub(limit) + 1;
        let mut records = Vec::new();
        for sequence in (oldest..=newest).rev() {
            let bytes = self.bytes(sequence).await?;
            let bytes = bytes.ok_or(AuditError::Missing { sequence })?;
            records.push(parse(sequence, &bytes)?);
        }
        Ok(records)
    }

    /// Reads the whole chain and checks every link; returns how many entries
    /// there are.
    ///
    /// # Errors
    /// The first entry that is missing, cannot be read or does not follow from
    /// the one before it; the store's failures.
    pub async fn verify(&self) -> Result<u64, AuditError> {
        let newest = self.newest().await?.sequence;
        let mut previous = ORIGIN;
        for sequence in 1..=newest {
            let bytes = self.bytes(sequence).await?;
            let bytes = bytes.ok_or(AuditError::Missing { sequence })?;
            let record = parse(sequence, &bytes)?;
            if record.sequence != sequence || record.previous != hex(&previous) {
                return Err(AuditError::Broken { sequence });
            }
            previous = digest(&bytes);
        }
        Ok(newest)
    }

    /// The number of the entry that tells the same. Times are not in order: what
    /// is completed after a crash tells when it was decided.
    async fn told(&self, newest: u64, entry: &AuditEntry) -> Result<Option<u64>, AuditError> {
        let said = entry.at(0, &ORIGIN);
        let searched = u64::try_from(MAX_LIST).unwrap_or(u64::MAX);
        for sequence in (1..=newest).rev().take_while(|n| newest - n < searched) {
            let bytes = self.bytes(sequence).await?;
            // What cannot be read tells nothing; `verify` names it.
            let Some(record) = bytes.and_then(|bytes| parse(sequence, &bytes).ok()) else {
                continue;
            };
            if record.tells_the_same(&said) {
                return Ok(Some(sequence));
            }
        }
        Ok(None)
    }

    async fn newest(&self) -> Result<Head, AuditError> {
        let mut head = self.head.lock().await;
        self.catch_up(&mut head).await?;
        Ok(*head)
    }

    /// Moves `head` to the newest entry: strides that double until one misses,
    /// then halve. Numbers have no gaps, so the log of N entries costs log N.
    async fn catch_up(&self, head: &mut Head) -> Result<(), AuditError> {
        let mut stride = 1_u64;
        let mut growing = true;
        while stride > 0 {
            let sequence = head.sequence.saturating_add(stride);
            match self.bytes(sequence).await? {
                Some(bytes) => {
                    *head = Head {
                        sequence,
                        hash: digest(&bytes),
                    };
                    stride = if growing { stride * 2 } else { stride / 2 };
                }
                None => {
                    growing = false;
                    stride /= 2;
                }
            }
        }
        Ok(())
    }

    async fn bytes(&self, sequence: u64) -> Result<Option<Vec<u8>>, AuditError> {
        let found = self.store.get(&key(sequence)?).await?;
        Ok(found.map(|found| found.value))
    }
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit").finish_non_exhaustive()
    }
}

impl AuditEntry {
    fn at(&self, sequence: u64, previous: &Hash) -> AuditRecord {
        AuditRecord {
            v: VERSION,
            sequence,
            previous: hex(previous),
            time: self.time,
            actor: cut(&self.actor.to_string(), 512),
            verb: cut(&self.verb, 64),
            object: cut(&self.object, 512),
            outcome: self.outcome,
            reason: self.reason.as_deref().map(|reason| cut(reason, 1024)),
        }
    }
}

impl AuditRecord {
    fn tells_the_same(&self, other: &Self) -> bool {
        (self.time, self.outcome) == (other.time, other.outcome)
            && self.actor == other.actor
            && self.verb == other.verb
            && self.object == other.object
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LocalUid(uid, None) => write!(f, "uid/{uid}"),
            Self::LocalUid(uid, Some(name)) => write!(f, "uid/{uid}({name})"),
            Self::Spiffe(id) => f.write_str(id),
            Self::Token(id) => write!(f, "token/{id}"),
            Self::System(part) => write!(f, "system/{part}"),
            Self::Recorded(actor) => f.write_str(actor),
        }
    }
}

/// Why the audit log could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// An entry is not there.
    #[error("audit entry {sequence} is missing: the log was altered, or the store restored")]
    Missing {
        /// The entry's number.
        sequence: u64,
    },
    /// An entry does not follow from the one before it.
    #[error("audit entry {sequence} does not follow from the one before it: the log was altered")]
    Broken {
        /// The entry's number.
        sequence: u64,
    },
    /// An entry cannot be read.
    #[error(
        "audit entry {sequence} cannot be read: the log was altered, or is newer than this binary"
    )]
    Unreadable {
        /// The entry's number.
        sequence: u64,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// An entry cannot be written as JSON.
    #[error("the audit entry cannot be written as JSON: this is a bug")]
    Unwritable(#[source] serde_json::Error),
    /// Other replicas kept appending.
    #[error("the audit log kept growing during {ATTEMPTS} attempts: try again later")]
    Contended,
    /// The store failed.
    #[error("the audit log could not be read or written")]
    Store(#[from] StoreError),
}

#[derive(Debug, Clone, Copy, Default)]
struct Head {
    sequence: u64,
    hash: Hash,
}

type Hash = [u8; 32];

fn digest(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

fn hex(hash: &Hash) -> String {
    use std::fmt::Write;
    hash.iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

fn key(sequence: u64) -> Result<Key, StoreError> {
    Key::new(format!("audit/{sequence:020}")).map_err(StoreError::Corrupt)
}

fn parse(sequence: u64, bytes: &[u8]) -> Result<AuditRecord, AuditError> {
    serde_json::from_slice(bytes).map_err(|source| AuditError::Unreadable { sequence, source })
}

/// The first `limit` bytes at most, at a character's end.
fn cut(text: &str, limit: usize) -> String {
    text.char_indices()
        .take_while(|(at, c)| at + c.len_utf8() <= limit)
        .map(|(_, c)| c)
        .collect()
}

const ORIGIN: Hash = [0; 32];
const VERSION: u32 = 1;
const ATTEMPTS: usize = 64;
const MAX_LIST: usize = 1000;

#[cfg(test)]
mod tests;
