//! The UDP tracker protocol without sockets: packets (BEP 15, BEP 41), and retransmission as a state machine.

mod endpoint;
mod packet;
#[cfg(test)]
mod tests;

pub use self::endpoint::{Answer, Endpoint, Query, RequestId, Transmit};
pub use self::packet::{Family, Request, Response, decode, decode_request};

/// How many torrents one UDP scrape asks about at most.
pub const MAX_SCRAPE: usize = 74;
