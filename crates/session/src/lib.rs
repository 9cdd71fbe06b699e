//! BitTorrent sessions: many torrents, one listener, one facade.
#![forbid(unsafe_code)]
