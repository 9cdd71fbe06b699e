//! Understanding answers.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use headwater_bencode::{Document, Limits, Node, Options};
use headwater_metainfo::InfoHash;
use headwater_metainfo::compact::usable;

use crate::error::{DecodeError, TrackerError};
use crate::types::{AnnounceResponse, Failure, RetryIn, ScrapeEntry, ScrapeResponse};
use crate::{MAX_ANSWER_LENGTH, peers, text};

/// What a tracker that names no interval is taken to mean.
const DEFAULT_INTERVAL: i64 = 1800;
/// A tracker id that is longer is not sent back.
const MAX_TRACKER_ID: usize = 1024;

/// Decodes the body of an answer to an announce: compact and dictionary peers, IPv4 and IPv6 (BEP 3, 7, 23, 24, 31).
///
/// Wild trackers are forgiven what does no harm: keys out of order, bytes after the value, peers that make no sense.
/// A refusal is [`TrackerError::Failure`], anything else that is not an answer [`TrackerError::Malformed`].
///
/// ```
/// use headwater_tracker::http::decode_announce;
///
/// let answer = decode_announce(b"d8:intervali900e5:peers6:\x01\x02\x03\x04\x1a\xe1e")?;
/// assert_eq!(answer.interval.as_secs(), 900);
/// assert_eq!(answer.peers, ["1.2.3.4:6881".parse().unwrap()]);
///
/// let error = decode_announce(b"d14:failure reason12:unregisterede").unwrap_err();
/// assert_eq!(error.to_string(), "the tracker refused: unregistered");
/// # Ok::<(), headwater_tracker::TrackerError>(())
/// ```
pub fn decode_announce(body: &[u8]) -> Result<AnnounceResponse, TrackerError> {
    let document = parse(body)?;
    let root = document.root();
    refuse(root)?;
    if root.get("interval").is_none() && root.get("peers").is_none() && root.get("peers6").is_none()
    {
        return Err(DecodeError::Missing("peers").into());
    }
    let interval = integer(root, "interval").unwrap_or(DEFAULT_INTERVAL);
    Ok(AnnounceResponse {
        interval: seconds(interval),
        min_interval: integer(root, "min interval").map(seconds),
        complete: count(root, "complete"),
        incomplete: count(root, "incomplete"),
        downloaded: count(root, "downloaded"),
        peers: all_peers(root)?,
        warning: message(root, "warning message"),
        tracker_id: tracker_id(root),
        external_ip: external_ip(root),
    })
}

/// Decodes the body of an answer to a scrape (BEP 48, BEP 21).
///
/// ```
/// use headwater_metainfo::InfoHash;
/// use headwater_tracker::http::decode_scrape;
///
/// let body = b"d5:filesd20:aaaaaaaaaaaaaaaaaaaad8:completei5e10:downloadedi50e10:incompletei10eeee";
/// assert_eq!(decode_scrape(body)?.files[&InfoHash([b'a'; 20])].complete, 5);
/// # Ok::<(), headwater_tracker::TrackerError>(())
/// ```
pub fn decode_scrape(body: &[u8]) -> Result<ScrapeResponse, TrackerError> {
    let document = parse(body)?;
    let root = document.root();
    refuse(root)?;
    let files = root.get("files").ok_or(DecodeError::Missing("files"))?;
    let files = files.as_dict().ok_or(DecodeError::Form("files"))?;
    let entry = |(key, node): (&[u8], Node<'_, '_>)| {
        Some((InfoHash(key.try_into().ok()?), scrape_entry(node)))
    };
    let files: HashMap<_, _> = files.filter_map(entry).collect();
    Ok(ScrapeResponse { files })
}

/// Whether the body looks like HTML rather than a tracker's answer.
pub(crate) fn is_web_page(body: &[u8]) -> bool {
    body.trim_ascii_start().starts_with(b"<")
}

/// The beginning of a body that is text, to be shown to the user.
pub(crate) fn excerpt(body: &[u8]) -> String {
    let is_text = std::str::from_utf8(&body[..body.len().min(64)]).is_ok();
    if is_text && !is_web_page(body) {
        text::shown(body)
    } else {
        String::new()
    }
}

fn parse(body: &[u8]) -> Result<Document<'_>, TrackerError> {
    let limits = Limits {
        max_depth: 16,
        max_items: MAX_ANSWER_LENGTH,
        max_string: MAX_ANSWER_LENGTH,
    };
    let document = Options::lenient()
        .limits(limits)
        .decode(body)
        .map_err(|error| DecodeError::Bencode(error.to_string()))?;
    match document.root().as_dict() {
        Some(_) => Ok(document),
        None => Err(DecodeError::NoDictionary.into()),
    }
}

fn refuse(root: Node<'_, '_>) -> Result<(), TrackerError> {
    match root.get("failure reason") {
        None => Ok(()),
        Some(reason) => Err(TrackerError::Failure(Failure {
            reason: text::shown(reason.as_bytes().unwrap_or_default()),
            retry_in: root.get("retry in").and_then(retry_in),
        })),
    }
}

/// Minutes as a number or as digits, or the word `never` (BEP 31 shows them as strings).
fn retry_in(node: Node<'_, '_>) -> Option<RetryIn> {
    let minutes = match (node.as_int(), node.as_bytes()) {
        (Some(minutes), _) => u64::try_from(minutes).ok()?,
        (None, Some(b"never")) => return Some(RetryIn::Never),
        (None, Some(digits)) => std::str::from_utf8(digits).ok()?.parse().ok()?,
        (None, None) => return None,
    };
    Some(RetryIn::After(Duration::from_secs(
        minutes.saturating_mul(60),
    )))
}

fn all_peers(root: Node<'_, '_>) -> Result<Vec<SocketAddr>, DecodeError> {
    let mut all = Vec::new();
    if let Some(node) = root.get("peers") {
        if let Some(bytes) = node.as_bytes() {
            peers::extend(&mut all, peers::compact_v4(bytes));
        } else {
            let list = node.as_list().ok_or(DecodeError::Form("peers"))?;
            peers::extend(&mut all, list.filter_map(dictionary_peer));
        }
    }
    if let Some(node) = root.get("peers6") {
        let bytes = node.as_bytes().ok_or(DecodeError::Form("peers6"))?;
        peers::extend(&mut all, peers::compact_v6(bytes));
    }
    Ok(all)
}

/// A peer that is named by a DNS name is left out: addresses are all that is dialled.
fn dictionary_peer(node: Node<'_, '_>) -> Option<SocketAddr> {
    let ip: IpAddr = node.get("ip")?.as_str()?.parse().ok()?;
    let port = u16::try_from(node.get("port")?.as_int()?).ok()?;
    usable(SocketAddr::new(ip, port))
}

fn scrape_entry(node: Node<'_, '_>) -> ScrapeEntry {
    ScrapeEntry {
        complete: count(node, "complete").unwrap_or_default(),
        incomplete: count(node, "incomplete").unwrap_or_default(),
        downloaded: count(node, "downloaded").unwrap_or_default(),
        downloaders: count(node, "downloaders"),
    }
}

fn external_ip(root: Node<'_, '_>) -> Option<IpAddr> {
    let bytes = root.get("external ip")?.as_bytes()?;
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let v6 = <[u8; 16]>::try_from(bytes).map(IpAddr::from);
    v4.or(v6).ok().map(|ip| ip.to_canonical())
}

fn tracker_id(root: Node<'_, '_>) -> Option<Bytes> {
    let id = root.get("tracker id")?.as_bytes()?;
    (id.len() <= MAX_TRACKER_ID).then(|| Bytes::copy_from_slice(id))
}

fn message(root: Node<'_, '_>, key: &str) -> Option<String> {
    let text = text::shown(root.get(key)?.as_bytes()?);
    (!text.is_empty()).then_some(text)
}

fn integer(node: Node<'_, '_>, key: &str) -> Option<i64> {
    node.get(key)?.as_int()
}

/// Negative and too large counts are as good as none.
fn count(node: Node<'_, '_>, key: &str) -> Option<u32> {
    u32::try_from(integer(node, key)?).ok()
}

fn seconds(seconds: i64) -> Duration {
    Duration::from_secs(
        u64::try_from(seconds)
            .unwrap_or_default()
            .min(u64::from(u32::MAX)),
    )
}
