//! What is refused, and what its sender is told.

use super::super::DecodeErrorKind as Kind;
use super::*;
use crate::item::{MAX_VALUE, ValueError};

const ID: &str = "2:id20:abcdefghij0123456789";
const HASH: &str = "9:info_hash20:mnopqrstuvwxyz123456";

fn refused(datagram: impl AsRef<[u8]>) -> DecodeError {
    let datagram = datagram.as_ref();
    let read = Message::decode(datagram);
    read.expect_err(&datagram.escape_ascii().to_string())
}

/// A query with these arguments.
fn refused_query(method: &str, arguments: &str) -> Kind {
    let length = method.len();
    let error = refused(format!(
        "d1:ad{arguments}e1:q{length}:{method}1:t2:aa1:y1:qe"
    ));
    assert_eq!(error.query, Transaction::new(b"aa"));
    error.kind
}

#[test]
fn what_is_no_message_at_all() {
    assert_eq!(
        refused(vec![b'd'; MAX_DECODED + 1]).kind,
        Kind::TooLong(MAX_DECODED + 1)
    );
    for garbage in ["", "x", "d", "d1:t2:aa", "5:abc"] {
        assert!(
            matches!(refused(garbage).kind, Kind::Bencode(_)),
            "{garbage}"
        );
    }
    assert_eq!(refused("i1e").kind, Kind::Missing("t"));
    assert_eq!(refused("le").kind, Kind::Missing("t"));
    assert_eq!(refused("d1:t2:aae").kind, Kind::Missing("y"));
    assert_eq!(refused("d1:t2:aa1:yi1ee").kind, Kind::Form("y"));
    assert_eq!(refused("d1:t2:aa1:y1:xe").kind, Kind::Form("y"));
    assert_eq!(
        refused("d1:t21:aaaaaaaaaaaaaaaaaaaaa1:y1:re").kind,
        Kind::Form("t")
    );
    assert_eq!(refused("d1:y1:qe").kind, Kind::Missing("t"));
}

#[test]
fn bombs_are_refused_before_they_go_off() {
    let deep = [b"d1:ad1:x", &[b'l'; 1000][..], &[b'e'; 1000], b"ee"].concat();
    assert!(matches!(refused(deep).kind, Kind::Bencode(_)));
    let many = ["d1:al", &"le".repeat(2040), "ee"].concat();
    assert!(matches!(refused(many).kind, Kind::Bencode(_)));
}

#[test]
fn queries_without_what_they_need() {
    assert_eq!(refused("d1:q4:ping1:t2:aa1:y1:qe").kind, Kind::Missing("a"));
    assert_eq!(
        refused("d1:ad2:id20:abcdefghij0123456789e1:t2:aa1:y1:qe").kind,
        Kind::Missing("q")
    );
    assert_eq!(refused_query("ping", ""), Kind::Missing("id"));
    assert_eq!(
        refused_query("ping", "2:id19:abcdefghij012345678"),
        Kind::Form("id")
    );
    assert_eq!(refused_query("find_node", ID), Kind::Missing("target"));
    assert_eq!(refused_query("get_peers", ID), Kind::Missing("info_hash"));
    assert_eq!(
        refused_query("get_peers", &format!("{ID}9:info_hash2:xx")),
        Kind::Form("info_hash")
    );
    assert_eq!(refused_query("get", ID), Kind::Missing("target"));
    assert_eq!(
        refused_query("sample_infohashes", ID),
        Kind::Missing("target")
    );
}

#[test]
fn announces_without_what_they_need() {
    let announce = |rest: &str| refused_query("announce_peer", &format!("{ID}{HASH}{rest}"));
    assert_eq!(announce("5:token1:x"), Kind::Missing("port"));
    assert_eq!(announce("4:porti0e5:token1:x"), Kind::Form("port"));
    assert_eq!(announce("4:porti65536e5:token1:x"), Kind::Form("port"));
    assert_eq!(announce("4:porti-1e5:token1:x"), Kind::Form("port"));
    assert_eq!(announce("4:porti6881e"), Kind::Missing("token"));
    let long = "x".repeat(65);
    assert_eq!(
        announce(&format!("4:porti6881e5:token65:{long}")),
        Kind::Form("token")
    );
}

#[test]
fn puts_without_what_they_need() {
    let put = |rest: &str| refused_query("put", &format!("{ID}{rest}"));
    let key = format!("1:k32:{}", "k".repeat(32));
    let signature = format!("3:sig64:{}", "s".repeat(64));
    assert_eq!(put("5:token1:x"), Kind::Missing("v"));
    assert_eq!(put("1:vi1e"), Kind::Missing("token"));
    assert_eq!(put("1:k2:kk5:token1:x1:vi1e"), Kind::Form("k"));
    assert_eq!(
        put(&format!("{key}{signature}5:token1:x1:vi1e")),
        Kind::Missing("seq")
    );
    assert_eq!(
        put(&format!("{key}3:seqi-1e{signature}5:token1:x1:vi1e")),
        Kind::Form("seq")
    );
    assert_eq!(
        put(&format!("{key}3:seqi1e5:token1:x1:vi1e")),
        Kind::Missing("sig")
    );
    let salt = format!("4:salt65:{}", "s".repeat(65));
    let salted = put(&format!("{key}{salt}3:seqi1e{signature}5:token1:x1:vi1e"));
    assert_eq!(salted, Kind::SaltTooLong(65));
    assert_eq!(salted.refusal().code, ErrorCode::SALT_TOO_BIG);
}

#[test]
fn values_that_cannot_be_stored() {
    let put = |value: &str| refused_query("put", &format!("{ID}5:token1:x1:v{value}"));
    let unsorted = put("d1:bi1e1:ai1ee");
    assert!(
        matches!(unsorted, Kind::Value(ValueError::Malformed(_))),
        "{unsorted}"
    );
    assert_eq!(unsorted.refusal().code, ErrorCode::PROTOCOL);
    let long = put(&format!("{MAX_VALUE}:{}", "x".repeat(MAX_VALUE)));
    assert_eq!(long, Kind::Value(ValueError::TooLong(MAX_VALUE + 5)));
    assert_eq!(long.refusal().code, ErrorCode::VALUE_TOO_BIG);
}

#[test]
fn only_who_asked_is_told() {
    let error = refused("d1:ade1:q4:ping1:t2:aa1:y1:qe");
    let reply = error.reply().unwrap();
    assert_eq!(reply.transaction, Transaction::new(b"aa").unwrap());
    let Body::Error(refusal) = reply.body else {
        panic!("{reply:?}");
    };
    assert_eq!(
        (refusal.code, &*refusal.message),
        (ErrorCode::PROTOCOL, "`id` is missing")
    );
    assert_eq!(refused("d1:rde1:t2:aa1:y1:re").reply(), None);
    assert_eq!(refused("d1:t2:aa1:y1:re").kind, Kind::Missing("r"));
    assert_eq!(refused("garbage").reply(), None);
}

#[test]
fn a_query_that_nobody_knows() {
    let kind = refused_query("vote", ID);
    assert_eq!(kind, Kind::UnknownMethod);
    assert_eq!(kind.refusal().code, ErrorCode::METHOD_UNKNOWN);
    let name = "x".repeat(33);
    let target = "6:target20:mnopqrstuvwxyz123456";
    assert_eq!(
        refused_query(&name, &format!("{ID}{target}")),
        Kind::UnknownMethod
    );
}
