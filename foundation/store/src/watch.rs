//! Changes as they happen, or word that some were missed.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::Stream;

use crate::key::Key;
use crate::revision::{Revision, Versioned};

/// One change, or word that the watcher must list again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The key has this value now.
    Put(Key, Versioned),
    /// The key is gone since this revision.
    Delete(Key, Revision),
    /// Changes were missed (the watcher fell behind, or the revision is too old
    /// or not of this store): list again and watch from there. Always the last
    /// event of its watch.
    Relist,
}

/// The changes below a prefix, a [`Stream`]. It ends after [`Event::Relist`], or
/// when the store is closed. It holds no events of its own: a slow watcher costs
/// nothing and is told to list again once the store has forgotten its place.
pub struct Watch {
    events: Pin<Box<dyn Stream<Item = Event> + Send>>,
}

impl Watch {
    /// A watch over a backend's own stream, which must keep the contract above.
    pub fn new(events: impl Stream<Item = Event> + Send + 'static) -> Self {
        Self {
            events: Box::pin(events),
        }
    }

    /// The next event; `None` after [`Event::Relist`] or when the store is
    /// closed. Cancel-safe.
    pub async fn next(&mut self) -> Option<Event> {
        poll_fn(|cx| self.events.as_mut().poll_next(cx)).await
    }
}

impl Stream for Watch {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.events.as_mut().poll_next(cx)
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}
