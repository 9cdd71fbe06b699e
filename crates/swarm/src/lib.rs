//! The brain of one torrent's swarm, sans-IO: picker, request queues, choker, bans.
#![forbid(unsafe_code)]
