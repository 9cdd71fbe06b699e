//! Layouts, round trips, and bytes that mean nothing.

use std::net::SocketAddr;

use headwater_metainfo::{InfoHash, PeerId, compact};
use proptest::prelude::*;

use super::super::{Family, MAX_SCRAPE, Request, Response, decode, decode_request};
use crate::DecodeError;
use crate::types::{AnnounceEvent, AnnounceRequest, ScrapeEntry};

fn announce() -> AnnounceRequest {
    let mut announce = AnnounceRequest::new(InfoHash([1; 20]), PeerId([2; 20]), 0x1ae1);
    announce.downloaded = 3;
    announce.left = 4;
    announce.uploaded = 5;
    announce.event = AnnounceEvent::Started;
    announce.key = 6;
    announce
}

fn packet(url_data: &[u8]) -> Vec<u8> {
    let request = Request::Announce {
        connection: 7,
        transaction: 8,
        announce: announce(),
        url_data: url_data.to_vec(),
    };
    request.encode()
}

fn url_data(packet: &[u8]) -> Result<Vec<u8>, DecodeError> {
    match decode_request(packet)? {
        Request::Announce { url_data, .. } => Ok(url_data),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_announce_is_laid_out_as_in_bep_15() {
    let packet = packet(b"");
    assert_eq!(packet.len(), 98);
    assert_eq!(
        packet[..16],
        [0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 8]
    );
    assert_eq!(packet[16..36], [1; 20]);
    assert_eq!(packet[36..56], [2; 20]);
    assert_eq!([packet[63], packet[71], packet[79]], [3, 4, 5]);
    assert_eq!(packet[80..88], [0, 0, 0, 2, 0, 0, 0, 0]);
    assert_eq!(packet[88..98], [0, 0, 0, 6, 255, 255, 255, 255, 0x1a, 0xe1]);
}

#[test]
fn a_connect_is_laid_out_as_in_bep_15() {
    let packet = Request::Connect { transaction: 9 }.encode();
    assert_eq!(
        packet,
        [
            0, 0, 4, 0x17, 0x27, 0x10, 0x19, 0x80, 0, 0, 0, 0, 0, 0, 0, 9
        ]
    );
}

#[test]
fn url_data_is_the_example_of_bep_41() {
    let packet = packet(b"/dir?a=b&c=d");
    assert_eq!(packet[98..], *b"\x02\x0c/dir?a=b&c=d");
}

#[test]
fn long_url_data_goes_in_pieces() {
    let path = vec![b'x'; 600];
    let packet = packet(&path);
    assert_eq!(packet.len(), 98 + 600 + 3 * 2);
    assert_eq!(url_data(&packet).unwrap(), path);
}

#[test]
fn options_are_parsed_as_bep_41_has_it() {
    let with = |options: &[u8]| url_data(&[&packet(b"")[..], options].concat());
    assert_eq!(
        with(b"\x01\x01\x02\x02/a\x01\x63\x01z\x02\x01b\x00\x02\x01c").unwrap(),
        b"/ab"
    );
    assert_eq!(with(b"\x02\x00").unwrap(), b"");
    assert_eq!(with(b"\x02\x05/a"), Err(DecodeError::Truncated));
    assert_eq!(with(b"\x02"), Err(DecodeError::Truncated));
}

#[test]
fn longer_packets_than_known_are_fine() {
    let response = Response::Connect {
        transaction: 1,
        connection: 2,
    };
    let packet = [&response.encode()[..], b"future"].concat();
    assert_eq!(decode(&packet, Family::V4).unwrap(), response);
}

#[test]
fn peers_to_whom_nobody_can_connect_are_left_out() {
    let mut packet = Response::Announce {
        transaction: 1,
        interval: 2,
        leechers: 3,
        seeders: 4,
        peers: Vec::new(),
    }
    .encode();
    packet.extend(b"\x01\x02\x03\x04\x00\x00");
    packet.extend(b"\x00\x00\x00\x00\x1a\xe1");
    packet.extend(b"\xe0\x00\x00\x01\x1a\xe1");
    packet.extend(b"\x05\x06\x07\x08\x1a\xe1");
    packet.extend(b"rest");
    let Response::Announce { peers, .. } = decode(&packet, Family::V4).unwrap() else {
        panic!()
    };
    assert_eq!(peers, ["5.6.7.8:6881".parse::<SocketAddr>().unwrap()]);
}

prop_compose! {
    fn any_announce()(
        info_hash: [u8; 20], peer_id: [u8; 20], port: u16, key: u32,
        amounts: [u64; 3], num_want in proptest::option::of(0..u32::MAX),
        event in prop::sample::select(vec![
            AnnounceEvent::None, AnnounceEvent::Started,
            AnnounceEvent::Stopped, AnnounceEvent::Completed,
        ]),
    ) -> AnnounceRequest {
        let mut announce = AnnounceRequest::new(InfoHash(info_hash), PeerId(peer_id), port);
        [announce.uploaded, announce.downloaded, announce.left] = amounts;
        announce.key = key;
        announce.num_want = num_want;
        announce.event = event;
        announce
    }
}

fn any_request() -> impl Strategy<Value = Request> {
    let hashes = prop::collection::vec(any::<[u8; 20]>().prop_map(InfoHash), 0..MAX_SCRAPE);
    let url = prop::collection::vec(any::<u8>(), 0..700);
    prop_oneof![
        any::<u32>().prop_map(|transaction| Request::Connect { transaction }),
        (any::<u64>(), any::<u32>(), any_announce(), url).prop_map(
            |(connection, transaction, announce, url_data)| Request::Announce {
                connection,
                transaction,
                announce,
                url_data,
            }
        ),
        (any::<u64>(), any::<u32>(), hashes).prop_map(|(connection, transaction, info_hashes)| {
            Request::Scrape {
                connection,
                transaction,
                info_hashes,
            }
        }),
    ]
}

fn any_peers(family: Family) -> impl Strategy<Value = Vec<SocketAddr>> {
    let v4 = any::<([u8; 4], u16)>().prop_map(|(ip, port)| compact::usable((ip, port).into()));
    let v6 = any::<([u8; 16], u16)>()
        .prop_map(|(ip, port)| compact::usable((ip, port).into()))
        .prop_filter("v6", |peer| peer.is_none_or(|peer| peer.is_ipv6()));
    let peer = match family {
        Family::V4 => v4.boxed(),
        Family::V6 => v6.boxed(),
    };
    prop::collection::vec(peer, 0..50).prop_map(|peers| peers.into_iter().flatten().collect())
}

fn any_response(family: Family) -> impl Strategy<Value = Response> {
    let entry = any::<[u32; 3]>().prop_map(|[complete, incomplete, downloaded]| ScrapeEntry {
        complete,
        incomplete,
        downloaded,
        downloaders: None,
    });
    prop_oneof![
        any::<(u32, u64)>().prop_map(|(transaction, connection)| Response::Connect {
            transaction,
            connection,
        }),
        (any::<[u32; 4]>(), any_peers(family)).prop_map(
            |([transaction, interval, leechers, seeders], peers)| Response::Announce {
                transaction,
                interval,
                leechers,
                seeders,
                peers,
            }
        ),
        (any::<u32>(), prop::collection::vec(entry, 0..MAX_SCRAPE)).prop_map(
            |(transaction, entries)| Response::Scrape {
                transaction,
                entries
            }
        ),
        (any::<u32>(), "[a-z]{0,20}").prop_map(|(transaction, message)| Response::Error {
            transaction,
            message
        }),
    ]
}

proptest! {
    #[test]
    fn requests_come_back(request in any_request()) {
        prop_assert_eq!(decode_request(&request.encode()).unwrap(), request);
    }

    #[test]
    fn responses_come_back_over_ipv4(response in any_response(Family::V4)) {
        prop_assert_eq!(decode(&response.encode(), Family::V4).unwrap(), response);
    }

    #[test]
    fn responses_come_back_over_ipv6(response in any_response(Family::V6)) {
        prop_assert_eq!(decode(&response.encode(), Family::V6).unwrap(), response);
    }

    #[test]
    fn arbitrary_bytes_are_decoded_or_refused(action in 0_u32..5, bytes: Vec<u8>) {
        let packet = [&action.to_be_bytes()[..], &bytes].concat();
        let _ = decode(&packet, Family::V4);
        let _ = decode(&packet, Family::V6);
        let _ = decode(&bytes, Family::V4);
        let _ = decode_request(&bytes);
        let request = [&[0; 8], &action.to_be_bytes()[..], &bytes].concat();
        let _ = decode_request(&request);
    }
}
