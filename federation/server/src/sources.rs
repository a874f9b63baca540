//! Where declarations come from: a watched folder, or a text given by whoever
//! composes the process.
//!
//! Both run the same code: named texts go into [`Texts`], a [`Testimony`] comes
//! out. Which of them is believed is not decided here.

mod files;
mod teller;
mod testimony;
pub(crate) mod texts;

use std::path::PathBuf;
use std::sync::Arc;

use pelago_resources::Context;
use pelago_runtime::scope::Scope;
use tokio::sync::{Notify, watch};

use crate::keep::keep;

use teller::Teller;

pub(crate) use testimony::Testimony;

/// A source of declarations.
#[derive(Debug, Clone)]
pub enum Source {
    /// Every `*.yaml`, `*.yml` and `*.json` directly in this folder.
    Files(PathBuf),
    /// A text that is read again whenever it changes, such as that of a mesh
    /// in memory.
    Static(watch::Receiver<String>),
}

/// What is shared with the one who reconciles: the newest testimony, and a bell.
pub(crate) type Said = watch::Receiver<Arc<Testimony>>;

/// Starts to read a source; `bell` rings after each change.
pub(crate) fn start(source: Source, context: Context, bell: &Arc<Notify>, scope: &Scope) -> Said {
    let (say, said) = watch::channel(Arc::new(Testimony::default()));
    let teller = Teller::new(say, bell, context);
    match source {
        Source::Files(folder) => keep(scope, "files", files::run(folder, teller)),
        Source::Static(text) => keep(scope, "static", follow(text, teller)),
    }
    said
}

async fn follow(mut text: watch::Receiver<String>, mut teller: Teller) {
    loop {
        let now = text.borrow_and_update().clone();
        teller.all([("static".to_owned(), now)].into(), Vec::new());
        // When the writer is gone the last text holds.
        if text.changed().await.is_err() {
            return;
        }
    }
}
