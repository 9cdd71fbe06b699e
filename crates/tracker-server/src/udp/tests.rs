use std::net::Ipv4Addr;

use super::packet::MAX_ANSWER;
use super::*;
use crate::config::{Config, Limits};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const NOW: Duration = Duration::from_secs(1000);

fn responder() -> Responder {
    let limits = Limits {
        max_num_want: 1000,
        ..Limits::default()
    };
    let config = Config {
        limits,
        ..Config::default()
    };
    Responder::new(Arc::new(Shared::new(&config)))
}

fn connect(responder: &Responder, ip: IpAddr) -> [u8; 8] {
    let request = [
        &0x0417_2710_1980_u64.to_be_bytes()[..],
        &[0, 0, 0, 0],
        b"tran",
    ]
    .concat();
    let answer = responder.respond(&request, ip, NOW).unwrap();
    assert_eq!(answer.len(), request.len(), "no more than came in");
    assert_eq!(answer[..8], *b"\0\0\0\0tran");
    answer[8..].try_into().unwrap()
}

fn announce(connection_id: [u8; 8], peer: u16, num_want: i32) -> Vec<u8> {
    let mut packet = [&connection_id[..], &[0, 0, 0, 1], b"tran", &[b'h'; 20]].concat();
    packet.extend([b'p'; 18]);
    packet.extend(peer.to_be_bytes());
    packet.extend([0; 8]); // downloaded
    packet.extend(100_u64.to_be_bytes()); // left
    packet.extend([0; 8]); // uploaded
    packet.extend(2_u32.to_be_bytes()); // started
    packet.extend([198, 51, 100, 9]); // an address that nobody asked for
    packet.extend([0; 4]); // key
    packet.extend(num_want.to_be_bytes());
    packet.extend((1000 + peer).to_be_bytes());
    assert_eq!(packet.len(), 98);
    packet
}

fn scrape(connection_id: [u8; 8], hashes: &[[u8; 20]]) -> Vec<u8> {
    [&connection_id[..], &[0, 0, 0, 2], b"tran", &hashes.concat()].concat()
}

#[test]
fn peers_meet() {
    let responder = responder();
    let id = connect(&responder, HERE);
    responder.respond(&announce(id, 1, -1), HERE, NOW).unwrap();
    let answer = responder.respond(&announce(id, 2, -1), HERE, NOW).unwrap();
    let expected = [
        &b"\0\0\0\x01tran"[..],
        &1800_u32.to_be_bytes(),
        &2_u32.to_be_bytes(),
        &0_u32.to_be_bytes(),
        &[192, 0, 2, 1],
        &1001_u16.to_be_bytes(),
    ];
    assert_eq!(answer, expected.concat());
}

#[test]
fn options_behind_an_announce_change_nothing() {
    let responder = responder();
    let id = connect(&responder, HERE);
    let mut packet = announce(id, 1, -1);
    packet.extend(b"\x02\x09/announce\x00");
    assert!(responder.respond(&packet, HERE, NOW).is_some());
}

#[test]
fn silence_without_a_good_connection_id() {
    let responder = responder();
    let id = connect(&responder, HERE);
    let elsewhere = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
    for packet in [announce(id, 1, -1), scrape(id, &[[b'h'; 20]])] {
        assert_eq!(responder.respond(&packet, elsewhere, NOW), None);
        assert_eq!(
            responder.respond(&packet, HERE, NOW + Duration::from_mins(5)),
            None
        );
        assert!(responder.respond(&packet, HERE, NOW).is_some());
    }
}

#[test]
fn cut_packets_get_no_answer_unless_they_are_whole_requests() {
    let responder = responder();
    let id = connect(&responder, HERE);
    let whole = announce(id, 1, -1);
    for length in 0..whole.len() {
        assert_eq!(
            responder.respond(&whole[..length], HERE, NOW),
            None,
            "{length}"
        );
    }
    let whole = scrape(id, &[[b'h'; 20]]);
    for length in 0..whole.len() {
        assert_eq!(
            responder.respond(&whole[..length], HERE, NOW),
            None,
            "{length}"
        );
    }
}

#[test]
fn an_answer_is_never_cut_up_on_its_way() {
    let responder = responder();
    for ip in [HERE, "2001:db8::1".parse().unwrap()] {
        let id = connect(&responder, ip);
        let mut longest = 0;
        for peer in 0..400 {
            let answer = responder
                .respond(&announce(id, peer, 1000), ip, NOW)
                .unwrap();
            longest = longest.max(answer.len());
        }
        let stride = if ip.is_ipv4() { 6 } else { 18 };
        assert!(
            longest <= MAX_ANSWER && longest > MAX_ANSWER - stride,
            "{longest}"
        );
        assert_eq!((longest - 20) % stride, 0);
    }
}

#[test]
fn a_scrape_is_answered_in_order() {
    let responder = responder();
    let id = connect(&responder, HERE);
    responder.respond(&announce(id, 1, -1), HERE, NOW).unwrap();
    let asked = [[b'x'; 20], [b'h'; 20]];
    let answer = responder.respond(&scrape(id, &asked), HERE, NOW).unwrap();
    let mut expected = b"\0\0\0\x02tran".to_vec();
    for number in [0_u32, 0, 0, 0, 0, 1] {
        expected.extend(number.to_be_bytes());
    }
    assert_eq!(answer, expected);
}

#[test]
fn an_ipv4_address_in_ipv6_clothes_is_an_ipv4_address() {
    let responder = responder();
    let mapped = IpAddr::V6(Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped());
    let id = connect(&responder, mapped);
    responder
        .respond(&announce(id, 1, -1), mapped, NOW)
        .unwrap();
    let answer = responder.respond(&announce(id, 2, -1), HERE, NOW).unwrap();
    assert_eq!(answer.len(), 20 + 6);
}
