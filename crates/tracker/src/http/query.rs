//! The query strings of announces and scrapes.

use std::fmt::Write;

use headwater_metainfo::InfoHash;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use crate::types::AnnounceRequest;

/// Everything but RFC 3986's unreserved characters: binary values arrive byte for byte.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// An announce's parameters (BEP 3, 7, 23), to be put behind the announce URL's own query.
///
/// Compact peers are asked for. No address is given: the tracker sees it (BEP 7 discourages telling one).
///
/// ```
/// use headwater_metainfo::{InfoHash, PeerId};
/// use headwater_tracker::{AnnounceRequest, http::announce_query};
///
/// let request = AnnounceRequest::new(InfoHash([0x1f; 20]), PeerId(*b"-HW0100-abcdefghijkl"), 6881);
/// let query = announce_query(&request);
/// assert!(query.starts_with("info_hash=%1F%1F"));
/// assert!(query.contains("&peer_id=-HW0100-abcdefghijkl&port=6881&"));
/// ```
pub fn announce_query(request: &AnnounceRequest) -> String {
    let mut query = format!(
        "info_hash={}&peer_id={}&port={}&uploaded={}&downloaded={}&left={}&compact=1&no_peer_id=1&key={:08X}",
        escape(request.info_hash.as_bytes()),
        escape(request.peer_id.as_bytes()),
        request.port,
        request.uploaded,
        request.downloaded,
        request.left,
        request.key,
    );
    if let Some(count) = request.num_want {
        push(&mut query, "numwant", &count.to_string());
    }
    if let Some(event) = request.event.as_str() {
        push(&mut query, "event", event);
    }
    if let Some(id) = &request.tracker_id {
        push(&mut query, "trackerid", &escape(id));
    }
    query
}

/// A scrape's parameters (BEP 48).
///
/// ```
/// use headwater_metainfo::InfoHash;
/// use headwater_tracker::http::scrape_query;
///
/// let query = scrape_query(&[InfoHash([b'a'; 20]), InfoHash([0; 20])]);
/// assert!(query.starts_with("info_hash=aaaaaaaaaaaaaaaaaaaa&info_hash=%00%00"));
/// ```
pub fn scrape_query(info_hashes: &[InfoHash]) -> String {
    let mut query = String::new();
    for hash in info_hashes {
        push(&mut query, "info_hash", &escape(hash.as_bytes()));
    }
    query
}

fn push(query: &mut String, key: &str, value: &str) {
    let separator = if query.is_empty() { "" } else { "&" };
    write!(query, "{separator}{key}={value}").expect("a string takes any text");
}

fn escape(bytes: &[u8]) -> String {
    percent_encode(bytes, RESERVED).to_string()
}
