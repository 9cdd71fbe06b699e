//! Pieces on disk: mapped reads, positioned writes, part file, verification, resume data.
#![forbid(unsafe_code)]
