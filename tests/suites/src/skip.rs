//! How a test says that this machine cannot run it.
//!
//! A test that needs python3, curl or root looks for it, and where it is
//! missing calls [`skip`] and returns. The line goes to standard error and to
//! the file that `cargo xtask test` names in `PELAGO_SKIPS`, so that a skipped
//! test is never mistaken for a passed one. It never ends the test itself.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;

/// The environment variable that holds the path of the skip list.
pub const SKIPS: &str = "PELAGO_SKIPS";

/// Says that the test `name` did not run because `why`.
///
/// Prints `skipped: NAME, why` and appends the same line to the skip list,
/// when there is one. Line breaks become spaces.
///
/// # Panics
///
/// When the skip list is named but cannot be written: a skip must not be lost.
pub fn skip(name: &str, why: &str) {
    let line = line(name, why);
    eprint!("{line}");
    let Some(list) = list() else {
        return;
    };
    if let Err(error) = append(Path::new(&list), &line) {
        let list = list.display();
        unwritable(&format!(
            "{SKIPS} names {list}, which cannot be written: {error}"
        ));
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests are started by cargo, which has no other way to pass it"
)]
fn list() -> Option<OsString> {
    std::env::var_os(SKIPS)
}

#[expect(
    clippy::panic,
    reason = "called by tests only, and a lost skip would look like a pass"
)]
fn unwritable(message: &str) -> ! {
    panic!("{message}");
}

fn line(name: &str, why: &str) -> String {
    let flat = format!("skipped: {name}, {why}").replace(['\n', '\r'], " ");
    format!("{flat}\n")
}

/// One write per line, so that tests in parallel do not mix theirs.
fn append(list: &Path, line: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(list)?;
    file.write_all(line.as_bytes())
}

#[cfg(test)]
mod tests;
