//! Who follows discovery now, and how far each is.
//!
//! An identity has a few streams at most: a new one takes the place of the
//! oldest, which may be what a lost connection left.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use pelago_model::SpiffeId;
use pelago_resources::one_line;
use pelago_wire::admin::ClientInfo;
use pelago_xds::Progress;
use tokio::sync::{oneshot, watch};

/// Who follows discovery now.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    streams: Mutex<BTreeMap<SpiffeId, VecDeque<Stream>>>,
}

#[derive(Debug)]
struct Stream {
    progress: watch::Receiver<Progress>,
    /// The stream ends when this is dropped.
    _held: oneshot::Sender<()>,
}

impl Stream {
    fn is_open(&self) -> bool {
        self.progress.has_changed().is_ok()
    }
}

impl Clients {
    /// Counts a stream, which ends at the latest when `held` is dropped.
    pub(crate) fn admit(&self, id: SpiffeId, held: oneshot::Sender<()>) -> watch::Sender<Progress> {
        let (report, progress) = watch::channel(Progress::default());
        let mut clients = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        clients.retain(|_, streams| {
            streams.retain(Stream::is_open);
            !streams.is_empty()
        });
        let streams = clients.entry(id).or_default();
        if streams.len() >= MAX_STREAMS {
            streams.pop_front();
        }
        streams.push_back(Stream {
            progress,
            _held: held,
        });
        report
    }

    /// The newest stream of each identity that has one open.
    pub(crate) fn list(&self) -> Vec<ClientInfo> {
        let clients = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = clients
            .iter()
            .filter_map(|(id, streams)| Some((id, streams.iter().rfind(|s| s.is_open())?)));
        let info = |(id, stream): (&SpiffeId, &Stream)| {
            let progress = stream.progress.borrow();
            ClientInfo {
                identity: id.to_string(),
                synced: progress.synced,
                last_error: one_line(&progress.last_error, 300),
            }
        };
        newest.map(info).collect()
    }
}

const MAX_STREAMS: usize = 4;
