//! Downloads and seeds between processes, on loopback.
#![cfg(unix)]

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use common::{ALONE, Outcome, PATIENCE, Place, Running, finish, noise};
use rustix::process::Signal;
use serde_json::Value;

/// Loopback only, any port.
const LOCAL: [&str; 5] = ["--bind", "127.0.0.1", "--port", "0", "--no-dht"];

/// A folder with data and the torrent of it, `album.torrent`.
fn with_album(trackers: &[String]) -> Place {
    let place = Place::new();
    place.write("album/a.bin", noise(1, 1_500_000));
    place.write("album/b/c.bin", noise(2, 700_001));
    place.write("album/b/empty", "");
    place.write("album/z.txt", "the end");
    let mut arguments: Vec<String> = ["create", "album", "--piece-length", "64K"]
        .map(Into::into)
        .into();
    for tracker in trackers {
        arguments.extend(["-a".to_owned(), tracker.clone()]);
    }
    place.ok(arguments);
    place
}

/// A seed that is ready, and its address.
fn seed(place: &Place, more: &[&str]) -> (Running, String) {
    let mut seed = place.start([&["seed", "album.torrent"], &ALONE[..], more].concat());
    let peer = address_of(&mut seed);
    (seed, peer)
}

/// Where a program listens, once it has looked at its data and welcomes peers.
fn address_of(running: &mut Running) -> String {
    let port = running.port();
    running.event("checked");
    format!("127.0.0.1:{port}")
}

/// The arguments of a download of the album in `from` from one peer.
fn download<'a>(torrent: &'a str, peer: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["download", torrent, "--peer", peer], &ALONE[..], more].concat()
}

fn torrent_of(place: &Place) -> String {
    place.path("album.torrent").to_str().unwrap().to_owned()
}

#[track_caller]
fn same_album(a: &Place, b: &Place) {
    for file in [
        "album/a.bin",
        "album/b/c.bin",
        "album/b/empty",
        "album/z.txt",
    ] {
        assert!(a.read(file) == b.read(file), "{file} differs");
    }
}

#[test]
fn a_download_from_a_seed_and_again() {
    let home = with_album(&[]);
    let (_seed, peer) = seed(&home, &[]);
    let torrent = torrent_of(&home);
    let away = Place::new();
    let (code, events) = away.json(download(&torrent, &peer, &[]));
    assert_eq!(code, Some(0), "{events:?}");
    same_album(&home, &away);
    let names: Vec<&str> = events
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect();
    assert_eq!(names[0], "listening", "{names:?}");
    assert!(events[0]["port"].as_u64().unwrap() > 0);
    let last = &names[names.len() - 2..];
    assert_eq!(last, ["completed", "finished"], "{names:?}");
    assert!(events.last().unwrap()["elapsed_ms"].is_u64());

    // Started again, without anybody to ask.
    let outcome = away.run([&["download", &torrent], &ALONE[..]].concat());
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(
        outcome
            .text()
            .starts_with("album is all there: 2.10 MiB in "),
        "{}",
        outcome.text()
    );
    away.ok(["verify", &torrent]);
}

#[test]
fn without_resume_data_what_is_there_is_checked() {
    let home = with_album(&[]);
    let torrent = torrent_of(&home);
    let (code, events) = home.json([&["download", &torrent], &ALONE[..]].concat());
    assert_eq!(code, Some(0), "{events:?}");
    let checked = events
        .iter()
        .find(|event| event["event"] == "checked")
        .unwrap();
    assert_eq!(
        (&checked["pass"], &checked["fail"]),
        (&34.into(), &0.into())
    );
}

#[test]
fn resume_data_that_is_not_used_is_said_in_a_line() {
    let home = with_album(&[]);
    let torrent = torrent_of(&home);
    let run = || {
        let outcome = home.run([&["download", &torrent], &ALONE[..]].concat());
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        outcome.stderr
    };
    assert!(!run().contains("resume"));
    assert_eq!(run(), "", "nothing to say");

    // One file has another time.
    let file = fs::File::options()
        .write(true)
        .open(home.path("album/a.bin"))
        .unwrap();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
    let told = run();
    let line = "album: 1 file has changed since the last run; checking ";
    assert!(
        told.starts_with(line) && told.lines().count() == 1,
        "{told}"
    );

    let state = fs::read_dir(home.path("state/headwater")).unwrap();
    let saved = state.map(|entry| entry.unwrap().path()).next().unwrap();
    let mut bytes = fs::read(&saved).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&saved, bytes).unwrap();
    let told = run();
    let line = "warning: album: resume data is damaged: its checksum is wrong; checking what is there instead\n";
    assert!(told.starts_with(line), "{told}");
    assert_eq!(run(), "", "it is as good as new");
}

#[test]
fn a_sparse_download_takes_space_as_it_comes() {
    let home = with_album(&[]);
    let torrent = torrent_of(&home);
    for (options, takes_all) in [(&["--sparse"][..], false), (&[], true)] {
        let away = Place::new();
        let alone = [
            &["download", &torrent, "--stall-timeout", "1"],
            options,
            &ALONE[..],
        ]
        .concat();
        let outcome = away.run(alone);
        assert_eq!(outcome.code, Some(4), "{}", outcome.stderr);
        assert_eq!(away.path("album/a.bin").exists(), takes_all);
        let (_seed, peer) = seed(&home, &[]);
        let (code, events) = away.json(download(&torrent, &peer, options));
        assert_eq!(code, Some(0), "{events:?}");
        same_album(&home, &away);
    }
}

#[test]
fn human_output_is_one_line_and_quiet_is_quiet() {
    let home = with_album(&[]);
    let (_seed, peer) = seed(&home, &[]);
    let torrent = torrent_of(&home);
    let away = Place::new();
    let outcome = away.run(download(&torrent, &peer, &["-q"]));
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_eq!(outcome.stderr, "");
    assert!(
        outcome
            .text()
            .starts_with("album is complete: 2.10 MiB in "),
        "{}",
        outcome.text()
    );
    assert_eq!(outcome.text().lines().count(), 1);
}

#[test]
fn killed_half_way_it_goes_on_from_what_it_had() {
    let home = with_album(&[]);
    let torrent = torrent_of(&home);
    let away = Place::new();
    let (slow, peer) = seed(&home, &["--max-up", "600K"]);
    let mut first = away.start(download(&torrent, &peer, &[]));
    let part = |event: &Value| event["done"].as_u64().unwrap() > 300_000;
    let progress = first.event_where("progress", part);
    assert!(
        progress["done"].as_u64() < progress["total"].as_u64(),
        "{progress}"
    );
    first.kill();
    drop(slow);

    let (_seed, peer) = seed(&home, &[]);
    let mut second = away.start(download(&torrent, &peer, &[]));
    let checked = second.event("checked");
    assert!(checked["pass"].as_u64().unwrap() >= 4, "{checked}");
    second.event("finished");
    assert_eq!(second.end().code, Some(0));
    same_album(&home, &away);
}

#[test]
fn interrupted_it_ends_cleanly_and_goes_on_later() {
    for signal in [Signal::INT, Signal::TERM] {
        let home = with_album(&[]);
        let torrent = torrent_of(&home);
        let away = Place::new();
        let (slow, peer) = seed(&home, &["--max-up", "600K"]);
        let mut first = away.start(download(&torrent, &peer, &[]));
        first.event_where("progress", |event| {
            event["done"].as_u64().unwrap() > 100_000
        });
        first.signal(signal);
        let outcome = first.end();
        assert!(
            outcome.fails_with(7).contains("run the same command again"),
            "{}",
            outcome.stderr
        );
        drop(slow);

        let (_seed, peer) = seed(&home, &[]);
        let (code, _) = away.json(download(&torrent, &peer, &[]));
        assert_eq!(code, Some(0));
        same_album(&home, &away);
    }
}

/// Answers the first request and keeps the others waiting.
fn tracker_that_falls_silent() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let mut kept = Vec::new();
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            if number == 0 {
                let body = "d8:intervali1800e5:peers0:e";
                let head = format!(
                    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(format!("{head}{body}").as_bytes());
            } else {
                kept.push(stream);
            }
        }
    });
    format!("http://{address}/announce")
}

#[test]
fn a_silent_tracker_delays_the_end_only_so_long_and_the_second_signal_not_at_all() {
    for (signals, code) in [(1, 0), (2, 130)] {
        let home = with_album(&[tracker_that_falls_silent()]);
        let mut seed = home.start([&["seed", "album.torrent"], &LOCAL[..]].concat());
        seed.event("tracker");
        seed.signal(Signal::INT);
        seed.event("stopping");
        if signals == 2 {
            seed.signal(Signal::INT);
        }
        assert_eq!(seed.end().code, Some(code));
    }
}

#[test]
fn peers_meet_through_trackers() {
    for scheme in ["http", "udp"] {
        let own = Place::new();
        let mut tracker = own.start(["tracker", &format!("--{scheme}"), "127.0.0.1:0"]);
        let address = tracker.event("listening")["address"]
            .as_str()
            .unwrap()
            .to_owned();
        let home = with_album(&[format!("{scheme}://{address}/announce")]);
        let torrent = torrent_of(&home);
        let mut seed = home.start([&["seed", "album.torrent"], &LOCAL[..]].concat());
        seed.port();
        wait_for_tracker(&home, "complete", 1);
        let away = Place::new();
        let (code, events) = away.json([&["download", &torrent], &LOCAL[..]].concat());
        assert_eq!(code, Some(0), "{scheme}: {events:?}");
        same_album(&home, &away);
        seed.signal(Signal::TERM);
        assert_eq!(seed.end().code, Some(0));
        // It has said goodbye, and the download that it was one.
        wait_for_tracker(&home, "complete", 0);
        wait_for_tracker(&home, "downloaded", 1);
    }
}

fn wait_for_tracker(place: &Place, figure: &str, value: u64) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (_, events) = place.json(["scrape", "album.torrent"]);
        if events
            .iter()
            .any(|event| event["event"] == "scraped" && event[figure] == value)
        {
            return;
        }
        assert!(Instant::now() < deadline, "{events:?}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn only_what_is_selected_comes() {
    let home = with_album(&[]);
    let (_seed, peer) = seed(&home, &[]);
    let torrent = torrent_of(&home);
    for more in [&["--select", "2"][..], &["--match", "b/c*"]] {
        let away = Place::new();
        let (code, events) = away.json(download(&torrent, &peer, more));
        assert_eq!(code, Some(0), "{events:?}");
        assert!(away.read("album/b/c.bin") == home.read("album/b/c.bin"));
        assert!(!away.path("album/a.bin").exists() && !away.path("album/z.txt").exists());
    }
}

#[test]
fn several_torrents_at_once_and_the_aliases_of_the_folder() {
    let home = with_album(&[]);
    home.write("one.bin", noise(9, 300_000));
    home.ok(["create", "one.bin"]);
    let mut seed = home.start([&["seed", "album.torrent", "one.bin.torrent"], &ALONE[..]].concat());
    let peer = address_of(&mut seed);
    seed.event("checked");
    let (album, one) = (torrent_of(&home), home.path("one.bin.torrent"));
    let away = Place::new();
    let more = [
        one.to_str().unwrap(),
        "--sequential",
        "--download-dir",
        "below/here",
    ];
    let (code, events) = away.json(download(&album, &peer, &more));
    assert_eq!(code, Some(0), "{events:?}");
    assert!(away.read("below/here/one.bin") == home.read("one.bin"));
    assert!(away.read("below/here/album/a.bin") == home.read("album/a.bin"));
    let completed = events
        .iter()
        .filter(|event| event["event"] == "completed")
        .count();
    assert_eq!(completed, 2);
}

#[test]
fn after_the_download_it_seeds_for_as_long_as_it_was_told() {
    let home = with_album(&[]);
    let (_seed, peer) = seed(&home, &[]);
    let torrent = torrent_of(&home);
    let (first, second) = (Place::new(), Place::new());
    let mut relay = first.start(download(&torrent, &peer, &["--seed-ratio", "1"]));
    let peer = address_of(&mut relay);
    relay.event("finished");
    let (code, _) = second.json(download(&torrent, &peer, &[]));
    assert_eq!(code, Some(0));
    same_album(&home, &second);
    assert_eq!(relay.end().code, Some(0), "the ratio is reached");

    // Done is done, even when interrupted afterwards.
    let mut seeding =
        first.start([&["download", &torrent], &ALONE[..], &["--seed-time", "60"]].concat());
    seeding.event("finished");
    seeding.signal(Signal::INT);
    assert_eq!(seeding.end().code, Some(0));
}

#[test]
fn nobody_there_is_a_time_out_if_one_is_set() {
    let home = with_album(&[]);
    let torrent = torrent_of(&home);
    let away = Place::new();
    let outcome = away.run(
        [
            &["download", &torrent],
            &ALONE[..],
            &["--stall-timeout", "1"],
        ]
        .concat(),
    );
    assert!(
        outcome.fails_with(4).contains("nothing came"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn a_seed_reads_and_never_writes() {
    let home = with_album(&[]);
    let state = |place: &Place| -> Vec<_> {
        let paths = place.listing();
        let stamp = |path: &Path| fs::metadata(place.path(path)).unwrap().modified().unwrap();
        paths.into_iter().map(|path| (stamp(&path), path)).collect()
    };
    let before = state(&home);
    let (seed, peer) = seed(&home, &[]);
    let away = Place::new();
    let (code, _) = away.json(download(&torrent_of(&home), &peer, &[]));
    assert_eq!(code, Some(0));
    seed.signal(Signal::INT);
    assert_eq!(seed.end().code, Some(0));
    assert_eq!(state(&home), before);
}

#[test]
fn data_that_does_not_match_is_not_seeded() {
    let home = with_album(&[]);
    let mut data = home.read("album/a.bin");
    data[100_000] ^= 1;
    home.write("album/a.bin", &data);
    let outcome = home.run([&["seed", "album.torrent"], &ALONE[..]].concat());
    assert!(
        outcome.fails_with(3).contains("1 of 34 pieces"),
        "{}",
        outcome.stderr
    );

    let nowhere = Place::new();
    let outcome = nowhere.run([&["seed", &torrent_of(&home)], &ALONE[..]].concat());
    assert!(
        outcome.fails_with(3).contains("--dir"),
        "{}",
        outcome.stderr
    );
    assert!(nowhere.listing().is_empty());
}

#[test]
fn trusted_data_is_not_checked() {
    let home = with_album(&[]);
    let (trusting, peer) = seed(&home, &["--trust"]);
    let away = Place::new();
    let (code, _) = away.json(download(&torrent_of(&home), &peer, &[]));
    assert_eq!(code, Some(0));
    trusting.signal(Signal::INT);
    assert_eq!(trusting.end().code, Some(0));
}

#[test]
fn a_port_in_use_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let home = with_album(&[]);
    let before = home.listing();
    for verb in ["download", "seed"] {
        let outcome = home.run([
            verb,
            "album.torrent",
            "--no-trackers",
            "--no-dht",
            "--bind",
            "127.0.0.1",
            "--port",
            &port,
        ]);
        let line = outcome.fails_with(1);
        assert!(line.contains(&port) && line.contains("in use"), "{line}");
    }
    assert_eq!(home.listing(), before);
}

#[test]
fn an_address_of_another_machine_is_told() {
    let home = with_album(&[]);
    let outcome = home.run([
        "seed",
        "album.torrent",
        "--no-trackers",
        "--no-dht",
        "--bind",
        "192.0.2.1",
        "--port",
        "0",
    ]);
    assert!(
        outcome.fails_with(1).contains("192.0.2.1"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn a_folder_that_takes_no_data() {
    let home = with_album(&[]);
    let torrent = torrent_of(&home);
    let away = Place::new();
    away.write("file", "");
    let run = |dir: &str| -> Outcome {
        away.run([&["download", &torrent, "--dir", dir], &ALONE[..]].concat())
    };
    assert!(run("file").fails_with(1).contains("file"));
    assert!(run("file/below").fails_with(1).contains("file"));
    assert_eq!(away.listing(), [Path::new("file")]);
    if cfg!(target_os = "linux") {
        let outcome = run("/sys/kernel");
        assert!(matches!(outcome.code, Some(1 | 5)), "{}", outcome.stderr);
        outcome.fails_with(outcome.code.unwrap());
    }
}

/// Serves one page for every request, until the test ends.
fn web_server(status: &'static str, body: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let head = format!(
                "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(&[head.as_bytes(), &body].concat());
        }
    });
    format!("http://{address}")
}

#[test]
fn a_tracker_that_answers_html_does_not_stop_a_download() {
    let page = web_server("200 OK", b"<html>Parked</html>".to_vec());
    let home = with_album(&[format!("{page}/announce")]);
    let (_seed, peer) = seed(&home, &["--max-up", "1M"]);
    let away = Place::new();
    let torrent = torrent_of(&home);
    let outcome = away.run([&["download", &torrent, "--peer", &peer], &LOCAL[..]].concat());
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("warning: tracker http://127.0.0.1"),
        "{}",
        outcome.stderr
    );
    assert!(outcome.stderr.contains("web page"), "{}", outcome.stderr);
    same_album(&home, &away);
}

#[test]
fn a_torrent_from_the_web() {
    let home = with_album(&[]);
    let (_seed, peer) = seed(&home, &[]);
    let url = format!(
        "{}/album.torrent",
        web_server("200 OK", home.read("album.torrent"))
    );
    let away = Place::new();
    let (code, events) = away.json(download(&url, &peer, &[]));
    assert_eq!(code, Some(0), "{events:?}");
    same_album(&home, &away);

    let empty = Place::new();
    for (status, body, word) in [
        ("404 Not Found", "", "404"),
        ("200 OK", "<html>Log in</html>", "web page"),
    ] {
        let url = format!("{}/x", web_server(status, body.into()));
        let outcome = empty.run([&["download", &url], &ALONE[..]].concat());
        let line = outcome.fails_with(1);
        assert!(line.contains(word) && line.contains(&url), "{line}");
    }
    let gone = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let outcome = empty.run([&["download", &format!("http://{gone}/x")], &ALONE[..]].concat());
    outcome.fails_with(1);
    assert!(empty.listing().is_empty());
}

/// A torrent whose one file wants to be `/etc/../../outside`.
#[test]
fn nothing_ever_lies_outside_of_the_folder() {
    let data = noise(5, 10_000);
    let hash = headwater_hash::sha1(&data);
    let head = format!(
        "d4:infod5:filesld6:lengthi{}e4:pathl2:..2:..4:/etc7:outsideeee4:name2:..12:piece lengthi16384e6:pieces20:",
        data.len()
    );
    let torrent = [head.as_bytes(), &hash, b"ee"].concat();
    let home = Place::new();
    let path = home.write("x.torrent", torrent);
    let (_, events) = home.json(["show", "x.torrent"]);
    let safe = events[0]["files"][0]["path"].as_str().unwrap().to_owned();
    home.write(&format!("data/{safe}"), &data);

    let mut seed = home.start([&["seed", "x.torrent", "--dir", "data"], &ALONE[..]].concat());
    let peer = address_of(&mut seed);
    let away = Place::new();
    let outcome = away.run(download(
        path.to_str().unwrap(),
        &peer,
        &["--dir", "in/here"],
    ));
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(away.read(format!("in/here/{safe}")) == data);
    let outside: Vec<_> = away
        .listing()
        .into_iter()
        .filter(|path| !path.starts_with("in"))
        .collect();
    assert!(outside.is_empty(), "{outside:?}");
}

#[test]
fn a_reader_that_goes_away_does_not_stop_the_work() {
    let home = with_album(&[]);
    let (_seed, peer) = seed(&home, &[]);
    let torrent = torrent_of(&home);
    let away = Place::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = away.command(download(&torrent, &peer, &["--json"]));
    let child = command
        .stdout(writer)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.stderr, b"");
    same_album(&home, &away);
}

#[test]
fn logs_go_to_standard_error_on_demand() {
    let home = with_album(&[]);
    let outcome = home.run([&["download", "album.torrent"], &ALONE[..], &["-v"]].concat());
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains(" INFO headwater"),
        "{}",
        outcome.stderr
    );
    let mut command = home.command([&["download", "album.torrent"], &ALONE[..]].concat());
    command.env("HEADWATER_LOG", "warn");
    assert_eq!(finish(command).stderr, "");
}
