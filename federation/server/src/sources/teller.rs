//! Tells the one who reconciles what a source says, and people what is wrong
//! with it, each once.

use std::collections::BTreeMap;
use std::sync::Arc;

use pelago_resources::{Context, Finding};
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
        context: Context,
    ) -> Self {
        Self {
            say,
            bell: Arc::clone(bell),
            texts: Texts::new(context),
        }
    }

    /// The source now holds exactly these texts.
    pub(super) fn all(&mut self, texts: BTreeMap<String, String>, refused: Vec<Finding>) {
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
        for finding in &testimony.findings {
            if !old.findings.contains(finding) {
                tracing::warn!(%finding, "a source is not honoured as it is written");
            }
        }
        self.say.send_replace(Arc::new(testimony));
        self.bell.notify_one();
    }
}
