//! Who holds the caller's end of a local TCP connection: socket table, then `/proc`.
//!
//! A walk through `/proc` costs the same for one socket as for many, so those asked for while one
//! is under way wait and share the next. A walk answers only for sockets that were asked for
//! before it began, and each socket is looked up again after it: nothing is remembered.

mod search;

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::diag::{self, Entry};
use crate::error::OwnerError;
use crate::facts::{Holders, Owner, SocketPair};
use search::{Outcome, search};

/// Answers who owns what; clones of a network share it.
#[derive(Debug, Default)]
pub(super) struct Owners {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<Asked>,
    /// Walks under way.
    walking: usize,
}

#[derive(Debug)]
struct Asked {
    pair: SocketPair,
    /// Walks that came to nothing because a holder changed.
    walks: usize,
    answer: oneshot::Sender<Result<Owner, OwnerError>>,
}

impl Owners {
    /// The owner of the peer's end.
    pub(super) async fn of(self: &Arc<Self>, pair: SocketPair) -> Result<Owner, OwnerError> {
        let (answer, answered) = oneshot::channel();
        if let Some(walker) = self.ask(Asked {
            pair,
            walks: 0,
            answer,
        }) {
            // It answers by the channel; how it ended shows there.
            drop(tokio::task::spawn_blocking(move || walker.run()));
        }
        answered.await.unwrap_or_else(|_ended| {
            Err(OwnerError::Table {
                source: io::Error::other("the search for the owner was ended"),
            })
        })
    }

    fn ask(self: &Arc<Self>, asked: Asked) -> Option<Walker> {
        let mut state = self.lock();
        state.waiting.push(asked);
        (state.walking < WALKERS).then(|| {
            state.walking += 1;
            Walker {
                owners: Arc::clone(self),
                finished: false,
            }
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Walks until nobody waits.
struct Walker {
    owners: Arc<Owners>,
    finished: bool,
}

impl Walker {
    fn run(mut self) {
        while let Some(batch) = self.next() {
            let pairs: Vec<_> = batch.iter().map(|asked| asked.pair).collect();
            let mut again = Vec::new();
            for (mut asked, owner) in batch.into_iter().zip(read(&pairs)) {
                asked.walks += 1;
                let pair = asked.pair;
                let owner = match owner {
                    Some(owner) => owner,
                    None if asked.walks < WALKS => {
                        again.push(asked);
                        continue;
                    }
                    None => Err(OwnerError::Changing { pair }),
                };
                // Who no longer waits does not miss it.
                let _ = asked.answer.send(owner);
            }
            self.owners.lock().waiting.append(&mut again);
        }
    }

    /// Those to answer together; with nobody left this walker is done.
    fn next(&mut self) -> Option<Vec<Asked>> {
        let mut state = self.owners.lock();
        state.waiting.retain(|asked| !asked.answer.is_closed());
        let count = state.waiting.len().min(BATCH);
        if count == 0 {
            state.walking -= 1;
            self.finished = true;
            return None;
        }
        Some(state.waiting.drain(..count).collect())
    }
}

impl Drop for Walker {
    /// One that never ran, because its runtime ended, must not leave the others waiting.
    fn drop(&mut self) {
        if !self.finished {
            let mut state = self.owners.lock();
            state.walking -= 1;
            if state.walking == 0 {
                state.waiting.clear();
            }
        }
    }
}

/// The owners of the peers' ends, in the order asked, after one walk; `None` where a holder or the
/// socket changed meanwhile. Blocks.
fn read(pairs: &[SocketPair]) -> Vec<Option<Result<Owner, OwnerError>>> {
    let entries: Vec<_> = pairs.iter().map(|pair| lookup(*pair)).collect();
    let known = entries.iter().filter_map(|entry| entry.as_ref().ok());
    let wanted: BTreeSet<u32> = known.map(|entry| entry.inode).collect();
    let found = search(&wanted);
    let answers = pairs.iter().zip(entries).map(|(pair, before)| {
        // The inode is only taken while the connection lives: still the same, or start again.
        let (before, after) = match (before, lookup(*pair)) {
            (Ok(before), Ok(after)) => (before, after),
            (Err(error), _) | (_, Err(error)) => return Some(Err(error)),
        };
        let holders = match found.outcome(before.inode) {
            _ if after != before => return None,
            Outcome::Moved => return None,
            Outcome::Complete(holders) => Holders::Known(holders),
            Outcome::Incomplete => Holders::Unreadable,
        };
        let uid = before.uid;
        Some(Ok(Owner { uid, holders }))
    });
    answers.collect()
}

fn lookup(pair: SocketPair) -> Result<Entry, OwnerError> {
    diag::lookup(pair.peer, pair.local)
        .map_err(|source| OwnerError::Table { source })?
        .ok_or(OwnerError::NotFound { pair })
}

/// How often holders may change under us before we give up.
const WALKS: usize = 4;
/// Walks at once: a second one so that who comes during a walk does not wait for its end.
const WALKERS: usize = 2;
/// Sockets that one walk answers for.
const BATCH: usize = 128;
