//! Magnet links (BEP 9, BEP 53).

mod parse;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::RangeInclusive;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{HostPort, InfoHashes, ParseInfoHashError};

/// What may stand in a link as it is (RFC 3986's unreserved characters).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The same for a host and a port, which stay readable: an IPv6 address has colons and stands in brackets.
const ESCAPED_IN_HOST: &AsciiSet = &ESCAPED.remove(b':').remove(b'[').remove(b']');

/// How a multihash says that 32 bytes of SHA-256 follow.
const SHA256_MULTIHASH: &str = "1220";

/// A link that names a torrent by its info-hash, with hints where to find it.
///
/// ```
/// use headwater_metainfo::Magnet;
///
/// let link = "magnet:?xt=urn:btih:0123456789abcdef0123456789abcdef01234567&dn=One+Two&tr=udp%3A%2F%2Ftracker.example%3A80";
/// let magnet: Magnet = link.parse()?;
/// assert_eq!(magnet.name.as_deref(), Some("One Two"));
/// assert_eq!(magnet.trackers, ["udp://tracker.example:80"]);
/// assert_eq!(magnet.to_string().parse(), Ok(magnet));
/// # Ok::<(), headwater_metainfo::MagnetError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Magnet {
    /// What is looked for (`xt`): `urn:btih`, `urn:btmh` or both.
    pub info_hashes: InfoHashes,
    /// What to call it until its metadata is there (`dn`). **Not safe as a path**: see [`SafePath`](crate::SafePath).
    pub name: Option<String>,
    /// Tracker URLs (`tr`), each a tier of its own.
    pub trackers: Vec<String>,
    /// Web seed URLs (`ws`).
    pub web_seeds: Vec<String>,
    /// Peers to try first (`x.pe`).
    pub peers: Vec<HostPort>,
    /// The files that are wanted, by index from 0 (`so`, BEP 53); empty for all.
    pub selected_files: Vec<RangeInclusive<u32>>,
}

impl Magnet {
    /// Longest link that is parsed, in bytes: 64 KiB.
    pub const MAX_BYTES: usize = 64 * 1024;
    /// Most trackers, most web seeds and most peers that are taken from one link; what comes after is left out.
    pub const MAX_ADDRESSES: usize = 256;

    /// A link with nothing but info-hashes.
    pub const fn new(info_hashes: InfoHashes) -> Self {
        Self {
            info_hashes,
            name: None,
            trackers: Vec::new(),
            web_seeds: Vec::new(),
            peers: Vec::new(),
            selected_files: Vec::new(),
        }
    }
}

/// A text that is no magnet link, or none of a torrent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MagnetError {
    /// It does not start with `magnet:?`.
    #[error("not a magnet link: it does not start with \"magnet:?\"")]
    NotMagnet,
    /// It is longer than [`Magnet::MAX_BYTES`].
    #[error("the magnet link is longer than {} bytes", Magnet::MAX_BYTES)]
    TooLong,
    /// It has no `xt` of a torrent.
    #[error("the magnet link names no torrent: it has no \"xt=urn:btih:\" or \"xt=urn:btmh:\"")]
    NoInfoHash,
    /// The `urn:btih` is none.
    #[error("the magnet link's \"xt=urn:btih:\" is {0}")]
    InfoHash(#[from] ParseInfoHashError),
    /// The `urn:btmh` is no SHA-256 multihash.
    #[error("the magnet link's \"xt=urn:btmh:\" is not \"1220\" and 64 hexadecimal digits")]
    InfoHashV2,
    /// The `so` is no list of file numbers and ranges.
    #[error("the magnet link's \"so\" is not a list such as \"0,2,4-6\"")]
    SelectedFiles,
}

impl fmt::Display for Magnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut link = LinkWriter { f, separator: '?' };
        link.f.write_str("magnet:")?;
        if let Some(v1) = self.info_hashes.v1() {
            link.plain("xt", format_args!("urn:btih:{v1}"))?;
        }
        if let Some(v2) = self.info_hashes.v2() {
            link.plain("xt", format_args!("urn:btmh:{SHA256_MULTIHASH}{v2}"))?;
        }
        link.escaped("dn", &self.name, ESCAPED)?;
        link.escaped("tr", &self.trackers, ESCAPED)?;
        link.escaped("ws", &self.web_seeds, ESCAPED)?;
        let peers = self.peers.iter().map(HostPort::to_string);
        link.escaped("x.pe", peers, ESCAPED_IN_HOST)?;
        if !self.selected_files.is_empty() {
            link.plain(
                "so",
                format_args!("{}", SelectedFiles(&self.selected_files)),
            )?;
        }
        Ok(())
    }
}

struct LinkWriter<'f, 'b> {
    f: &'f mut fmt::Formatter<'b>,
    separator: char,
}

impl LinkWriter<'_, '_> {
    fn plain(&mut self, key: &str, value: fmt::Arguments<'_>) -> fmt::Result {
        let separator = std::mem::replace(&mut self.separator, '&');
        write!(self.f, "{separator}{key}={value}")
    }

    fn escaped(
        &mut self,
        key: &str,
        values: impl IntoIterator<Item: AsRef<str>>,
        escaped: &'static AsciiSet,
    ) -> fmt::Result {
        for value in values {
            let value = utf8_percent_encode(value.as_ref(), escaped);
            self.plain(key, format_args!("{value}"))?;
        }
        Ok(())
    }
}

struct SelectedFiles<'a>(&'a [RangeInclusive<u32>]);

impl fmt::Display for SelectedFiles<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, files) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            match (files.start(), files.end()) {
                (first, last) if first == last => write!(f, "{comma}{first}")?,
                (first, last) => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}
