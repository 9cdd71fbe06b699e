//! A whole `.torrent` file.

mod lists;
#[cfg(test)]
mod tests;
mod write;

use std::sync::Arc;

use headwater_bencode::{Limits, Node, Options};

use crate::text::TextEncoding;
use crate::{HostPort, Info, InfoHashes, Magnet, MetainfoError};

/// Largest torrent that is accepted: 64 MiB. Whoever reads one should stop there.
///
/// The most pieces that a torrent may have need 40 MiB of hashes; the rest leaves room for the names of far more than
/// 100,000 files.
pub const MAX_TORRENT_SIZE: usize = 64 << 20;

/// Lenient, and with room for as many items as a large torrent has: eight bytes each are few for names and numbers.
pub(crate) fn decode_options() -> Options {
    Options::lenient().limits(Limits {
        max_items: MAX_TORRENT_SIZE / 8,
        ..Limits::default()
    })
}

/// A torrent: what it holds ([`Info`]), and where to find others that have it.
///
/// ```
/// use headwater_metainfo::Metainfo;
///
/// let bytes = [
///     b"d8:announce17:http://tracker/an4:infod6:lengthi3e4:name5:a.txt12:piece lengthi16384e6:pieces20:".as_slice(),
///     &[7; 20],
///     b"ee",
/// ].concat();
/// let torrent = Metainfo::from_bytes(&bytes)?;
/// assert_eq!(torrent.trackers(), [["http://tracker/an"]]);
/// assert_eq!(torrent.info().layout().total_size(), 3);
/// println!("{}", torrent.magnet());
/// # Ok::<(), headwater_metainfo::MetainfoError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metainfo {
    info: Arc<Info>,
    trackers: Vec<Vec<String>>,
    web_seeds: Vec<String>,
    http_seeds: Vec<String>,
    nodes: Vec<HostPort>,
    comment: Option<String>,
    created_by: Option<String>,
    creation_date: Option<i64>,
}

impl Metainfo {
    /// Most tracker URLs that are taken over, and likewise web seeds and nodes; what comes after is left out.
    pub const MAX_ADDRESSES: usize = 1_000;

    /// Reads a torrent.
    ///
    /// Keys out of order and bytes after the end are accepted, as the wild has them. Outside of the `info` dictionary,
    /// what has the wrong type counts as missing.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MetainfoError> {
        match bytes.len() {
            0 => return Err(MetainfoError::Empty),
            1..=MAX_TORRENT_SIZE => {}
            _ => return Err(MetainfoError::TooLarge),
        }
        let document = Options::lenient().decode(bytes).map_err(|error| {
            if is_web_page(bytes) {
                MetainfoError::WebPage
            } else {
                error.into()
            }
        })?;
        Self::from_root(document.root())
    }

    fn from_root(root: Node<'_, '_>) -> Result<Self, MetainfoError> {
        if root.as_dict().is_none() {
            return Err(MetainfoError::NotDictionary);
        }
        let encoding = encoding_of(root);
        let info = root.get("info").ok_or(MetainfoError::NoInfo)?;
        let text = |key: &str| {
            let bytes = root.get(key).and_then(|node| node.as_bytes());
            bytes.map(|bytes| encoding.decode(bytes).into_owned())
        };
        Ok(Self {
            info: Arc::new(Info::from_node(info, encoding)?),
            trackers: lists::trackers(root),
            web_seeds: lists::urls(root.get("url-list")),
            http_seeds: lists::urls(root.get("httpseeds")),
            nodes: lists::nodes(root),
            comment: text("comment.utf-8").or_else(|| text("comment")),
            created_by: text("created by"),
            creation_date: root.get("creation date").and_then(|date| date.as_int()),
        })
    }

    /// The torrent that a magnet link names, with its trackers and web seeds, now that its info dictionary is there.
    ///
    /// Whether `info` is the one that the link means is for the caller to check.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use headwater_metainfo::{Info, Magnet, Metainfo};
    ///
    /// let raw = [b"d6:lengthi3e4:name5:a.txt12:piece lengthi16384e6:pieces20:".as_slice(), &[7; 20], b"e"].concat();
    /// let info = Arc::new(Info::from_bytes(&raw)?); // from peers
    /// let mut magnet = Magnet::new(info.info_hashes());
    /// magnet.trackers.push("udp://tracker.example:80".to_owned());
    ///
    /// let file = Metainfo::from_magnet(&magnet, info).to_bytes();
    /// let torrent = Metainfo::from_bytes(&file)?;
    /// assert_eq!(torrent.info_hashes(), magnet.info_hashes);
    /// assert_eq!(torrent.trackers(), [["udp://tracker.example:80"]]);
    /// # Ok::<(), headwater_metainfo::MetainfoError>(())
    /// ```
    pub fn from_magnet(magnet: &Magnet, info: Arc<Info>) -> Self {
        Self {
            info,
            trackers: magnet
                .trackers
                .iter()
                .map(|url| vec![url.clone()])
                .collect(),
            web_seeds: magnet.web_seeds.clone(),
            http_seeds: Vec::new(),
            nodes: Vec::new(),
            comment: None,
            created_by: None,
            creation_date: None,
        }
    }

    /// A `.torrent` file: what this has, around the info dictionary's raw bytes, so that the info-hash stays what it is.
    ///
    /// Texts are UTF-8; in what encoding the names in the info dictionary are is not said.
    pub fn to_bytes(&self) -> Vec<u8> {
        write::torrent(self)
    }

    /// What the info-hash stands for.
    pub const fn info(&self) -> &Arc<Info> {
        &self.info
    }

    /// The hashes of the raw `info` dictionary.
    pub fn info_hashes(&self) -> InfoHashes {
        self.info.info_hashes()
    }

    /// Tracker URLs in tiers, in the torrent's order and without duplicates (BEP 12): `announce-list` if there is one, else `announce`.
    pub fn trackers(&self) -> &[Vec<String>] {
        &self.trackers
    }

    /// Web seed URLs as the torrent has them (BEP 19).
    pub fn web_seeds(&self) -> &[String] {
        &self.web_seeds
    }

    /// URLs of the older kind of web seed (`httpseeds`, BEP 17).
    pub fn http_seeds(&self) -> &[String] {
        &self.http_seeds
    }

    /// DHT nodes to start from (BEP 5).
    pub fn nodes(&self) -> &[HostPort] {
        &self.nodes
    }

    /// What the maker says about it.
    pub fn comment(&self) -> Option<&str> {
        self.comment.as_deref()
    }

    /// The program that made it.
    pub fn created_by(&self) -> Option<&str> {
        self.created_by.as_deref()
    }

    /// When it was made, in seconds since 1970, if that can be believed.
    pub const fn creation_date(&self) -> Option<i64> {
        self.creation_date
    }

    /// A magnet link with the torrent's name, trackers and web seeds.
    pub fn magnet(&self) -> Magnet {
        Magnet {
            name: Some(self.info.name().to_owned()),
            trackers: self.trackers.concat(),
            web_seeds: self.web_seeds.clone(),
            ..Magnet::new(self.info_hashes())
        }
    }
}

fn encoding_of(root: Node<'_, '_>) -> TextEncoding {
    let label = root.get("encoding").and_then(|label| label.as_bytes());
    let codepage = root.get("codepage").and_then(|number| number.as_int());
    TextEncoding::new(label, codepage)
}

fn is_web_page(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().first() == Some(&b'<')
}
