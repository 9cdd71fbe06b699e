//! Help, completions, man pages and command lines that cannot be meant.

mod common;

use common::Place;

const HASH: &str = "0123456789abcdef0123456789abcdef01234567";

const VERBS: [&str; 10] = [
    "download",
    "seed",
    "verify",
    "create",
    "show",
    "magnet",
    "tracker",
    "scrape",
    "completions",
    "man",
];

#[test]
fn every_verb_explains_itself() {
    let place = Place::new();
    let help = place.ok(["--help"]);
    for verb in VERBS {
        assert!(
            help.contains(&format!("\n  {verb} ")),
            "{verb} is missing:\n{help}"
        );
        let own = place.ok([verb, "--help"]);
        assert!(own.contains(&format!("Usage: headwater {verb}")), "{own}");
        for option in ["--quiet", "--verbose", "--json", "--color"] {
            assert!(own.contains(option), "{verb} lacks {option}");
        }
    }
    assert!(help.contains("Exit codes: 0 done; 1 failure"), "{help}");
}

#[test]
fn options_of_features_that_are_not_there_are_absent() {
    let place = Place::new();
    let help = ["download", "seed", "create", "magnet"]
        .map(|verb| place.ok([verb, "--help"]))
        .concat();
    for option in ["--no-utp", "--v2", "--hybrid"] {
        assert!(!help.contains(option), "{option}");
    }
}

#[test]
fn the_folder_has_its_aliases() {
    let place = Place::new();
    for option in ["-d", "--dir", "-o", "--download-dir"] {
        let outcome = place.run(["verify", "missing.torrent", option, "."]);
        outcome.fails_with(1);
    }
}

#[test]
fn the_version_is_told() {
    let version = Place::new().ok(["--version"]);
    assert_eq!(
        version,
        format!("headwater {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn wrong_command_lines_are_usage_errors() {
    let place = Place::new();
    place.write("x.torrent", common::torrent("5", "16384", 1));
    let lines: &[&[&str]] = &[
        &[],
        &["fly"],
        &["show"],
        &["show", "a", "b"],
        &["show", "a", "--fly"],
        &["show", "a", "-q", "-v"],
        &["show", "a", "--color", "sometimes"],
        &["verify", "x.torrent", "--pieces", "5-1"],
        &["verify", "x.torrent", "--pieces", "1"],
        &["verify", "x.torrent", "--file", "2"],
        &["verify", "x.torrent", "--file", "0"],
        &["create", ".", "--piece-length", "20000"],
        &["create", ".", "-a", "ftp://tracker"],
        &["create", ".", "-w", "ftp://seed"],
        &["tracker", "--http", "nowhere"],
        &["completions", "abacus"],
        &["download"],
        &["download", "x.torrent", "--max-down", "fast"],
        &["download", "x.torrent", "--max-up", "0"],
        &["download", "x.torrent", "--peer", "localhost"],
        &["download", "x.torrent", "--select", "2"],
        &["download", "x.torrent", "--match", "*.mkv"],
        &["download", "x.torrent", "--match", "[a"],
        &["download", "x.torrent", "--seed-ratio", "-1"],
        &["download", "x.torrent", "x.torrent", "--select", "1"],
        &["download", "magnet:?dn=nothing"],
        &["download", "magnet:?xt=urn:btih:0123"],
        &["magnet", "x.torrent", "--fetch", HASH],
        &["magnet", "x.torrent", "-o", "y.torrent"],
        &["magnet", "x.torrent", "--no-trackers"],
        &["magnet", "--fetch", "x.torrent"],
        &["seed"],
    ];
    for line in lines {
        let outcome = place.run(*line);
        assert_eq!(outcome.code, Some(2), "{line:?}: {}", outcome.stderr);
        assert!(
            !outcome.stderr.is_empty() && outcome.stdout.is_empty(),
            "{line:?}"
        );
        assert!(
            !outcome.stderr.contains("panicked"),
            "{line:?}: {}",
            outcome.stderr
        );
    }
    assert_eq!(
        place.listing(),
        [std::path::Path::new("x.torrent")],
        "nothing was touched"
    );
}

#[test]
fn completions_know_verbs_and_options() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = place.ok(["completions", shell]);
        for word in ["scrape", "piece-length"] {
            assert!(script.contains(word), "{shell} lacks {word}");
        }
    }
}

#[test]
fn man_pages_are_written() {
    let place = Place::new();
    place.ok(["man", "made/pages"]);
    for verb in VERBS {
        let page = place.read(format!("made/pages/headwater-{verb}.1"));
        assert!(page.starts_with(b".ie") || page.starts_with(b"."), "{verb}");
    }
    let page = String::from_utf8(place.read("made/pages/headwater.1")).unwrap();
    assert!(page.contains(".TH headwater 1"), "{page}");
    place.write("file", "");
    place.run(["man", "file/pages"]).fails_with(1);
}

#[test]
fn color_is_a_matter_of_choice() {
    let place = Place::new();
    let plain = place.run(["show", "missing"]);
    assert!(plain.stderr.starts_with("error: "), "{}", plain.stderr);
    let colored = place.run(["show", "missing", "--color", "always"]);
    assert!(
        colored.stderr.starts_with("\x1b[1;31merror:\x1b[0m "),
        "{}",
        colored.stderr
    );
    assert!(place.ok(["--color", "always", "--help"]).contains('\x1b'));
    assert!(!place.ok(["--help"]).contains('\x1b'));
}
