//! What can go wrong with the DHT.

use std::net::SocketAddr;

use headwater_dht::krpc::KrpcError;

/// Why something was not done in the DHT.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DhtError {
    /// The session was told to do without, or does not listen.
    #[error("the DHT is turned off")]
    Off,
    /// Somebody else has the UDP port beside the listener.
    #[error("the UDP port {0} is in use by another program")]
    PortInUse(SocketAddr),
    /// Too much has been asked for already.
    #[error("the node has too much to do already")]
    Busy,
    /// It took longer than it may.
    #[error("it took too long")]
    TimedOut,
    /// No node answered.
    #[error("no node of the DHT answered")]
    NoAnswer,
    /// No node took what was to be stored; this is what one of them says.
    #[error("the node at {from} refused: {error}")]
    Refused {
        /// Its address.
        from: SocketAddr,
        /// Its words.
        error: KrpcError,
    },
    /// The session is shut down.
    #[error("the session is shut down")]
    Closed,
}
