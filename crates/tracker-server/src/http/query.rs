//! Understanding the query strings of announces and scrapes.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use headwater_metainfo::{InfoHash, PeerId};
use percent_encoding::percent_decode;

use crate::registry::{Announce, Event, Families};

/// Torrents in one scrape at most; as many as fit into a UDP packet.
pub(crate) const MAX_SCRAPED: usize = 74;

/// Why a request is refused; told as `failure reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum QueryError {
    #[error("`{0}` is missing")]
    Missing(&'static str),
    #[error("`{0}` is not 20 bytes long")]
    NotTwentyBytes(&'static str),
    #[error("`{0}` is not a number in its range")]
    NotANumber(&'static str),
    #[error("a scrape has to name its torrents")]
    FullScrape,
    #[error("at most {MAX_SCRAPED} torrents in one scrape")]
    TooManyScraped,
}

/// An announce, and how its answer is to look.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HttpAnnounce {
    pub(crate) announce: Announce,
    pub(crate) format: Format,
}

/// How peers are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// BEP 23 and 7.
    Compact,
    /// BEP 3's list of dictionaries, with or without the peers' ids.
    Dictionaries { with_ids: bool },
}

/// The announce that came from `ip`. Addresses in the query are ignored, as BEP 7 advises: they would let
/// anybody point a swarm at a victim.
pub(crate) fn parse_announce(query: &str, ip: IpAddr) -> Result<HttpAnnounce, QueryError> {
    let get = |key| find(query, key);
    let number = |key| parse_number::<u64>(query, key);
    let info_hash = InfoHash(twenty_bytes(get("info_hash"), "info_hash")?);
    let peer_id = PeerId(twenty_bytes(get("peer_id"), "peer_id")?);
    let port = parse_number::<u16>(query, "port")?.ok_or(QueryError::Missing("port"))?;
    let (_uploaded, _downloaded) = (number("uploaded")?, number("downloaded")?);
    let announce = Announce {
        info_hash,
        peer_id,
        address: SocketAddr::new(ip, port),
        key: get("key").map(|key| key_number(&key)),
        is_seed: number("left")? == Some(0),
        event: event(get("event").as_deref()),
        num_want: num_want(query)?,
        families: Families::Both,
    };
    let format = match (flag(query, "compact"), flag(query, "no_peer_id")) {
        (Some(false), no_ids) => Format::Dictionaries {
            with_ids: no_ids != Some(true),
        },
        _ => Format::Compact,
    };
    Ok(HttpAnnounce { announce, format })
}

/// The torrents of a scrape.
pub(crate) fn parse_scrape(query: &str) -> Result<Vec<InfoHash>, QueryError> {
    let hashes = pairs(query)
        .filter(|(key, _)| *key == "info_hash")
        .map(|(_, value)| twenty_bytes(Some(decode(value)), "info_hash").map(InfoHash))
        .take(MAX_SCRAPED + 1)
        .collect::<Result<Vec<_>, _>>()?;
    match hashes.len() {
        0 => Err(QueryError::FullScrape),
        n if n > MAX_SCRAPED => Err(QueryError::TooManyScraped),
        _ => Ok(hashes),
    }
}

fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

fn find(query: &str, key: &str) -> Option<Vec<u8>> {
    pairs(query)
        .find(|(name, _)| *name == key)
        .map(|(_, value)| decode(value))
}

/// `+` is a space: whoever means a plus escapes it.
fn decode(value: &str) -> Vec<u8> {
    percent_decode(value.replace('+', " ").as_bytes()).collect()
}

fn twenty_bytes(value: Option<Vec<u8>>, key: &'static str) -> Result<[u8; 20], QueryError> {
    value
        .ok_or(QueryError::Missing(key))?
        .try_into()
        .map_err(|_| QueryError::NotTwentyBytes(key))
}

fn parse_number<T: FromStr>(query: &str, key: &'static str) -> Result<Option<T>, QueryError> {
    let Some(value) = find(query, key) else {
        return Ok(None);
    };
    std::str::from_utf8(&value)
        .ok()
        .and_then(|text| text.parse().ok())
        .map(Some)
        .ok_or(QueryError::NotANumber(key))
}

/// A negative number leaves it to the tracker, as over UDP.
fn num_want(query: &str) -> Result<Option<u32>, QueryError> {
    let wanted = parse_number::<i64>(query, "numwant")?;
    Ok(wanted
        .filter(|n| *n >= 0)
        .map(|n| u32::try_from(n).unwrap_or(u32::MAX)))
}

fn event(value: Option<&[u8]>) -> Event {
    match value {
        Some(b"started") => Event::Started,
        Some(b"stopped") => Event::Stopped,
        Some(b"completed") => Event::Completed,
        _ => Event::None,
    }
}

fn flag(query: &str, key: &str) -> Option<bool> {
    find(query, key).map(|value| value != b"0")
}

/// Eight hexadecimal digits, as everybody sends them, are the number that UDP would carry, so that a peer
/// is the same over both. Anything else is hashed.
fn key_number(key: &[u8]) -> u32 {
    let digits = std::str::from_utf8(key).ok().filter(|it| it.len() <= 8);
    let number = digits.and_then(|it| u32::from_str_radix(it, 16).ok());
    number.unwrap_or_else(|| {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        hasher.finish() as u32
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const IP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const REQUIRED: &str =
        "info_hash=%00aaaaaaaaaaaaaaaaaa%ff&peer_id=-XX0000-abcdefghijk+&port=6881";

    fn parse(extra: &str) -> Result<HttpAnnounce, QueryError> {
        parse_announce(&format!("{REQUIRED}{extra}"), IP)
    }

    #[test]
    fn everything_is_understood() {
        let full =
            "&uploaded=1&downloaded=2&left=0&event=completed&key=DEADBEEF&numwant=7&compact=0";
        let HttpAnnounce { announce, format } = parse(full).unwrap();
        assert_eq!(announce.info_hash, InfoHash(*b"\0aaaaaaaaaaaaaaaaaa\xff"));
        assert_eq!(announce.peer_id, PeerId(*b"-XX0000-abcdefghijk "));
        assert_eq!(announce.address, "192.0.2.1:6881".parse().unwrap());
        assert!(announce.is_seed);
        assert_eq!(announce.event, Event::Completed);
        assert_eq!(announce.key, Some(0xdead_beef));
        assert_eq!(announce.num_want, Some(7));
        assert_eq!(format, Format::Dictionaries { with_ids: true });
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let HttpAnnounce { announce, format } = parse("").unwrap();
        assert!(!announce.is_seed, "nothing said about `left` is no seed");
        assert_eq!(
            (announce.event, announce.key, announce.num_want),
            (Event::None, None, None)
        );
        assert_eq!(format, Format::Compact);
    }

    #[test]
    fn an_address_in_the_query_is_ignored() {
        let parsed = parse("&ip=198.51.100.9&ipv4=198.51.100.9").unwrap();
        assert_eq!(parsed.announce.address.ip(), IP);
    }

    #[test]
    fn a_negative_numwant_leaves_it_to_the_tracker() {
        assert_eq!(parse("&numwant=-1").unwrap().announce.num_want, None);
        assert_eq!(
            parse("&numwant=99999999999").unwrap().announce.num_want,
            Some(u32::MAX)
        );
    }

    #[test]
    fn faults_are_named() {
        let cases = [
            ("", QueryError::Missing("info_hash")),
            ("info_hash=abc", QueryError::NotTwentyBytes("info_hash")),
            (
                "info_hash=aaaaaaaaaaaaaaaaaaaa",
                QueryError::Missing("peer_id"),
            ),
        ];
        for (query, error) in cases {
            assert_eq!(parse_announce(query, IP), Err(error), "{query}");
        }
        assert_eq!(parse("&left=-1"), Err(QueryError::NotANumber("left")));
        assert_eq!(parse("&left=x"), Err(QueryError::NotANumber("left")));
        let big_port = REQUIRED.replace("6881", "66000");
        assert_eq!(
            parse_announce(&big_port, IP),
            Err(QueryError::NotANumber("port"))
        );
    }

    #[test]
    fn scrapes_are_bounded_and_name_their_torrents() {
        let hash = "info_hash=aaaaaaaaaaaaaaaaaaaa";
        assert_eq!(parse_scrape(hash), Ok(vec![InfoHash([b'a'; 20])]));
        assert_eq!(parse_scrape(""), Err(QueryError::FullScrape));
        let many = [hash; MAX_SCRAPED + 1].join("&");
        assert_eq!(parse_scrape(&many), Err(QueryError::TooManyScraped));
    }

    #[test]
    fn a_key_is_a_hexadecimal_number_or_hashed() {
        assert_eq!(key_number(b"0000002a"), 42);
        assert_eq!(key_number(b"not hex"), key_number(b"not hex"));
        assert_ne!(key_number(b"not hex"), key_number(b"nor this"));
    }
}
