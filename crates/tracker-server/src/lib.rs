//! A small in-memory BitTorrent tracker: HTTP and UDP announce and scrape.
#![forbid(unsafe_code)]
