//! HTTP/2 errors as IO errors, for those who read and write a stream.
//!
//! The h2 error stays inside as the cause; the kind says what happened.

use std::io;

/// A peer's RST_STREAM is a reset, as TCP's is; a GOAWAY is an abort.
pub(crate) fn io_error(error: h2::Error) -> io::Error {
    let kind = if let Some(io) = error.get_io() {
        io.kind()
    } else if error.is_reset() {
        io::ErrorKind::ConnectionReset
    } else if error.is_go_away() {
        io::ErrorKind::ConnectionAborted
    } else {
        io::ErrorKind::BrokenPipe
    };
    io::Error::new(kind, error)
}

/// A write to a stream that the peer has reset.
pub(crate) fn reset(reason: h2::Reason) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, h2::Error::from(reason))
}
