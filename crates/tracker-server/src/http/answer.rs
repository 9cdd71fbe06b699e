//! Writing bencoded answers.

use std::net::IpAddr;

use headwater_bencode::{DictEncoder, Encoder, ListEncoder};
use headwater_metainfo::{InfoHash, compact};

use super::query::Format;
use crate::registry::{Announced, Counts, ListedPeer};

/// The answer to an announce; BEP 24's `external ip` is told to everybody.
pub(crate) fn announced(answer: &Announced, format: Format, asker: IpAddr) -> Vec<u8> {
    Encoder::dict_to_vec(|out| {
        out.key("complete").int(answer.counts.complete);
        out.key("downloaded").int(answer.counts.downloaded);
        out.key("external ip").bytes(address_bytes(asker));
        out.key("incomplete").int(answer.counts.incomplete);
        out.key("interval").int(answer.interval.as_secs());
        out.key("min interval").int(answer.min_interval.as_secs());
        match format {
            Format::Compact => compact_peers(out, &answer.peers),
            Format::Dictionaries { with_ids } => out.key("peers").list(|list| {
                for peer in &answer.peers {
                    peer_dictionary(list, peer, with_ids);
                }
            }),
        }
    })
}

/// The answer to a scrape.
pub(crate) fn scraped(mut files: Vec<(InfoHash, Counts)>) -> Vec<u8> {
    files.sort_by_key(|(hash, _)| *hash);
    files.dedup_by_key(|(hash, _)| *hash);
    Encoder::dict_to_vec(|out| {
        out.key("files").dict(|out| {
            for (hash, counts) in files {
                out.key(hash.as_bytes()).dict(|out| figures(out, counts));
            }
        });
    })
}

fn figures(out: &mut DictEncoder<'_>, counts: Counts) {
    out.key("complete").int(counts.complete);
    out.key("downloaded").int(counts.downloaded);
    out.key("incomplete").int(counts.incomplete);
}

/// A refusal.
pub(crate) fn failure(reason: &str) -> Vec<u8> {
    Encoder::dict_to_vec(|out| out.key("failure reason").bytes(reason))
}

fn compact_peers(out: &mut DictEncoder<'_>, peers: &[ListedPeer]) {
    let (v4, v6): (Vec<_>, Vec<_>) = peers.iter().partition(|peer| peer.address.is_ipv4());
    out.key("peers").bytes(pack(&v4));
    if !v6.is_empty() {
        out.key("peers6").bytes(pack(&v6));
    }
}

fn peer_dictionary(list: &mut ListEncoder<'_>, peer: &ListedPeer, with_id: bool) {
    list.item().dict(|out| {
        out.key("ip").bytes(peer.address.ip().to_string());
        if with_id {
            out.key("peer id").bytes(peer.id.as_bytes());
        }
        out.key("port").int(peer.address.port());
    });
}

fn pack(peers: &[&ListedPeer]) -> Vec<u8> {
    let mut packed = Vec::new();
    for peer in peers {
        compact::append(&mut packed, peer.address);
    }
    packed
}

fn address_bytes(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use headwater_metainfo::PeerId;

    use super::*;

    fn answer() -> Announced {
        let peer = |address: &str| ListedPeer {
            id: PeerId([b'p'; 20]),
            address: address.parse().unwrap(),
        };
        Announced {
            interval: Duration::from_mins(30),
            min_interval: Duration::from_mins(1),
            counts: Counts {
                complete: 1,
                incomplete: 2,
                downloaded: 3,
            },
            peers: vec![peer("65.66.67.68:17734"), peer("[4142::4344]:17734")],
        }
    }

    const HEAD: &str = "d8:completei1e10:downloadedi3e11:external ip4:abcd10:incompletei2e8:intervali1800e12:min intervali60e";
    const ASKER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(97, 98, 99, 100));

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn compact_answers_hold_both_families() {
        let expected = format!("{HEAD}5:peers6:ABCDEF6:peers618:AB\0\0\0\0\0\0\0\0\0\0\0\0CDEFe");
        assert_eq!(text(announced(&answer(), Format::Compact, ASKER)), expected);
    }

    #[test]
    fn dictionaries_hold_ids_unless_not_wanted() {
        let short = "l d2:ip11:65.66.67.684:porti17734ee d2:ip10:4142::43444:porti17734ee e"
            .replace(' ', "");
        let format = Format::Dictionaries { with_ids: false };
        assert_eq!(
            text(announced(&answer(), format, ASKER)),
            format!("{HEAD}5:peers{short}e")
        );
        let format = Format::Dictionaries { with_ids: true };
        let id = format!("7:peer id20:{}4:port", "p".repeat(20));
        let long = short.replace("4:port", &id);
        assert_eq!(
            text(announced(&answer(), format, ASKER)),
            format!("{HEAD}5:peers{long}e")
        );
    }

    #[test]
    fn scrapes_are_sorted_and_without_repetition() {
        let file = |byte| (InfoHash([byte; 20]), Counts::default());
        let zero = "d8:completei0e10:downloadedi0e10:incompletei0ee";
        let (a, b) = ("a".repeat(20), "b".repeat(20));
        let expected = format!("d5:filesd20:{a}{zero}20:{b}{zero}ee");
        assert_eq!(
            text(scraped(vec![file(b'b'), file(b'a'), file(b'b')])),
            expected
        );
    }

    #[test]
    fn a_failure_is_a_reason() {
        assert_eq!(text(failure("no")), "d14:failure reason2:noe");
    }
}
