//! Where declarations come from: a watched folder, or a text given by whoever
//! composes the process.
//!
//! Both run the same code: named texts go into [`Texts`], a [`Testimony`] comes
//! out. Which of them is believed is not decided here.

mod files;
mod teller;
mod testimony;
pub(crate) mod texts;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pelago_resources::Context;
use pelago_runtime::scope::Scope;
use tokio::sync::{Notify, watch};

use crate::keep::keep;

use teller::Teller;
use texts::Texts;

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

impl Source {
    /// Whether a text of that name is one of this source, the `index`th.
    fn owns(&self, index: usize, name: &str) -> bool {
        match self {
            // Both as text, since that is how names of files are made.
            Self::Files(folder) => {
                Path::new(name).parent() == Some(Path::new(&folder.display().to_string()))
            }
            Self::Static(_) => name == static_name(index),
        }
    }
}

/// Starts to read a source, the `index`th; `before` is what all sources said
/// when they were last whole, and `bell` rings after each change.
pub(crate) fn start(
    (index, source): (usize, Source),
    context: Context,
    before: &BTreeMap<String, Arc<str>>,
    bell: &Arc<Notify>,
    scope: &Scope,
) -> Said {
    let own = before
        .iter()
        .filter(|(name, _)| source.owns(index, name))
        .map(|(name, text)| (name.clone(), Arc::clone(text)));
    let texts = Texts::new(context, own.collect());
    let (say, said) = watch::channel(Arc::new(texts.unread()));
    let teller = Teller::new(say, bell, texts);
    match source {
        Source::Files(folder) => keep(scope, "files", files::run(folder, teller)),
        Source::Static(text) => keep(scope, "static", follow(static_name(index), text, teller)),
    }
    said
}

fn static_name(index: usize) -> String {
    format!("static {index}")
}

async fn follow(name: String, mut text: watch::Receiver<String>, mut teller: Teller) {
    loop {
        let now = text.borrow_and_update().clone();
        teller.all([(name.clone(), now)].into(), BTreeMap::new());
        // When the writer is gone the last text holds.
        if text.changed().await.is_err() {
            return;
        }
    }
}
