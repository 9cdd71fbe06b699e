use proptest::prelude::*;

use super::*;
use crate::{InfoHash, InfoHashV2};

const HEX: &str = "0123456789abcdef0123456789abcdef01234567";

fn parse(parameters: &str) -> Result<Magnet, MagnetError> {
    format!("magnet:?{parameters}").parse()
}

#[test]
fn what_links_in_the_wild_look_like() {
    let base32 = data_encoding::BASE32_NOPAD.encode(&[0xab; 20]);
    let magnet = parse(&format!(
        "xt.1=urn:btih:{base32}&amp;dn=a+b%2Bc&amp;tr.1=http%3A%2F%2Fa%2F%3Fx%3D1&foo&bar=1"
    ))
    .unwrap();
    assert_eq!(magnet.info_hashes.v1(), Some(InfoHash([0xab; 20])));
    assert_eq!(magnet.name.as_deref(), Some("a b+c"));
    assert_eq!(magnet.trackers, ["http://a/?x=1"]);

    let upper: Magnet = format!(" MAGNET:?xt=URN:BTIH:{}\n", HEX.to_uppercase())
        .parse()
        .unwrap();
    assert_eq!(upper.info_hashes.v1().unwrap().to_string(), HEX);
}

#[test]
fn hints_are_typed_and_bad_ones_left_out() {
    let magnet = parse(&format!("xt=urn:btih:{HEX}&x.pe=192.0.2.1:6881&x.pe=nonsense&x.pe=%5B%3A%3A1%5D:1&so=0,2,4-6&ws=http://w/&ws=http://w/")).unwrap();
    let peers: Vec<_> = magnet.peers.iter().map(HostPort::to_string).collect();
    assert_eq!(peers, ["192.0.2.1:6881", "[::1]:1"]);
    assert_eq!(magnet.selected_files, [0..=0, 2..=2, 4..=6]);
    assert_eq!(magnet.web_seeds, ["http://w/"]);
}

#[test]
fn whatever_a_peers_host_is_called_stays_one_peer() {
    let magnet = parse(&format!(
        "xt=urn:btih:{HEX}&x.pe=%26so=1%25:1&x.pe=%5B%3A%3A1%5D:2"
    ))
    .unwrap();
    let link = magnet.to_string();
    assert!(
        link.ends_with("&x.pe=%26so%3D1%25:1&x.pe=[::1]:2"),
        "{link}"
    );
    assert_eq!(link.parse(), Ok(magnet));
}

#[test]
fn v2_and_hybrid_links() {
    let v2 = format!("xt=urn:btmh:1220{}", "cd".repeat(32));
    assert_eq!(
        parse(&v2).unwrap().info_hashes,
        InfoHashes::v2_only(InfoHashV2([0xcd; 32]))
    );
    let hybrid = parse(&format!("{v2}&xt=urn:btih:{HEX}"))
        .unwrap()
        .info_hashes;
    assert!(hybrid.v1().is_some() && hybrid.v2().is_some());
}

#[test]
fn each_way_to_be_no_link_has_its_error() {
    use MagnetError as E;
    assert_eq!("http://a/".parse::<Magnet>(), Err(E::NotMagnet));
    assert_eq!("magné:?".parse::<Magnet>(), Err(E::NotMagnet));
    assert_eq!(parse(&"x".repeat(Magnet::MAX_BYTES)), Err(E::TooLong));
    assert_eq!(parse("dn=x&xt=urn:sha1:abc"), Err(E::NoInfoHash));
    assert_eq!(
        parse("xt=urn:btih:xyz"),
        Err(E::InfoHash(ParseInfoHashError))
    );
    assert_eq!(parse(&format!("xt=urn:btmh:1114{HEX}")), Err(E::InfoHashV2));
    for so in ["", "x", "1,", "5-4", "-1", "99999999999"] {
        assert_eq!(
            parse(&format!("xt=urn:btih:{HEX}&so={so}")),
            Err(E::SelectedFiles),
            "{so}"
        );
    }
}

#[test]
fn a_flood_of_trackers_is_cut() {
    let trackers = (0..2_000).fold(String::new(), |link, n| link + &format!("&tr=http://{n}/"));
    let magnet = parse(&format!("xt=urn:btih:{HEX}{trackers}")).unwrap();
    assert_eq!(magnet.trackers.len(), Magnet::MAX_ADDRESSES);
}

fn addresses() -> impl Strategy<Value = Vec<String>> {
    prop::collection::btree_set("[^\\s\\p{C}]{1,30}", 0..4)
        .prop_map(|set| set.into_iter().collect())
}

fn hashes() -> impl Strategy<Value = InfoHashes> {
    (any::<[u8; 20]>(), any::<[u8; 32]>(), 0..3).prop_map(|(v1, v2, kind)| match kind {
        0 => InfoHashes::v1_only(InfoHash(v1)),
        1 => InfoHashes::v2_only(InfoHashV2(v2)),
        _ => InfoHashes::hybrid(InfoHash(v1), InfoHashV2(v2)),
    })
}

fn peers() -> impl Strategy<Value = Vec<HostPort>> {
    let host = prop_oneof![
        "[a-z0-9.-]{1,20}",
        any::<std::net::IpAddr>().prop_map(|ip| ip.to_string())
    ];
    let peer = (host, 1u16..).prop_map(|(host, port)| HostPort::new(&host, port).unwrap());
    prop::collection::btree_set(peer, 0..4).prop_map(|set| set.into_iter().collect())
}

prop_compose! {
    fn magnets()(info_hashes in hashes(), name in prop::option::of(".{1,20}"), trackers in addresses(), web_seeds in addresses(),
                 peers in peers(), ranges in prop::collection::vec((any::<u32>(), any::<u32>()), 0..4)) -> Magnet {
        let selected_files = ranges.into_iter().map(|(a, b)| a.min(b)..=a.max(b)).collect();
        Magnet { info_hashes, name, trackers, web_seeds, peers, selected_files }
    }
}

proptest! {
    #[test]
    fn links_round_trip(magnet in magnets()) {
        prop_assert_eq!(magnet.to_string().parse(), Ok(magnet));
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in "(magnet:\\?)?(xt=urn:bt[im]h:[0-9a-f]{40}|[&=%.,;a-z0-9é-]|.){0,60}") {
        if let Ok(magnet) = text.parse::<Magnet>() {
            prop_assert_eq!(magnet.to_string().parse(), Ok(magnet));
        }
    }
}
