//! The BitTorrent peer wire protocol: handshake, messages and a tokio-util codec (BEP 3, 6, 10, 52).
#![forbid(unsafe_code)]
