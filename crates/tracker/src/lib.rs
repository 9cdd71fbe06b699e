//! Tracker client: announce and scrape over HTTP(S) and UDP, with tiers (BEP 3, 7, 12, 15, 23, 31, 41, 48).
#![forbid(unsafe_code)]
