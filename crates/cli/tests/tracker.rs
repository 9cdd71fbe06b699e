//! The tracker and those who ask it.
#![cfg(unix)]

mod common;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use common::{Place, noise};
use rustix::process::Signal;
use serde_json::json;

fn with_torrent(trackers: &[String]) -> Place {
    let place = Place::new();
    place.write("x", noise(1, 1000));
    let mut arguments = vec!["create".to_owned(), "x".to_owned()];
    for tracker in trackers {
        arguments.extend(["-a".to_owned(), tracker.clone()]);
    }
    place.ok(arguments);
    place
}

#[test]
fn a_tracker_is_announced_asked_and_stopped() {
    let home = Place::new();
    let mut tracker = home.start(["tracker", "--http", "127.0.0.1:0", "--udp", "127.0.0.1:0"]);
    let http =
        tracker.event_where("listening", |event| event["protocol"] == "http")["address"].clone();
    let udp =
        tracker.event_where("listening", |event| event["protocol"] == "udp")["address"].clone();
    let urls = [
        format!("http://{}/announce", http.as_str().unwrap()),
        format!("udp://{}/announce", udp.as_str().unwrap()),
    ];
    let place = with_torrent(&urls);
    let (code, events) = place.json(["scrape", "x.torrent"]);
    assert_eq!(code, Some(0), "{events:?}");
    // Over UDP a torrent that is not known has zeros.
    let zeros = json!({"event": "scraped", "tracker": urls[1], "complete": 0, "incomplete": 0, "downloaded": 0});
    assert!(events.contains(&zeros), "{events:?}");

    tracker.signal(Signal::INT);
    assert_eq!(tracker.end().code, Some(0));
}

#[test]
fn a_port_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let outcome = Place::new().run(["tracker", "--http", &address]);
    let line = outcome.fails_with(1);
    assert!(line.contains(&address) && line.contains("in use"), "{line}");
}

#[test]
fn a_tracker_that_is_not_there() {
    let gone = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let place = with_torrent(&[format!("http://{gone}/announce")]);
    let outcome = place.run(["scrape", "x.torrent"]);
    assert!(outcome.fails_with(1).contains("no tracker answered"));
    assert!(
        outcome
            .stderr
            .contains(&format!("warning: http://{gone}/announce")),
        "{}",
        outcome.stderr
    );
}

#[test]
fn a_tracker_that_answers_html() {
    let page = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/announce", page.local_addr().unwrap());
    thread::spawn(move || {
        for stream in page.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let body = "<html><h1>Parked</h1></html>";
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
        }
    });
    let place = with_torrent(&[url]);
    let outcome = place.run(["scrape", "x.torrent"]);
    outcome.fails_with(1);
    assert!(outcome.stderr.contains("web page"), "{}", outcome.stderr);
}

#[test]
fn nobody_to_ask() {
    let place = with_torrent(&[]);
    let outcome = place.run(["scrape", "x.torrent"]);
    assert!(outcome.fails_with(1).contains("names no tracker"));
}
