//! Whatever is wrong with what the program is given: one clear line, the right exit code, and nothing is touched.

mod common;

use std::path::PathBuf;
use std::process::{Command, Stdio};

use common::{Place, noise, torrent};
use headwater_metainfo::MAX_TORRENT_SIZE;

/// Everything that takes a torrent, with the options that keep it from going on for long.
const VERBS: [&[&str]; 6] = [
    &["show"],
    &["magnet"],
    &["verify"],
    &["scrape"],
    &[
        "download",
        "--no-trackers",
        "--no-lsd",
        "--no-portmap",
        "--port",
        "0",
    ],
    &[
        "seed",
        "--no-trackers",
        "--no-lsd",
        "--no-portmap",
        "--port",
        "0",
    ],
];

/// Runs every verb on `torrent` and gives the lines that it prints.
fn refused(place: &Place, torrent: &str, code: i32) -> Vec<String> {
    let before = place.listing();
    let lines = VERBS.map(|verb| {
        let arguments = [verb, &[torrent][..]].concat();
        let outcome = place.run(&arguments);
        assert!(outcome.stdout.is_empty(), "{arguments:?}");
        outcome.fails_with(code).to_owned()
    });
    assert_eq!(place.listing(), before, "nothing was touched");
    lines.into()
}

#[track_caller]
fn all_contain(lines: &[String], words: &[&str]) {
    for line in lines {
        for word in words {
            assert!(line.contains(word), "{line:?} does not say {word:?}");
        }
    }
}

#[test]
fn a_missing_file() {
    let place = Place::new();
    let lines = refused(&place, "missing.torrent", 1);
    all_contain(
        &lines,
        &["missing.torrent", "no such file", "check the path"],
    );
}

#[test]
fn a_path_through_a_file() {
    let place = Place::new();
    place.write("file", "");
    let lines = refused(&place, "file/x.torrent", 1);
    all_contain(&lines, &["file/x.torrent", "check the path"]);
}

#[test]
fn a_folder() {
    let place = Place::new();
    place.write("folder/x", "");
    all_contain(&refused(&place, "folder", 1), &["folder", "not a file"]);
}

#[test]
fn an_empty_file() {
    let place = Place::new();
    place.write("x.torrent", "");
    all_contain(&refused(&place, "x.torrent", 1), &["x.torrent", "empty"]);
}

#[test]
fn random_bytes() {
    let place = Place::new();
    for seed in 0..3 {
        place.write("x.torrent", noise(seed, 5000));
        all_contain(
            &refused(&place, "x.torrent", 1),
            &["x.torrent", "not a torrent"],
        );
    }
}

#[test]
fn a_web_page() {
    let place = Place::new();
    place.write("x.torrent", "<!DOCTYPE html><title>Log in</title>");
    all_contain(&refused(&place, "x.torrent", 1), &["x.torrent", "web page"]);
}

#[test]
fn a_torrent_cut_anywhere() {
    let place = Place::new();
    let whole = torrent("100000", "16384", 7);
    for length in [1, 7, 20, whole.len() / 2, whole.len() - 1] {
        place.write("x.torrent", &whole[..length]);
        all_contain(
            &refused(&place, "x.torrent", 1),
            &["x.torrent", "not a torrent"],
        );
    }
}

#[test]
fn thirty_megabytes() {
    let place = Place::new();
    for (byte, name) in [
        (b'l', "lists"),
        (b'd', "dictionaries"),
        (b'0', "digits"),
        (0, "zeros"),
    ] {
        place.write(name, vec![byte; 30 << 20]);
        place.run(["show", name]).fails_with(1);
    }
    let mut huge = format!("d4:info{}:", 30 << 20).into_bytes();
    huge.resize(30 << 20, b'x');
    place.write("string", huge);
    place.run(["show", "string"]).fails_with(1);
    // One that is right is loaded.
    let pieces = (30 << 20) / 20;
    let size = u64::from(pieces as u32) * 16384;
    place.write("right", torrent(&size.to_string(), "16384", pieces));
    let shown = place.ok(["show", "right"]);
    assert!(shown.contains("1,572,864 of 16 KiB"), "{shown}");
}

#[test]
fn more_than_a_torrent_may_have() {
    let place = Place::new();
    let path = place.path("x.torrent");
    let file = std::fs::File::create(path).unwrap();
    file.set_len(MAX_TORRENT_SIZE as u64 * 100).unwrap();
    let line = place.run(["show", "x.torrent"]);
    all_contain(
        &[line.fails_with(1).to_owned()],
        &["x.torrent", "larger than"],
    );
}

#[test]
fn numbers_that_make_no_torrent() {
    let place = Place::new();
    let cases = [
        ("5", "0", 1, "piece length"),
        ("5", "-16384", 1, "negative"),
        ("-5", "16384", 1, "negative"),
        ("9223372036854775807", "16384", 1, "piece"),
        ("9223372036854775808", "16384", 1, ""),
        ("99999999999999999999999", "16384", 1, ""),
        ("100000", "16384", 6, "pieces"),
        ("100000", "9223372036854775807", 1, "piece length"),
        ("0", "16384", 1, "piece"),
    ];
    for (length, piece_length, pieces, word) in cases {
        place.write("x.torrent", torrent(length, piece_length, pieces));
        let lines = refused(&place, "x.torrent", 1);
        all_contain(&lines, &["x.torrent"]);
        let found = lines[0].contains(word);
        assert!(
            found,
            "{length} in {piece_length}: {} does not say {word:?}",
            lines[0]
        );
    }
}

#[test]
fn sizes_that_overflow_together() {
    let place = Place::new();
    let file = "d6:lengthi9223372036854775807e4:pathl1:aee";
    let files = file.repeat(3);
    let text = format!(
        "d4:infod5:filesl{files}e4:name1:x12:piece lengthi16384e6:pieces20:{}ee",
        "7".repeat(20)
    );
    place.write("x.torrent", text);
    all_contain(&refused(&place, "x.torrent", 1), &["x.torrent"]);
}

#[test]
fn names_that_climb_stay_below() {
    let place = Place::new();
    let path = "l2:..2:..3:etc6:passwde";
    let text = format!(
        "d4:infod5:filesld6:lengthi5e4:path{path}ee4:name8:/etc/abc12:piece lengthi16384e6:pieces20:{}ee",
        "7".repeat(20)
    );
    place.write("x.torrent", text);
    let (code, events) = place.json(["show", "x.torrent"]);
    assert_eq!(code, Some(0));
    let shown = PathBuf::from(events[0]["files"][0]["path"].as_str().unwrap());
    let is_plain = |part: std::path::Component<'_>| matches!(part, std::path::Component::Normal(_));
    assert!(shown.components().all(is_plain), "{shown:?}");
}

#[test]
fn errors_are_events_too() {
    let place = Place::new();
    for verb in VERBS {
        let (code, events) = place.json([verb, &["missing.torrent"][..]].concat());
        assert_eq!((code, events.len()), (Some(1), 1), "{verb:?}: {events:?}");
        assert_eq!(events[0]["event"], "error");
        assert!(
            events[0]["message"]
                .as_str()
                .unwrap()
                .contains("missing.torrent")
        );
    }
}

#[test]
fn terminals_are_safe_from_torrents() {
    let place = Place::new();
    let comment = "red \x1b[31m alert\n\u{202e}";
    let text = format!(
        "d7:comment{}:{comment}4:infod6:lengthi5e4:name4:\x1b[2J12:piece lengthi16384e6:pieces20:{}ee",
        comment.len(),
        "7".repeat(20)
    );
    place.write("x.torrent", text);
    let shown = place.ok(["show", "x.torrent"]);
    assert!(!shown.contains(['\x1b', '\u{202e}']), "{shown:?}");
}

/// A reader that goes away is no error, and no panic.
#[cfg(unix)]
#[test]
fn a_closed_pipe() {
    let place = Place::new();
    place.write("x.torrent", torrent("5", "16384", 1));
    for arguments in [
        &["show", "x.torrent"][..],
        &["--help"],
        &["completions", "zsh"],
        &["show", "x.torrent", "--json"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command: Command = place.command(arguments);
        let child = command
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_under_standard_output() {
    let place = Place::new();
    place.write("x.torrent", torrent("5", "16384", 1));
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let mut command = place.command(["show", "x.torrent"]);
    let child = command.stdout(full).stderr(Stdio::piped()).spawn().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(5));
    assert!(String::from_utf8_lossy(&output.stderr).contains("the disk is full"));
}
