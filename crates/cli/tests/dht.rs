//! The DHT between processes, on loopback.
#![cfg(unix)]

mod common;

use std::io::Write;
use std::process::Stdio;

use common::{Outcome, PATIENCE, Place, Running, finish, noise};
use headwater_metainfo::Metainfo;
use rustix::process::Signal;

/// Loopback only, any port, no trackers.
const ALONE: [&str; 6] = [
    "--bind",
    "127.0.0.1",
    "--port",
    "0",
    "--no-trackers",
    "--no-pex",
];
const HERE: [&str; 2] = ["--bind", "127.0.0.1"];

/// A folder with a file, the torrent of it, and a seed of it that is ready.
struct Home {
    place: Place,
    seed: Running,
    address: String,
    hash: String,
}

impl Home {
    fn new(number: u64, more: &[&str]) -> Self {
        let place = Place::new();
        place.write("file.bin", noise(number, 300_000));
        place.ok(["create", "file.bin"]);
        let torrent = Metainfo::from_bytes(&place.read("file.bin.torrent")).unwrap();
        let mut seed = place.start([&["seed", "file.bin.torrent"], &ALONE[..], more].concat());
        let address = format!("127.0.0.1:{}", seed.port());
        seed.event("checked");
        Self {
            place,
            seed,
            address,
            hash: torrent.info_hashes().primary().to_string(),
        }
    }

    /// Asks the DHT through this node.
    fn ask<'a>(&'a self, question: &[&'a str]) -> Vec<&'a str> {
        let way = ["--dht-bootstrap", &self.address];
        [&["dht"], question, &HERE[..], &way[..]].concat()
    }
}

/// Asks again until the answer is not that nobody knows.
fn once_known(place: &Place, question: &[&str]) -> Outcome {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let outcome = place.run(question);
        if outcome.code != Some(4) || std::time::Instant::now() > deadline {
            return outcome;
        }
    }
}

#[test]
fn a_magnet_link_is_enough_where_there_is_a_node() {
    let hub = Home::new(1, &[]);
    let way = ["--dht-bootstrap", &hub.address];
    let home = Home::new(2, &way);
    let away = Place::new();
    let found = once_known(&away, &hub.ask(&["find", &home.hash]));
    assert_eq!(
        found.text(),
        format!("{}\n", home.address),
        "{}",
        found.stderr
    );

    let link = format!("magnet:?xt=urn:btih:{}", home.hash);
    let outcome = away.run([&["download", &link], &ALONE[..], &way].concat());
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(away.read("file.bin") == home.place.read("file.bin"));
}

#[test]
fn a_node_answers_and_nobody_does_not() {
    let hub = Home::new(1, &[]);
    let place = Place::new();
    let ping = ["dht", "ping", &hub.address, "--bind", "127.0.0.1"];
    let (code, events) = place.json(ping);
    assert_eq!(code, Some(0));
    assert_eq!(events[0]["event"], "pong");
    assert_eq!(events[0]["address"], hub.address);
    assert_eq!(events[0]["id"].as_str().unwrap().len(), 40);

    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let ping = ["dht", "ping", &address, "--bind", "127.0.0.1"];
    let outcome = place.run([&ping[..], &["--timeout", "0.5"]].concat());
    outcome.fails_with(4);
}

#[test]
fn an_item_is_stored_and_fetched() {
    let hub = Home::new(1, &[]);
    let place = Place::new();
    let mut command = place.command(hub.ask(&["put", "-"]));
    command.stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"some\0words\n")
        .unwrap();
    let stored = child.wait_with_output().unwrap();
    assert!(stored.status.success());
    let target = String::from_utf8(stored.stdout).unwrap();
    let got = place.run(hub.ask(&["get", target.trim()]));
    assert_eq!(
        (got.code, &got.stdout[..]),
        (Some(0), &b"some\0words\n"[..])
    );

    let missing = "0123456789abcdef0123456789abcdef01234567";
    place.run(hub.ask(&["get", missing])).fails_with(4);
    place.write("long", [b'x'; 1_000]);
    let line = place
        .run(hub.ask(&["put", "long"]))
        .fails_with(1)
        .to_owned();
    assert!(line.contains("1000"), "{line}");
}

#[test]
fn an_owner_replaces_an_item() {
    let hub = Home::new(1, &[]);
    let place = Place::new();
    place.write("key", format!("{}\n", "5a".repeat(32)));
    place.write("first", "one");
    place.write("second", "two");
    let put = |file, more: &[&str]| {
        let owner = ["--secret-key", "key", "--salt", "x"];
        finish(place.command(hub.ask(&[&["put", file], &owner[..], more].concat())))
    };
    let stored = put("first", &[]);
    let key = stored.text().split(' ').next().unwrap().to_owned();
    assert_eq!(stored.text(), format!("{key} 1\n"), "{}", stored.stderr);
    assert_eq!(put("second", &[]).text(), format!("{key} 2\n"));
    let get = hub.ask(&["get", "--key", &key, "--salt", "x"]);
    assert_eq!(place.ok(&get), "two");
    let (_, events) = place.json(&get);
    assert_eq!(
        (&events[0]["seq"], &events[0]["text"]),
        (&2.into(), &"two".into())
    );
    // Somebody else's version is in the way.
    put("first", &["--seq", "3", "--cas", "1"]).fails_with(1);
    assert_eq!(put("first", &["--seq", "3", "--cas", "2"]).code, Some(0));
    assert_eq!(place.ok(&get), "one");
    place.write("key", "short");
    put("first", &[]).fails_with(1);
    hub.seed.signal(Signal::INT);
}
