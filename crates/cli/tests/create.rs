//! Making, showing and checking torrents.

mod common;

use std::fs;

use common::{Place, noise};
use headwater_metainfo::Metainfo;
use serde_json::json;

/// A folder with files of every kind of size.
fn folder() -> Place {
    let place = Place::new();
    place.write("album/a.bin", noise(1, 100_000));
    place.write("album/b/c.bin", noise(2, 16_384));
    place.write("album/b/empty", "");
    place.write("album/z.txt", "the end");
    place
}

#[test]
fn what_is_created_is_shown_and_verified() {
    let place = folder();
    let (code, events) = place.json([
        "create",
        "album",
        "-a",
        "http://one/announce,udp://two:80",
        "-a",
        "http://three/",
        "-w",
        "http://seed/",
        "--private",
        "--comment",
        "for you",
        "--source",
        "HERE",
        "--no-date",
    ]);
    assert_eq!(code, Some(0));
    let created = &events[0];
    assert_eq!(created["event"], "created");
    assert_eq!(created["path"], "album.torrent");
    assert_eq!(
        (&created["size"], &created["files"]),
        (&json!(116_391), &json!(4))
    );

    let (code, events) = place.json(["show", "album.torrent"]);
    assert_eq!((code, events.len()), (Some(0), 1));
    let expected = json!({
        "event": "torrent",
        "name": "album",
        "info_hash_v1": created["info_hash_v1"],
        "info_hash_v2": null,
        "size": 116_391,
        "piece_length": 16_384,
        "piece_count": 8,
        "private": true,
        "source": "HERE",
        "files": [
            {"path": "album/a.bin", "length": 100_000},
            {"path": "album/b/c.bin", "length": 16_384},
            {"path": "album/b/empty", "length": 0},
            {"path": "album/z.txt", "length": 7},
        ],
        "trackers": [["http://one/announce", "udp://two:80"], ["http://three/"]],
        "web_seeds": ["http://seed/"],
        "comment": "for you",
        "created_by": concat!("Headwater/", env!("CARGO_PKG_VERSION")),
        "creation_date": null,
    });
    assert_eq!(events[0], expected);

    let shown = place.ok(["show", "album.torrent"]);
    for text in [
        "114 KiB (116,391 bytes)",
        "8 of 16 KiB",
        "(tier 2)",
        "   4        7 B  album/z.txt",
    ] {
        assert!(shown.contains(text), "{text:?} is not in\n{shown}");
    }

    let (code, events) = place.json(["verify", "album.torrent"]);
    assert_eq!(code, Some(0));
    assert_eq!(
        events,
        [json!({
            "event": "checked", "pass": 8, "fail": 0, "torrent": created["info_hash_v1"],
        })]
    );

    let (_, events) = place.json(["magnet", "album.torrent"]);
    let magnet = events[0]["magnet"].as_str().unwrap().to_owned();
    assert!(magnet.starts_with(&format!(
        "magnet:?xt=urn:btih:{}",
        created["info_hash_v1"].as_str().unwrap()
    )));
    assert_eq!(place.ok(["magnet", "album.torrent"]), format!("{magnet}\n"));
}

#[test]
fn a_single_file() {
    let place = Place::new();
    place.write("one.bin", noise(3, 70_000));
    place.ok(["create", "one.bin", "--piece-length", "32K"]);
    let torrent = Metainfo::from_bytes(&place.read("one.bin.torrent")).unwrap();
    assert!(!torrent.info().is_multi_file());
    assert_eq!(torrent.info().geometry().piece_length(), 32 << 10);
    assert!(
        torrent
            .creation_date()
            .is_some_and(|date| date > 1_600_000_000)
    );
    place.ok(["verify", "one.bin.torrent"]);
    let elsewhere = Place::new();
    elsewhere.write("data/one.bin", noise(3, 70_000));
    let torrent = place.path("one.bin.torrent");
    elsewhere.ok([
        "verify".as_ref(),
        torrent.as_os_str(),
        "--dir".as_ref(),
        "data".as_ref(),
    ]);
}

#[test]
fn the_same_input_makes_the_same_torrent() {
    let (first, second) = (folder(), Place::new());
    // Made in another order.
    second.write("album/z.txt", "the end");
    second.write("album/b/empty", "");
    second.write("album/b/c.bin", noise(2, 16_384));
    second.write("album/a.bin", noise(1, 100_000));
    let make = |place: &Place| {
        place
            .run(["create", "album", "--no-date", "-o", "-"])
            .stdout
    };
    let torrent = make(&first);
    assert!(Metainfo::from_bytes(&torrent).is_ok());
    assert_eq!(torrent, make(&second));
    assert_eq!(
        first
            .run(["create", "./album/../album/", "--no-date", "-o", "-"])
            .stdout,
        torrent
    );
    assert!(!first.path("album.torrent").exists());
}

#[test]
fn the_environment_sets_the_date() {
    let place = folder();
    let mut command = place.command(["create", "album"]);
    command.env("SOURCE_DATE_EPOCH", "1234567890");
    assert_eq!(common::finish(command).code, Some(0));
    let torrent = Metainfo::from_bytes(&place.read("album.torrent")).unwrap();
    assert_eq!(torrent.creation_date(), Some(1_234_567_890));
    let mut command = place.command(["create", "album", "--force"]);
    command.env("SOURCE_DATE_EPOCH", "yesterday");
    common::finish(command).fails_with(2);
}

#[test]
fn nothing_is_overwritten_without_force() {
    let place = folder();
    place.write("album.torrent", "precious");
    let outcome = place.run(["create", "album"]);
    let line = outcome.fails_with(1);
    assert!(
        line.contains("album.torrent") && line.contains("--force"),
        "{line}"
    );
    assert_eq!(place.read("album.torrent"), b"precious");
    place.ok(["create", "album", "--force"]);
    assert!(Metainfo::from_bytes(&place.read("album.torrent")).is_ok());
}

#[test]
fn the_torrent_is_not_part_of_itself() {
    let place = folder();
    place.ok(["create", "album", "--no-date", "-o", "album/self.torrent"]);
    let first = place.read("album/self.torrent");
    place.ok([
        "create",
        "album",
        "--no-date",
        "-o",
        "album/self.torrent",
        "--force",
    ]);
    assert_eq!(place.read("album/self.torrent"), first);
}

#[test]
fn what_cannot_become_a_torrent() {
    let place = folder();
    fs::create_dir(place.path("hollow")).unwrap();
    place.write("empty", "");
    let before = place.listing();
    for (path, code) in [
        ("missing", 1),
        ("hollow", 1),
        ("empty", 1),
        ("album/z.txt/x", 1),
        ("/", 2),
    ] {
        let outcome = place.run(["create", path]);
        let line = outcome.fails_with(code);
        assert!(line.contains(path), "{line}");
    }
    let outcome = place.run(["create", "album", "-o", "nowhere/x.torrent"]);
    assert!(outcome.fails_with(1).contains("nowhere/x.torrent"));
    place
        .run(["create", "album", "-o", "album/z.txt/x.torrent"])
        .fails_with(1);
    place.run(["create", "album", "-o", "album"]).fails_with(1);
    assert_eq!(place.listing(), before, "nothing was touched");
}

/// Root may write nearly anywhere; not there.
#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_takes_no_files() {
    let place = folder();
    let outcome = place.run(["create", "album", "-o", "/sys/kernel/x.torrent"]);
    assert!(matches!(outcome.code, Some(1 | 5)), "{}", outcome.stderr);
    assert!(
        outcome
            .stderr
            .contains("cannot write /sys/kernel/x.torrent"),
        "{}",
        outcome.stderr
    );
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_loops_are_told() {
    use std::os::unix::fs::symlink;
    let place = folder();
    symlink(place.path("album/a.bin"), place.path("album/link.bin")).unwrap();
    place.ok(["create", "album"]);
    let torrent = Metainfo::from_bytes(&place.read("album.torrent")).unwrap();
    assert_eq!(torrent.info().layout().total_size(), 216_391);
    symlink(place.path("album"), place.path("album/b/round")).unwrap();
    let outcome = place.run(["create", "album", "--force"]);
    assert!(outcome.fails_with(1).contains("album/b/round"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_no_text_is_told() {
    use std::os::unix::ffi::OsStrExt;
    let place = folder();
    let name = std::ffi::OsStr::from_bytes(b"album/\xff");
    fs::write(place.path(name), "x").unwrap();
    let outcome = place.run(["create", "album"]);
    assert!(outcome.fails_with(1).contains("rename"));
}

#[test]
fn bad_data_is_found_and_named() {
    let place = folder();
    place.ok(["create", "album"]);
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
    place.ok(["create", "album"]);
    fs::remove_file(place.path("album/z.txt")).unwrap();
    fs::write(place.path("album/b/c.bin"), "short").unwrap();
    let before = place.listing();
    let outcome = place.run(["verify", "album.torrent"]);
    outcome.fails_with(3);
    assert!(
        outcome.text().contains("album/z.txt: missing; piece"),
        "{}",
        outcome.text()
    );
    assert!(
        outcome.text().contains("album/b/c.bin: too short; piece"),
        "{}",
        outcome.text()
    );

    let outcome = place.run(["verify", "album.torrent", "--dir", "elsewhere"]);
    assert!(
        outcome.fails_with(3).contains("--dir"),
        "{}",
        outcome.stderr
    );
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
