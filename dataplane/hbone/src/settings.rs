//! Every limit of a tunnel, in one place.
//!
//! The defaults are ztunnel's (its `config.rs` and `proxy/h2`), so that both
//! sides of a mixed mesh flow alike. What HTTP/2 floods are made of has an
//! explicit bound here and never h2's unstated one.

use std::time::Duration;

use h2::{client, server};

/// Limits of one tunnel; the same value fits both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Bytes a peer may have unread on one stream: 4 MiB.
    pub stream_window: u32,
    /// Bytes a peer may have unread on the whole connection: 16 MiB. It is
    /// what a peer can make us keep of received data.
    pub connection_window: u32,
    /// The longest frame taken, in bytes: 1 MiB (RFC 9113 allows 16 KiB to
    /// 16 MiB - 1).
    pub max_frame: u32,
    /// Streams a server admits at once on one connection: 200. More are
    /// answered by `REFUSED_STREAM`.
    pub server_streams: u32,
    /// Streams a client puts on one connection before it wants another: 100.
    /// [`crate::client::Tunnel::has_room`] tells.
    pub client_streams: usize,
    /// Decoded header bytes a server takes in one request: 64 KiB. More is
    /// answered by 431.
    pub server_header_list: u32,
    /// Decoded header bytes a client takes in one answer: 16 KiB.
    pub client_header_list: u32,
    /// Written bytes kept per stream until the peer's window opens: 256 KiB.
    pub send_buffer: usize,
    /// What unread frames of less than 256 bytes may cost beyond their bytes,
    /// per connection: 32 MiB, which is some 130,000 of them. More close the
    /// connection (RUSTSEC-2026-0258), so a stalled reader behind a chatty
    /// writer needs this room or it takes its neighbours along.
    pub frame_overhead: usize,
    /// Streams reset by us that are remembered, so that what is still
    /// arriving for them is ignored rather than an error: 256.
    pub reset_streams: usize,
    /// Streams reset by the peer before they were even taken from the queue:
    /// 64. More close the connection (rapid reset, CVE-2023-44487).
    pub pending_accept_resets: usize,
    /// Resets that the peer's protocol errors provoked, over the connection's
    /// life: 1024. More close it (`MadeYouReset`, CVE-2025-8671).
    pub local_error_resets: usize,
    /// CONNECTs that the peer may abandon before they are answered, at once:
    /// 400; the allowance comes back at an eighth of that per second. More
    /// close the connection.
    pub abandoned: u32,
    /// How often the peer is asked for a sign of life: 10 s.
    pub ping_every: Duration,
    /// How long it may take to give one before the tunnel ends: 20 s.
    pub ping_limit: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            stream_window: 4 * MIB,
            connection_window: 16 * MIB,
            max_frame: MIB,
            server_streams: 200,
            client_streams: 100,
            server_header_list: 64 * 1024,
            client_header_list: 16 * 1024,
            send_buffer: 256 * 1024,
            frame_overhead: 32 * 1024 * 1024,
            reset_streams: 256,
            pending_accept_resets: 64,
            local_error_resets: 1024,
            abandoned: 400,
            ping_every: Duration::from_secs(10),
            ping_limit: Duration::from_secs(20),
        }
    }
}

impl Settings {
    pub(crate) fn client(&self) -> client::Builder {
        let mut builder = client::Builder::new();
        builder
            .initial_window_size(self.stream_window.min(MAX_WINDOW))
            .initial_connection_window_size(self.connection_window.min(MAX_WINDOW))
            .max_frame_size(self.max_frame.clamp(MIN_FRAME, MAX_FRAME))
            .max_header_list_size(self.client_header_list)
            .enable_push(false)
            // Until the server has said its own limit.
            .initial_max_send_streams(self.client_streams)
            .max_send_buffer_size(self.send_buffer.min(MAX_BUFFER))
            .max_concurrent_reset_streams(self.reset_streams)
            .max_pending_accept_reset_streams(self.pending_accept_resets)
            .max_local_error_reset_streams(Some(self.local_error_resets))
            .data_frame_budget(self.frame_overhead);
        builder
    }

    pub(crate) fn server(&self) -> server::Builder {
        let mut builder = server::Builder::new();
        builder
            .initial_window_size(self.stream_window.min(MAX_WINDOW))
            .initial_connection_window_size(self.connection_window.min(MAX_WINDOW))
            .max_frame_size(self.max_frame.clamp(MIN_FRAME, MAX_FRAME))
            .max_header_list_size(self.server_header_list)
            .max_concurrent_streams(self.server_streams)
            .max_send_buffer_size(self.send_buffer.min(MAX_BUFFER))
            .max_concurrent_reset_streams(self.reset_streams)
            .max_pending_accept_reset_streams(self.pending_accept_resets)
            .max_local_error_reset_streams(Some(self.local_error_resets))
            .data_frame_budget(self.frame_overhead);
        builder
    }
}

const MIB: u32 = 1024 * 1024;
/// RFC 9113 section 6.9.1.
const MAX_WINDOW: u32 = (1 << 31) - 1;
/// RFC 9113 section 6.5.2; h2 panics outside.
const MIN_FRAME: u32 = 16 * 1024;
const MAX_FRAME: u32 = (1 << 24) - 1;
/// h2 counts it in 32 bits.
const MAX_BUFFER: usize = u32::MAX as usize;
