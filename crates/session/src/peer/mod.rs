//! Connections to peers: sockets, handshakes, and the task that moves messages.

mod connect;
mod handshake;
mod outbox;
mod reader;
mod socket;
mod task;
#[cfg(test)]
pub(crate) mod testing;
mod writer;

pub(crate) use connect::Dialler;
pub(crate) use handshake::{Connection, HandshakeFailure, Hello, accept_handshake};
#[cfg(test)]
pub(crate) use outbox::Outbound;
pub(crate) use outbox::{Outbox, ServeTarget};
pub(crate) use socket::tune;
pub(crate) use task::{CloseReason, PeerContext, Report, run};
