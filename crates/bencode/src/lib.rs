//! Zero-copy bencode decoder with raw spans and limits, and a canonical encoder (BEP 3).
#![forbid(unsafe_code)]
