use headwater_bencode::Value;
use proptest::prelude::*;

use super::*;
use crate::testing::{bytes, dict, int, list, path, single, with};
use crate::{InfoError, InfoHash};

fn torrent<const N: usize>(entries: [(&str, Value); N]) -> Metainfo {
    let root = with(dict([("info", single(1))]), entries);
    Metainfo::from_bytes(&root.encode()).unwrap()
}

#[test]
fn everything_outside_of_the_info() {
    let torrent = torrent([
        ("announce", bytes("http://unused/")),
        (
            "announce-list",
            list(
                [
                    &["http://a/", "http://b/"][..],
                    &[],
                    &["http://a/", "udp://c"],
                ],
                path,
            ),
        ),
        ("url-list", path(&["http://seed/", ""])),
        ("httpseeds", path(&["http://old/"])),
        (
            "nodes",
            Value::List(vec![
                Value::List(vec![bytes("host"), int(6881)]),
                Value::List(vec![bytes("host"), int(70_000)]),
            ]),
        ),
        ("comment", bytes("words")),
        ("created by", bytes("someone")),
        ("creation date", int(1_500_000_000)),
    ]);
    assert_eq!(
        torrent.trackers(),
        [vec!["http://a/", "http://b/"], vec!["udp://c"]]
    );
    assert_eq!(torrent.web_seeds(), ["http://seed/"]);
    assert_eq!(torrent.http_seeds(), ["http://old/"]);
    assert_eq!(torrent.nodes(), [HostPort::new("host", 6881).unwrap()]);
    assert_eq!(torrent.comment(), Some("words"));
    assert_eq!(torrent.created_by(), Some("someone"));
    assert_eq!(torrent.creation_date(), Some(1_500_000_000));
}

#[test]
fn announce_stands_in_where_no_list_has_a_url() {
    let announce = ("announce", bytes(" http://a/ "));
    for announce_list in [list([&[][..], &[""]], path), int(1), Value::List(vec![])] {
        let torrent = torrent([announce.clone(), ("announce-list", announce_list)]);
        assert_eq!(torrent.trackers(), [["http://a/"]]);
    }
    assert!(torrent([]).trackers().is_empty());
}

#[test]
fn lists_of_other_shapes_are_understood() {
    let torrent = torrent([
        ("announce-list", path(&["http://a/", "http://b/"])),
        ("url-list", bytes("http://seed/")),
    ]);
    assert_eq!(torrent.trackers(), [["http://a/"], ["http://b/"]]);
    assert_eq!(torrent.web_seeds(), ["http://seed/"]);
}

#[test]
fn a_flood_of_trackers_is_cut() {
    let urls = (0..5_000).map(|n| format!("http://{n}/"));
    let torrent = torrent([("announce-list", list(urls, bytes))]);
    assert_eq!(torrent.trackers().len(), Metainfo::MAX_ADDRESSES);
}

#[test]
fn texts_are_decoded_as_the_torrent_says() {
    let gbk = bytes(b"\xd6\xd0\xce\xc4");
    let info = with(single(1), [("name", gbk.clone())]);
    let torrent = torrent([("info", info), ("comment", gbk), ("encoding", bytes("GBK"))]);
    assert_eq!(
        (torrent.info().name(), torrent.comment()),
        ("中文", Some("中文"))
    );
    assert_eq!(torrent.info().raw_name(), b"\xd6\xd0\xce\xc4");
}

#[test]
fn bytes_after_the_end_and_keys_out_of_order_are_accepted() {
    let info = single(1).encode();
    let bytes = [b"d4:info".as_slice(), &info, b"8:announce9:http://a/e\r\n"].concat();
    let torrent = Metainfo::from_bytes(&bytes).unwrap();
    assert_eq!(torrent.trackers(), [["http://a/"]]);
    assert_eq!(
        torrent.info_hashes().v1(),
        Some(InfoHash(headwater_hash::sha1(&info)))
    );
}

#[test]
fn the_magnet_link_leads_back() {
    let torrent = torrent([
        ("announce", bytes("http://a/?x=1&y=2")),
        ("url-list", bytes("http://seed/")),
    ]);
    let magnet: Magnet = torrent.magnet().to_string().parse().unwrap();
    assert_eq!(magnet.info_hashes, torrent.info_hashes());
    assert_eq!(magnet.name.as_deref(), Some("name"));
    assert_eq!(magnet.trackers, ["http://a/?x=1&y=2"]);
    assert_eq!(magnet.web_seeds, ["http://seed/"]);
}

#[test]
fn what_is_written_is_read_again() {
    let torrent = torrent([
        ("announce", bytes("http://a/")),
        (
            "announce-list",
            Value::list([path(&["http://a/", "http://b/"]), path(&["udp://c:1"])]),
        ),
        ("comment", bytes("hello")),
        ("created by", bytes("me")),
        ("creation date", Value::Int(7)),
        ("httpseeds", path(&["http://old/"])),
        ("url-list", path(&["http://seed/", "http://other/"])),
    ]);
    assert_eq!(
        Metainfo::from_bytes(&torrent.to_bytes()),
        Ok(torrent.clone())
    );

    let from_magnet = Metainfo::from_magnet(&torrent.magnet(), torrent.info().clone());
    let again = Metainfo::from_bytes(&from_magnet.to_bytes()).unwrap();
    assert_eq!(again.info().raw(), torrent.info().raw());
    assert_eq!(again.trackers().concat(), torrent.trackers().concat());
    assert_eq!(again.web_seeds(), torrent.web_seeds());
}

#[test]
fn what_is_no_torrent_is_named() {
    let error = |bytes: &[u8]| Metainfo::from_bytes(bytes).unwrap_err();
    assert_eq!(error(b""), MetainfoError::Empty);
    assert_eq!(error(b"\n<!DOCTYPE html>"), MetainfoError::WebPage);
    assert_eq!(error(b"i1e"), MetainfoError::NotDictionary);
    assert_eq!(error(b"de"), MetainfoError::NoInfo);
    assert_eq!(
        error(b"d4:infoi1ee"),
        MetainfoError::Info(InfoError::NotDictionary)
    );
    assert_eq!(
        error(&vec![b'd'; MAX_TORRENT_SIZE + 1]),
        MetainfoError::TooLarge
    );

    let whole = dict([("info", single(1))]).encode();
    for bytes in [&whole[..whole.len() - 1], b"\x89PNG\r\n", &[0; 100]] {
        let error = error(bytes);
        assert!(matches!(error, MetainfoError::NotBencode(_)), "{error:?}");
        assert!(!error.to_string().contains('\n'), "{error}");
    }
}

proptest! {
    #[test]
    fn cut_and_damaged_torrents_never_panic(at in 0usize..300, byte: u8, cut in 0usize..300) {
        let torrent = dict([("announce", bytes("http://a/")), ("info", single(40_000)), ("url-list", path(&["http://b/"]))]);
        let mut damaged = torrent.encode();
        damaged.truncate(cut);
        if let Some(place) = damaged.get_mut(at) {
            *place = byte;
        }
        let _ = Metainfo::from_bytes(&damaged);
    }
}
