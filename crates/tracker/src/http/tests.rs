//! Answers as the wild has them.

use std::net::SocketAddr;
use std::time::Duration;

use headwater_bencode::Value;
use headwater_metainfo::InfoHash;
use headwater_metainfo::compact::{self, usable};
use proptest::prelude::*;

use super::{decode_announce, decode_scrape, excerpt, is_web_page};
use crate::MAX_PEERS;
use crate::error::{DecodeError, TrackerError};
use crate::types::RetryIn;

fn peers_of(body: &[u8]) -> Vec<String> {
    let peers = decode_announce(body).unwrap().peers;
    peers.iter().map(SocketAddr::to_string).collect()
}

fn retry_of(body: &[u8]) -> Option<RetryIn> {
    decode_announce(body).unwrap_err().retry_in()
}

#[test]
fn dictionary_peers_of_both_families_are_understood() {
    let body = b"d8:intervali1e5:peersl\
        d2:ip7:1.2.3.47:peer id20:aaaaaaaaaaaaaaaaaaaa4:porti6881ee\
        d2:ip11:2001:db8::14:porti6882ee\
        d2:ip16:::ffff:5.6.7.8  4:porti1eed2:ip14:::ffff:5.6.7.84:porti6883ee\
        d2:ip12:peer.example4:porti6884eed2:ip7:1.2.3.44:porti0ee\
        d2:ip7:1.2.3.44:porti65536eed2:ip7:1.2.3.44:porti-1eed2:ip7:1.2.3.4ei7eee";
    let expected = ["1.2.3.4:6881", "[2001:db8::1]:6882", "5.6.7.8:6883"];
    assert_eq!(peers_of(body), expected);
}

#[test]
fn compact_peers_of_both_families_are_understood() {
    let body = b"d8:intervali1e5:peers6:\x01\x02\x03\x04\x1a\xe16:peers618:\
        \x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x1a\xe1e";
    assert_eq!(peers_of(body), ["1.2.3.4:6881", "[2001:db8::1]:6881"]);
}

#[test]
fn ipv6_peers_may_come_alone() {
    let body = b"d8:intervali1800e6:peers618:iiiiiiiiiiiiiiiippe";
    assert_eq!(
        peers_of(body),
        ["[6969:6969:6969:6969:6969:6969:6969:6969]:28784"]
    );
}

#[test]
fn an_answer_to_stopped_needs_no_peers() {
    assert_eq!(peers_of(b"d8:intervali1800ee"), [] as [&str; 0]);
}

#[test]
fn everything_else_is_understood() {
    let body = b"d8:completei5e10:downloadedi6e11:external ip4:\x01\x02\x03\x0410:incompletei7e\
        8:intervali900e12:min intervali60e5:peers0:10:tracker id3:a\0b15:warning message4:hushe";
    let answer = decode_announce(body).unwrap();
    assert_eq!(answer.interval, Duration::from_mins(15));
    assert_eq!(answer.min_interval, Some(Duration::from_mins(1)));
    assert_eq!(
        (answer.complete, answer.downloaded, answer.incomplete),
        (Some(5), Some(6), Some(7))
    );
    assert_eq!(answer.external_ip, Some([1, 2, 3, 4].into()));
    assert_eq!(answer.tracker_id.as_deref(), Some(&b"a\0b"[..]));
    assert_eq!(answer.warning.as_deref(), Some("hush"));
}

#[test]
fn oddities_do_no_harm() {
    let unsorted = b"d5:peers0:8:intervali-5e8:completei-1e11:external ip3:abcei";
    let answer = decode_announce(unsorted).unwrap();
    assert_eq!(
        (answer.interval, answer.complete, answer.external_ip),
        (Duration::ZERO, None, None)
    );
    let answer = decode_announce(b"d5:peers0:e").unwrap();
    assert_eq!(answer.interval, Duration::from_mins(30));
}

#[test]
fn a_refusal_says_when_to_come_again() {
    assert_eq!(retry_of(b"d14:failure reason2:noe"), None);
    let five = Some(RetryIn::After(Duration::from_mins(5)));
    assert_eq!(retry_of(b"d14:failure reason2:no8:retry ini5ee"), five);
    assert_eq!(retry_of(b"d14:failure reason2:no8:retry in1:5e"), five);
    assert_eq!(
        retry_of(b"d14:failure reason2:no8:retry in5:nevere"),
        Some(RetryIn::Never)
    );
    assert_eq!(retry_of(b"d14:failure reason2:no8:retry ini-5ee"), None);
    let most = Some(RetryIn::After(Duration::from_secs(u64::MAX)));
    let body = b"d14:failure reason2:no8:retry ini9223372036854775807ee";
    assert_eq!(retry_of(body), most);
}

#[test]
fn no_more_peers_are_taken_than_fit() {
    let mut body = format!("d5:peers{}:", 6 * (MAX_PEERS + 10)).into_bytes();
    body.extend([1; 6].repeat(MAX_PEERS + 10));
    body.push(b'e');
    assert_eq!(decode_announce(&body).unwrap().peers.len(), MAX_PEERS);
}

#[test]
fn deep_nesting_is_refused() {
    let body = [&b"d5:peers"[..], &b"l".repeat(10_000), &b"e".repeat(10_001)].concat();
    let error = decode_announce(&body).unwrap_err();
    assert!(
        matches!(error, TrackerError::Malformed(DecodeError::Bencode(_))),
        "{error}"
    );
}

#[test]
fn a_scrape_skips_keys_that_are_no_hashes() {
    let body = b"d5:filesd3:abcd8:completei1ee20:aaaaaaaaaaaaaaaaaaaad8:completei2e\
        11:downloadersi3eeee";
    let files = decode_scrape(body).unwrap().files;
    assert_eq!(files.len(), 1);
    let entry = files[&InfoHash([b'a'; 20])];
    assert_eq!((entry.complete, entry.downloaders), (2, Some(3)));
}

#[test]
fn web_pages_and_binary_bodies_are_not_quoted() {
    assert!(is_web_page(b"\r\n <html>"));
    assert!(!is_web_page(b"d8:intervali1ee"));
    assert_eq!(excerpt(b"<html>"), "");
    assert_eq!(excerpt(b"\xff\xfe"), "");
    assert_eq!(excerpt(b"try\nlater"), "try later");
}

fn any_peer() -> impl Strategy<Value = SocketAddr> {
    let ip = prop_oneof![
        any::<[u8; 4]>().prop_map(std::net::IpAddr::from),
        any::<[u8; 16]>().prop_map(std::net::IpAddr::from),
    ];
    (ip, any::<u16>()).prop_filter_map("usable", |(ip, port)| usable(SocketAddr::new(ip, port)))
}

fn compact(peers: &[SocketAddr], v4: bool) -> Value {
    let mut bytes = Vec::new();
    for peer in peers.iter().filter(|peer| peer.is_ipv4() == v4) {
        compact::append(&mut bytes, *peer);
    }
    Value::Bytes(bytes)
}

fn dictionary(peer: &SocketAddr) -> Value {
    let ip = Value::Bytes(peer.ip().to_string().into_bytes());
    let pairs = [
        (b"ip".to_vec(), ip),
        (b"port".to_vec(), Value::Int(peer.port().into())),
    ];
    Value::Dict(pairs.into_iter().collect())
}

fn body(pairs: impl IntoIterator<Item = (&'static str, Value)>) -> Vec<u8> {
    let pairs = pairs
        .into_iter()
        .map(|(key, value)| (key.as_bytes().to_vec(), value));
    Value::Dict(pairs.collect()).encode()
}

proptest! {
    #[test]
    fn peers_come_back_from_either_form(peers in prop::collection::vec(any_peer(), 0..40)) {
        let list = Value::List(peers.iter().map(dictionary).collect());
        let answer = decode_announce(&body([("peers", list)])).unwrap();
        prop_assert_eq!(&answer.peers, &peers);
        let forms = [("peers", compact(&peers, true)), ("peers6", compact(&peers, false))];
        let mut answer = decode_announce(&body(forms)).unwrap().peers;
        let mut peers = peers;
        answer.sort_unstable();
        peers.sort_unstable();
        prop_assert_eq!(answer, peers);
    }

    #[test]
    fn arbitrary_bytes_are_decoded_or_refused(bytes: Vec<u8>) {
        let _ = decode_announce(&bytes);
        let _ = decode_scrape(&bytes);
    }

    #[test]
    fn damaged_answers_are_decoded_or_refused(at: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
        let mut body = b"d8:completei5e11:external ip4:\x01\x02\x03\x048:intervali900e5:peersl\
            d2:ip7:1.2.3.44:porti6881eee6:peers618:iiiiiiiiiiiiiiiippe".to_vec();
        let length = body.len();
        body[at.index(length)] = byte;
        let _ = decode_announce(&body);
        let _ = decode_announce(&body[..cut.index(length)]);
    }
}
