//! Magnet links and info-hashes instead of torrents, between processes, on loopback.
#![cfg(unix)]

mod common;

use common::{Place, Running, noise};
use headwater_metainfo::{Magnet, Metainfo};
use rustix::process::Signal;
use serde_json::Value;

/// Loopback only, any port, no trackers.
const ALONE: [&str; 5] = ["--bind", "127.0.0.1", "--port", "0", "--no-trackers"];
/// Loopback only, any port.
const LOCAL: [&str; 4] = ["--bind", "127.0.0.1", "--port", "0"];

/// A folder with data, the torrent of it, and a seed of it that is ready.
struct Home {
    place: Place,
    _seed: Running,
    peer: String,
    torrent: Metainfo,
}

impl Home {
    fn new(trackers: &[&str]) -> Self {
        let place = Place::new();
        place.write("album/a.bin", noise(1, 700_000));
        place.write("album/b.bin", noise(2, 300_001));
        let mut arguments = vec!["create", "album"];
        arguments.extend(trackers.iter().flat_map(|url| ["-a", url]));
        place.ok(arguments);
        let torrent = Metainfo::from_bytes(&place.read("album.torrent")).unwrap();
        let mut seed = place.start([&["seed", "album.torrent"], &LOCAL[..]].concat());
        let port = seed.port();
        seed.event("checked");
        Self {
            place,
            _seed: seed,
            peer: format!("127.0.0.1:{port}"),
            torrent,
        }
    }

    /// A link with a peer in it.
    fn link(&self) -> String {
        let mut magnet = Magnet::new(self.torrent.info_hashes());
        magnet.peers.push(self.peer.parse().unwrap());
        magnet.to_string()
    }

    fn hash(&self) -> String {
        self.torrent.info_hashes().primary().to_string()
    }

    #[track_caller]
    fn same(&self, away: &Place, files: &[&str]) {
        for file in files {
            assert!(away.read(file) == self.place.read(file), "{file} differs");
        }
    }
}

fn download<'a>(source: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["download", source], &ALONE[..], more].concat()
}

fn names(events: &[Value]) -> Vec<&str> {
    let names = events.iter().map(|event| event["event"].as_str().unwrap());
    names.collect()
}

#[test]
fn a_link_is_downloaded_and_again_without_anybody() {
    let (home, away) = (Home::new(&[]), Place::new());
    let (code, events) = away.json(download(&home.link(), &[]));
    assert_eq!(code, Some(0), "{events:?}");
    home.same(&away, &["album/a.bin", "album/b.bin"]);
    let names = names(&events);
    let place = |name| names.iter().position(|each| *each == name).unwrap();
    assert!(place("metadata") < place("checked"), "{names:?}");
    let metadata = &events[place("metadata")];
    assert_eq!(metadata["torrent"], home.hash());
    assert_eq!(
        (&metadata["name"], &metadata["size"]),
        (&"album".into(), &1_000_001.into())
    );
    assert_eq!(metadata["files"], 2);
    assert_eq!(names.iter().filter(|name| **name == "checked").count(), 1);

    let outcome = away.run(download(&home.hash(), &["--stall-timeout", "20"]));
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(
        outcome.text().starts_with("album is all there"),
        "{}",
        outcome.text()
    );
}

#[test]
fn an_info_hash_is_enough_with_a_peer() {
    let (home, away) = (Home::new(&[]), Place::new());
    let hash = home.hash().to_uppercase();
    let outcome = away.run(download(&hash, &["--peer", &home.peer, "--select", "2"]));
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    home.same(&away, &["album/b.bin"]);
    assert!(!away.path("album/a.bin").exists());
    assert!(
        outcome.stderr.contains("album: 977 KiB in 2 files"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn a_links_tracker_is_asked() {
    let tracking = Place::new();
    let mut tracker = tracking.start(["tracker", "--http", "127.0.0.1:0"]);
    let url = format!("http://127.0.0.1:{}/announce", tracker.port());
    let (home, away) = (Home::new(&[&url]), Place::new());
    let link = home.place.ok(["magnet", "album.torrent"]);
    let arguments = [
        &["download", link.trim()],
        &LOCAL[..],
        &["--match", "*.bin"],
    ]
    .concat();
    away.ok(arguments);
    home.same(&away, &["album/a.bin", "album/b.bin"]);
}

#[test]
fn a_selection_that_fits_nothing_is_a_usage_error() {
    let (home, away) = (Home::new(&[]), Place::new());
    for selection in [["--select", "3"], ["--match", "*.mkv"]] {
        let outcome = away.run(download(&home.link(), &selection));
        let line = outcome.fails_with(2);
        assert!(line.contains("see headwater show"), "{line}");
    }
    assert!(away.listing().is_empty());
    let link = format!("{}&so=7", home.link());
    let outcome = away.run(download(&link, &[]));
    assert!(outcome.fails_with(2).contains("there is no file 7"));
}

#[test]
fn a_link_to_which_nobody_answers_times_out() {
    let place = Place::new();
    let link = "magnet:?xt=urn:btih:0123456789abcdef0123456789abcdef01234567&dn=film";
    let outcome = place.run(download(link, &["--stall-timeout", "1"]));
    let line = outcome.fails_with(4);
    assert!(line.contains("no metadata came for 1.0 s"), "{line}");
    let fetch = ["magnet", "--fetch", link, "--stall-timeout", "1"];
    let outcome = place.run([&fetch, &ALONE[..]].concat());
    assert!(outcome.fails_with(4).contains("no metadata came"));
    assert!(place.listing().is_empty());
}

#[test]
fn an_interruption_before_the_metadata_says_so() {
    let place = Place::new();
    let mut running = place.start(download("0123456789abcdef0123456789abcdef01234567", &[]));
    running.event("progress");
    running.signal(Signal::INT);
    let outcome = running.end();
    let line = outcome.fails_with(7);
    assert!(line.contains("before any metadata came"), "{line}");
}

#[test]
fn the_torrent_of_a_link_is_written() {
    let (home, away) = (Home::new(&[]), Place::new());
    let link = format!(
        "{}&tr=http%3A%2F%2F127.0.0.1%3A1%2Fa&ws=http%3A%2F%2F127.0.0.1%3A1%2Fw",
        home.link()
    );
    let fetch = |more: &[&str]| -> Vec<String> {
        let arguments = [&["magnet", "--fetch", &link], &ALONE[..], more].concat();
        arguments.iter().map(ToString::to_string).collect()
    };
    let printed = away.ok(fetch(&[]));
    assert_eq!(printed, "wrote album.torrent: album\n");
    let written = Metainfo::from_bytes(&away.read("album.torrent")).unwrap();
    assert_eq!(written.info().raw(), home.torrent.info().raw());
    assert_eq!(written.trackers(), [["http://127.0.0.1:1/a"]]);
    assert_eq!(written.web_seeds(), ["http://127.0.0.1:1/w"]);
    assert_eq!(away.listing(), [std::path::Path::new("album.torrent")]);

    let outcome = away.run(fetch(&[]));
    assert!(outcome.fails_with(1).contains("is there already"));
    away.ok(fetch(&["--force"]));
    let (code, events) = away.json(fetch(&["-o", "other.torrent"]));
    assert_eq!(code, Some(0));
    let fetched = events.last().unwrap();
    assert_eq!(
        (&fetched["event"], &fetched["path"]),
        (&"fetched".into(), &"other.torrent".into())
    );
    assert_eq!(away.read("other.torrent"), away.read("album.torrent"));
    away.run(fetch(&["-o", "-", "--json"])).fails_with(2);
    let outcome = away.run(fetch(&["-o", "-"]));
    assert!(outcome.stdout == away.read("album.torrent"));
}
