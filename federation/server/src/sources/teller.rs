//! Tells the one who reconciles what a source says, and people what is wrong
//! with it, each once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pelago_resources::Finding;
use tokio::sync::{Notify, watch};

use super::testimony::Testimony;
use super::texts::Texts;

/// Tells what texts say.
pub(super) struct Teller {
    say: watch::Sender<Arc<Testimony>>,
    bell: Arc<Notify>,
    texts: Texts,
}

impl Teller {
    /// A source that has not said anything.
    pub(super) fn new(
        say: watch::Sender<Arc<Testimony>>,
        bell: &Arc<Notify>,
        texts: Texts,
    ) -> Self {
        Self {
            say,
            bell: Arc::clone(bell),
            texts,
        }
    }

    /// The source now holds exactly these texts.
    pub(super) fn all(
        &mut self,
        texts: BTreeMap<String, String>,
        refused: BTreeMap<String, Finding>,
    ) {
        let testimony = self.texts.update(texts, refused);
        self.tell(testimony);
    }

    /// The source could not be read at all: what it said before holds.
    pub(super) fn unreadable(&mut self, finding: Finding) {
        let testimony = self.texts.unreadable(finding);
        self.tell(testimony);
    }

    fn tell(&self, testimony: Testimony) {
        let old = self.say.borrow().clone();
        let old: BTreeSet<&Finding> = old.findings.iter().collect();
        let mut news = testimony.findings.iter().filter(|new| !old.contains(new));
        for finding in news.by_ref().take(MAX_LINES) {
            tracing::warn!(%finding, "a source is not honoured as it is written");
        }
        let more = news.count();
        if more > 0 {
            tracing::warn!(
                more,
                "a source has more that is not honoured: ask for the status"
            );
        }
        self.say.send_replace(Arc::new(testimony));
        self.bell.notify_one();
    }
}

/// Whoever writes a file many times must not fill the log.
const MAX_LINES: usize = 20;
