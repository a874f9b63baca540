//! How much of anything a message may hold.
//!
//! A decoder counts before it allocates: a list longer than its limit is
//! malformed as a whole. The limits are far above what a mesh needs and far
//! below what would hurt; several protocols share them.

/// The largest gRPC message in bytes, either way. Pass it to
/// `max_decoding_message_size` and `max_encoding_message_size` of every
/// client and server.
pub const MAX_MESSAGE: usize = 4 * 1024 * 1024;

/// The largest discovery resource in bytes, so that one always fits a message.
pub const MAX_RESOURCE: usize = 1024 * 1024;

/// The longest free text (labels, zones, port names, hints) in bytes.
pub const MAX_TEXT: usize = 1024;

/// The longest pattern in a policy in bytes: a whole SPIFFE ID fits.
pub const MAX_PATTERN: usize = 2048;

/// The longest PKCS#10 request in bytes.
pub const MAX_CSR: usize = 16 * 1024;

/// The most certificates in a chain.
pub const MAX_CHAIN: usize = 8;

/// The most bytes of all certificates of a chain.
pub const MAX_CHAIN_BYTES: usize = 64 * 1024;

/// The most addresses of one gateway, controller or workload.
pub const MAX_ADDRESSES: usize = 64;

/// The most ports of a service or of one endpoint.
pub const MAX_PORTS: usize = 1024;

/// The most entries of any other list inside one resource.
pub const MAX_LIST: usize = 4096;

/// The most endpoints of one exported service, and of all services of a peer.
pub const MAX_ENDPOINTS: usize = 10_000;

/// The most registration entries of one node.
pub const MAX_ENTRIES: usize = 4096;

/// The most bundles one session may tell.
pub const MAX_BUNDLES: usize = 1024;

/// The most capabilities in a Hello.
pub const MAX_CAPABILITIES: usize = 64;
