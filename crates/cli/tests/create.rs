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
    place.ok(["create", "album", "--exclude", "?"]);
}

#[test]
fn junk_is_left_out_unless_it_is_asked_for() {
    let place = folder();
    let plain = place
        .run(["create", "album", "--no-date", "-o", "-"])
        .stdout;
    for junk in [
        ".DS_Store",
        "b/Thumbs.db",
        "b/desktop.ini",
        "@eaDir/a.bin/x",
        "._z.txt",
        "a.bin.aria2",
        "new.bin.part",
        ".0123456789012345678901234567890123456789.parts",
        "lost+found/#1",
    ] {
        place.write(&format!("album/{junk}"), "junk");
    }
    let outcome = place.run(["create", "album", "--no-date", "-o", "-"]);
    assert_eq!(outcome.stdout, plain);
    let told = outcome
        .stderr
        .contains("left out: junk 9 (--include-junk keeps it)");
    assert!(told, "{}", outcome.stderr);
    place.ok(["create", "album", "--include-junk"]);
    let torrent = Metainfo::from_bytes(&place.read("album.torrent")).unwrap();
    assert_eq!(torrent.info().layout().len(), 13);
    // What is named is meant.
    place.ok(["create", "album/new.bin.part"]);
}

#[test]
fn the_user_s_own_hidden_files_go_in() {
    let place = folder();
    place.write("album/.gitignore", "*.o");
    place.write("album/.config/x", "y");
    let (code, events) = place.json(["create", "album"]);
    assert_eq!((code, &events[0]["files"]), (Some(0), &json!(6)));
}

#[test]
fn what_the_user_excludes_is_left_out() {
    let place = folder();
    place.write("album/extras/scan.jpg", "x");
    place.write("album/extras.jpg", "x");
    let files = |exclude: &[&str]| {
        let arguments = exclude.iter().flat_map(|glob| ["--exclude", glob]);
        let arguments = ["create", "album", "--dry-run"]
            .into_iter()
            .chain(arguments);
        let (code, events) = place.json(arguments);
        assert_eq!(code, Some(0), "{events:?}");
        let files = events[0]["files"].as_array().unwrap();
        let paths = files.iter().map(|file| file["path"].as_str().unwrap());
        paths
            .map(|path| path.strip_prefix("album/").unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        files(&["*.bin", "empty"]),
        ["extras/scan.jpg", "extras.jpg", "z.txt"]
    );
    assert_eq!(files(&["extras/", "b", "z.*"]), ["a.bin", "extras.jpg"]);
    assert_eq!(files(&["album/b/*", "/extras*"]), ["a.bin", "z.txt"]);

    let outcome = place.run([
        "create",
        "album",
        "--exclude",
        "*.txt",
        "--exclude",
        "*.nfo",
    ]);
    assert_eq!(outcome.code, Some(0));
    for told in ["nothing fits --exclude *.nfo", "left out: excluded 1"] {
        assert!(outcome.stderr.contains(told), "{}", outcome.stderr);
    }
    let outcome = place.run(["create", "album", "--force", "--exclude", "*"]);
    assert!(
        outcome.fails_with(1).contains("excluded"),
        "{}",
        outcome.stderr
    );
    place
        .run(["create", "album", "--exclude", "[a"])
        .fails_with(2);
}

#[test]
fn a_dry_run_tells_all_and_writes_nothing() {
    let place = folder();
    place.write("album/.DS_Store", "junk");
    fs::create_dir_all(place.path("album/hollow/more")).unwrap();
    let before = place.listing();
    let text = place.ok(["create", "album", "--dry-run"]);
    for line in [
        "would write   album.torrent",
        "pieces        8 of 16 KiB",
        "   4        7 B  album/z.txt",
        "           junk  album/.DS_Store",
        "   empty folder  album/hollow",
    ] {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
    let (code, events) = place.json(["create", "album", "--dry-run", "--piece-length", "32K"]);
    assert_eq!((code, events.len()), (Some(0), 1));
    let expected = json!({
        "event": "planned",
        "path": "album.torrent",
        "size": 116_391,
        "piece_length": 32_768,
        "piece_count": 4,
        "files": [
            {"path": "album/a.bin", "length": 100_000},
            {"path": "album/b/c.bin", "length": 16_384},
            {"path": "album/b/empty", "length": 0},
            {"path": "album/z.txt", "length": 7},
        ],
        "left_out": [
            {"path": "album/.DS_Store", "reason": "junk"},
            {"path": "album/hollow", "reason": "empty_folder"},
        ],
    });
    assert_eq!(events[0], expected);
    assert_eq!(place.listing(), before);
    // What would stand in the way is told, and no fault of a dry run.
    place.write("album.torrent", "precious");
    let outcome = place.run(["create", "album", "--dry-run"]);
    assert_eq!(outcome.code, Some(0));
    assert!(outcome.stderr.contains("--force"), "{}", outcome.stderr);
}

/// By bytes, whatever the language of the user.
#[test]
fn files_are_sorted_by_the_bytes_of_their_names() {
    let place = Place::new();
    // A folder's files come where its name does, so `a/x` before `a!`.
    let sorted = [
        "B",
        "Z/1",
        "a/x",
        "a!",
        "a0",
        "ab",
        "y",
        "\u{e4}",
        "\u{ff5e}",
        "\u{10000}",
    ];
    for name in sorted {
        place.write(&format!("album/{name}"), "x");
    }
    let mut torrents = Vec::new();
    for locale in ["C", "de_DE.UTF-8", "tr_TR.UTF-8"] {
        let mut command = place.command(["create", "album", "--no-date", "-o", "-"]);
        command.env("LC_ALL", locale).env("LANG", locale);
        torrents.push(common::finish(command).stdout);
    }
    assert!(torrents.iter().all(|torrent| *torrent == torrents[0]));
    let torrent = Metainfo::from_bytes(&torrents[0]).unwrap();
    let paths = torrent.info().layout().files().iter();
    let paths: Vec<_> = paths.map(|file| file.path().as_str()).collect();
    assert_eq!(paths, sorted.map(|name| format!("album/{name}")));
}

#[test]
fn a_torrent_and_json_do_not_share_standard_output() {
    let place = folder();
    let (code, events) = place.json(["create", "album", "-o", "-"]);
    assert_eq!((code, events.len()), (Some(2), 1), "{events:?}");
    assert_eq!(
        place.json(["create", "album", "-o", "-", "--dry-run"]).0,
        Some(0)
    );
}

#[cfg(unix)]
#[test]
fn special_files_are_left_out_and_told() {
    let place = folder();
    let _socket = std::os::unix::net::UnixListener::bind(place.path("album/socket")).unwrap();
    let outcome = place.run(["create", "album"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("left out: special files 1"),
        "{}",
        outcome.stderr
    );
    place.run(["create", "album/socket"]).fails_with(2);
}

#[cfg(unix)]
#[test]
fn links_that_lead_nowhere_or_elsewhere_are_told() {
    use std::os::unix::fs::symlink;
    let (place, elsewhere) = (folder(), Place::new());
    elsewhere.write("far", "away");
    symlink(elsewhere.path("far"), place.path("album/far")).unwrap();
    symlink("a.bin", place.path("album/near")).unwrap();
    let outcome = place.run(["create", "album"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("album/far leads elsewhere"),
        "{}",
        outcome.stderr
    );
    assert!(!outcome.stderr.contains("near"), "{}", outcome.stderr);
    place.ok(["verify", "album.torrent"]);

    symlink("nowhere", place.path("album/broken")).unwrap();
    let outcome = place.run(["create", "album", "--force"]);
    assert!(
        outcome.fails_with(1).contains("album/broken is a link"),
        "{}",
        outcome.stderr
    );
    place.ok(["create", "album", "--force", "--exclude", "broken"]);
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_leaves_nothing() {
    let place = Place::new();
    place.hollow("huge", 1 << 13);
    let mut running = place.start(["create", "huge"]);
    let hashing = running.event("hashing");
    assert_eq!(hashing["total"], json!(1_u64 << 37));
    running.signal(rustix::process::Signal::INT);
    running.end().fails_with(7);
    assert_eq!(place.listing(), [std::path::Path::new("huge")]);
}

#[cfg(unix)]
#[test]
fn a_file_that_is_cut_meanwhile_makes_no_torrent() {
    let place = Place::new();
    let file = place.hollow("huge", 1 << 13);
    let mut running = place.start(["create", "huge"]);
    running.event("hashing");
    file.set_len(1 << 20).unwrap();
    let outcome = running.end();
    let line = outcome.fails_with(1);
    assert!(line.contains("huge has become shorter"), "{line}");
    assert_eq!(place.listing(), [std::path::Path::new("huge")]);
}
