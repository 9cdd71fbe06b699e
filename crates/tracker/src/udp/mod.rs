//! The UDP tracker protocol without sockets: packets (BEP 15, BEP 41), and retransmission as a state machine.

mod decode;
mod endpoint;
mod packet;
mod query;
#[cfg(test)]
mod tests;

pub use self::decode::{decode, decode_request};
pub use self::endpoint::{Endpoint, RequestId, Transmit};
pub use self::packet::{Family, Request, Response};
pub use self::query::{Answer, Query};

/// How many torrents one UDP scrape asks about at most.
pub const MAX_SCRAPE: usize = 74;
