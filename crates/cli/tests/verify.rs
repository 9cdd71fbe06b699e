//! Checking data on disk.

mod common;

use std::fs;

use common::{Place, noise};
use serde_json::json;

/// A folder with files of every kind of size, and its torrent of 8 pieces.
fn folder() -> Place {
    let place = Place::new();
    place.write("album/a.bin", noise(1, 100_000));
    place.write("album/b/c.bin", noise(2, 16_384));
    place.write("album/b/empty", "");
    place.write("album/z.txt", "the end");
    place.ok(["create", "album"]);
    place
}

#[test]
fn bad_data_is_found_and_named() {
    let place = folder();
    let mut data = noise(1, 100_000);
    data[20_000] ^= 1;
    data[50_000] ^= 1;
    place.write("album/a.bin", &data);
    let outcome = place.run(["verify", "album.torrent"]);
    assert!(outcome.fails_with(3).contains("2 of 8 checked pieces"));
    assert_eq!(outcome.text(), "bad: album/a.bin: pieces 1, 3\n");

    let (code, events) = place.json(["verify", "album.torrent"]);
    assert_eq!(code, Some(3));
    let bad = json!({"event": "bad_piece", "piece": 1, "files": ["album/a.bin"]});
    assert_eq!(events[0], bad);
    assert_eq!(
        (&events[2]["pass"], &events[2]["fail"]),
        (&json!(6), &json!(2))
    );

    place.ok(["verify", "album.torrent", "--pieces", "0,2,4-"]);
    place
        .run(["verify", "album.torrent", "--pieces", "0-1"])
        .fails_with(3);
    place
        .run(["verify", "album.torrent", "--file", "1"])
        .fails_with(3);
    place.ok(["verify", "album.torrent", "--file", "2"]);
    place.ok(["verify", "album.torrent", "--file", "3"]);
}

#[test]
fn missing_and_short_files_are_bad_and_nothing_is_made() {
    let place = folder();
    fs::remove_file(place.path("album/z.txt")).unwrap();
    fs::write(place.path("album/b/c.bin"), "short").unwrap();
    let before = place.listing();
    let outcome = place.run(["verify", "album.torrent"]);
    outcome.fails_with(3);
    assert!(
        outcome.text().contains("album/z.txt: missing; piece 7"),
        "{}",
        outcome.text()
    );
    assert!(
        outcome
            .text()
            .contains("album/b/c.bin: too short; pieces 6-7"),
        "{}",
        outcome.text()
    );

    let shared = "bad: album/a.bin: piece 6, shared with album/b/c.bin\n";
    assert!(outcome.text().contains(shared), "{}", outcome.text());
    assert_eq!(place.listing(), before);
}

#[test]
fn an_empty_folder_in_place_of_data_is_not_all_right() {
    let place = Place::new();
    place.write("zeros", vec![0; 50_000]);
    place.ok(["create", "zeros"]);
    fs::remove_file(place.path("zeros")).unwrap();
    place.run(["verify", "zeros.torrent"]).fails_with(3);
}

#[test]
fn several_files_are_checked_at_once() {
    let place = folder();
    let checked = |files: &[&str]| {
        let arguments = files.iter().flat_map(|file| ["--file", file]);
        let (code, events) = place.json(["verify", "album.torrent"].into_iter().chain(arguments));
        assert_eq!(code, Some(0));
        events[0]["pass"].as_u64().unwrap()
    };
    assert_eq!(checked(&["1"]), 7);
    assert_eq!(checked(&["2", "4"]), 2);
    assert_eq!(checked(&["1,2"]), 8);
    assert_eq!(checked(&["4", "1-2", "4"]), 8);
    assert_eq!(checked(&["3"]), 0);
    for (file, number) in [("5", "5"), ("0", "0"), ("2-9", "9")] {
        let outcome = place.run(["verify", "album.torrent", "--file", file]);
        let line = outcome.fails_with(2);
        assert!(line.contains(&format!("no file {number}")), "{line}");
    }
}

#[test]
fn the_wrong_folder_is_told_in_a_line() {
    let place = folder();
    for (dir, code, advice) in [
        ("elsewhere", 3, "is --dir the folder that holds it?"),
        ("album", 3, "try --dir /"),
        ("album.torrent", 2, "album.torrent is no folder"),
    ] {
        let outcome = place.run(["verify", "album.torrent", "--dir", dir]);
        let line = outcome.fails_with(code);
        assert!(line.contains(advice), "{line}");
        assert_eq!(outcome.text(), "", "no list of all that is missing");
    }
}

#[test]
fn what_hashes_do_not_tell_is_a_warning() {
    let place = folder();
    place.write("album/z.txt", "the end and more");
    fs::remove_file(place.path("album/b/empty")).unwrap();
    let outcome = place.run(["verify", "album.torrent"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    for told in ["album/z.txt is longer", "album/b/empty is missing"] {
        assert!(outcome.stderr.contains(told), "{}", outcome.stderr);
    }
    let outcome = place.run(["verify", "album.torrent", "--file", "1-2"]);
    assert_eq!(outcome.stderr, "");
}

#[test]
fn a_folder_in_place_of_a_file_is_bad_and_the_rest_is_checked() {
    let place = folder();
    fs::remove_file(place.path("album/a.bin")).unwrap();
    fs::create_dir(place.path("album/a.bin")).unwrap();
    let outcome = place.run(["verify", "album.torrent"]);
    assert!(
        outcome.fails_with(3).contains("7 of 8"),
        "{}",
        outcome.stderr
    );
    let told = "bad: album/a.bin: a folder or device is in its place; pieces 0-6\n";
    assert!(outcome.text().contains(told), "{}", outcome.text());
    place.ok(["verify", "album.torrent", "--pieces", "7"]);
}

/// Everybody may read everything as root, but nobody may open a link that leads to itself.
#[cfg(unix)]
#[test]
fn what_cannot_be_read_is_unknown_and_the_rest_is_checked() {
    let place = folder();
    fs::remove_file(place.path("album/b/c.bin")).unwrap();
    std::os::unix::fs::symlink("c.bin", place.path("album/b/c.bin")).unwrap();
    place.write("album/a.bin", [noise(1, 99_000), vec![0; 1000]].concat());
    let outcome = place.run(["verify", "album.torrent", "--pieces", "0-5,7"]);
    let line = outcome.fails_with(1);
    assert!(
        line.contains("c.bin") && line.contains("1 of 7 checked pieces are unknown, 0"),
        "{line}"
    );
    assert!(
        outcome.text().starts_with("unknown: piece 7; cannot open "),
        "{}",
        outcome.text()
    );

    let (code, events) = place.json(["verify", "album.torrent"]);
    assert_eq!(code, Some(1));
    assert_eq!(
        (&events[0]["event"], &events[0]["pieces"]),
        (&json!("unreadable"), &json!([6, 7]))
    );
    assert_eq!(
        (&events[1]["pass"], &events[1]["fail"]),
        (&json!(6), &json!(0))
    );
}

#[cfg(unix)]
#[test]
fn an_interrupted_check_tells_what_it_has_found() {
    let place = Place::new();
    let pieces = 1 << 13;
    let length = (pieces as u64) << 24;
    let torrent = common::torrent(&length.to_string(), &(1 << 24).to_string(), pieces);
    place.write("x.torrent", torrent);
    place.hollow("x", pieces as u64);
    let mut running = place.start(["verify", "x.torrent"]);
    let checking = running.event_where("checking", |event| event["done"] != json!(0));
    assert_eq!(checking["total"], json!(length));
    running.signal(rustix::process::Signal::INT);
    running.event("bad_piece");
    let error = running.event("error");
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("interrupted after ") && message.contains("of 8192 pieces"),
        "{message}"
    );
    running.end().fails_with(7);
}
