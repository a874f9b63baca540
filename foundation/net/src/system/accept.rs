//! Which errors of `accept` end a listener and which pass.
//!
//! `accept(2)` reports trouble of the connection at the head of the queue, and of the process's
//! limits, as its own; neither is a reason to stop serving.

use std::io;
use std::time::Duration;

use nix::errno::Errno;

/// Returns when accepting may go on, or the error that ends the listener.
pub(super) async fn recover(error: io::Error) -> io::Result<()> {
    match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
        // accept(2), "Error handling": pending errors of the new socket, to be retried.
        Errno::ECONNABORTED
        | Errno::EINTR
        | Errno::EPERM
        | Errno::EPROTO
        | Errno::ENOPROTOOPT
        | Errno::ENETDOWN
        | Errno::ENETUNREACH
        | Errno::EHOSTDOWN
        | Errno::EHOSTUNREACH
        | Errno::EOPNOTSUPP
        | Errno::ETIMEDOUT => Ok(()),
        // The connection stays in the queue: without a pause this would spin.
        Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM => {
            tokio::time::sleep(EXHAUSTED_PAUSE).await;
            Ok(())
        }
        _ => Err(error),
    }
}

/// How long to leave connections in the queue when descriptors or memory ran out.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);
