//! Every message there and back, the BEPs' examples, and what is wrong with messages in the wild.

mod malformed;
mod strategies;
mod wild;

use proptest::prelude::*;

use super::*;
use crate::item::{Item, Value};
use crate::{Contact, NodeId};

pub(super) fn encoded(message: &Message) -> Vec<u8> {
    let mut out = Vec::new();
    message.encode(&mut out);
    out
}

fn response(change: impl FnOnce(&mut Response)) -> Message {
    let mut response = Response::new(NodeId(*b"0123456789abcdefghij"));
    change(&mut response);
    Message::new(
        Transaction::new(b"aa").unwrap(),
        Body::Response(Box::new(response)),
    )
}

fn query(kind: QueryKind) -> Message {
    let id = NodeId(*b"abcdefghij0123456789");
    let want = Want::default();
    Message::new(
        Transaction::new(b"aa").unwrap(),
        Body::Query(Query { id, want, kind }),
    )
}

/// The message's datagram is this one, and the other way round.
fn is_written(message: &Message, datagram: &[u8]) {
    let written = encoded(message);
    assert_eq!(
        written.escape_ascii().to_string(),
        datagram.escape_ascii().to_string()
    );
    assert_eq!(Message::decode(datagram).as_ref(), Ok(message));
}

#[test]
fn queries_of_bep_5() {
    let target = *b"mnopqrstuvwxyz123456";
    let info_hash = headwater_metainfo::InfoHash(target);
    is_written(
        &query(QueryKind::Ping),
        b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe",
    );
    is_written(
        &query(QueryKind::FindNode { target: NodeId(target) }),
        b"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q9:find_node1:t2:aa1:y1:qe",
    );
    is_written(
        &query(QueryKind::GetPeers { info_hash, noseed: false, scrape: false }),
        b"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e1:q9:get_peers1:t2:aa1:y1:qe",
    );
    is_written(
        &query(QueryKind::AnnouncePeer {
            info_hash,
            port: 6881,
            implied_port: true,
            token: Token::new(b"aoeusnth").unwrap(),
            seed: false,
        }),
        b"d1:ad2:id20:abcdefghij012345678912:implied_porti1e9:info_hash20:mnopqrstuvwxyz1234564:porti6881e5:token8:aoeusnthe1:q13:announce_peer1:t2:aa1:y1:qe",
    );
}

#[test]
fn responses_of_bep_5() {
    is_written(
        &response(|_| {}),
        b"d1:rd2:id20:0123456789abcdefghije1:t2:aa1:y1:re",
    );
    is_written(
        &response(|response| {
            response.token = Token::new(b"aoeusnth");
            response.values = vec!["97.120.106.101:11893".parse().unwrap(), "105.100.104.116:28269".parse().unwrap()];
        }),
        b"d1:rd2:id20:0123456789abcdefghij5:token8:aoeusnth6:valuesl6:axje.u6:idhtnmee1:t2:aa1:y1:re",
    );
    is_written(
        &response(|response| {
            let id = NodeId(*b"mnopqrstuvwxyz123456");
            response.nodes = vec![Contact {
                id,
                address: "97.120.106.101:11893".parse().unwrap(),
            }];
        }),
        b"d1:rd2:id20:0123456789abcdefghij5:nodes26:mnopqrstuvwxyz123456axje.ue1:t2:aa1:y1:re",
    );
}

#[test]
fn the_refusal_of_bep_5() {
    let refusal = KrpcError::new(ErrorCode::GENERIC, "A Generic Error Ocurred");
    is_written(
        &Message::new(Transaction::new(b"aa").unwrap(), Body::Error(refusal)),
        b"d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee",
    );
}

#[test]
fn what_belongs_to_the_message_itself() {
    let mut message = query(QueryKind::Ping);
    message.read_only = true;
    message.version = Some(*b"HW01");
    message.external = Some("[2001:db8::1]:6881".parse().unwrap());
    is_written(
        &message,
        b"d1:ad2:id20:abcdefghij0123456789e2:ip18:\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x1a\xe11:q4:ping2:roi1e1:t2:aa1:v4:HW011:y1:qe",
    );
}

#[test]
fn puts_of_bep_44() {
    let token = Token::new(b"aoeusnth").unwrap();
    let value = Value::text("Hello World!").unwrap();
    let put = PutArgs {
        token,
        item: Item::Immutable(value),
        cas: None,
    };
    is_written(
        &query(QueryKind::Put(Box::new(put))),
        b"d1:ad2:id20:abcdefghij01234567895:token8:aoeusnth1:v12:Hello World!e1:q3:put1:t2:aa1:y1:qe",
    );
}

#[test]
fn peers_are_left_out_where_the_datagram_is_full() {
    let peers = |count: u32| (0..count).map(|n| SocketAddr::from(([192, 0, 2, n as u8], 6881)));
    let message = response(|response| {
        response.values = peers(120).collect();
        response.scrape = Some(Box::default());
    });
    let mut out = b"before".to_vec();
    message.encode(&mut out);
    let length = out.len() - "before".len();
    assert!(
        (MAX_ENCODED - 40..=MAX_ENCODED).contains(&length),
        "{length}"
    );
    let Body::Response(read) = Message::decode(&out["before".len()..]).unwrap().body else {
        panic!("a response");
    };
    assert!(peers(120).collect::<Vec<_>>().starts_with(&read.values));
    assert!(read.values.len() > 40, "{}", read.values.len());
}

#[test]
fn want_means_the_family_of_the_sender_where_nothing_is_said() {
    let v4 = "192.0.2.1:1".parse().unwrap();
    let mapped = "[::ffff:192.0.2.1]:1".parse().unwrap();
    let v6 = "[2001:db8::1]:1".parse().unwrap();
    let want = |v4, v6| Want { v4, v6 };
    assert_eq!(Want::default().resolved(v4), want(true, false));
    assert_eq!(Want::default().resolved(mapped), want(true, false));
    assert_eq!(Want::default().resolved(v6), want(false, true));
    assert_eq!(want(true, true).resolved(v4), want(true, true));
    assert_eq!(want(false, true).resolved(v4), want(false, true));
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_the_same(message in strategies::message()) {
        let datagram = encoded(&message);
        prop_assert!(headwater_bencode::decode(&datagram).is_ok(), "not canonical");
        prop_assert_eq!(Message::decode(&datagram), Ok(message));
    }

    #[test]
    fn a_response_ends_where_it_should(message in strategies::full_response()) {
        let datagram = encoded(&message);
        let Body::Response(response) = &message.body else {
            panic!("a response");
        };
        let limit = if response.value.is_some() { MAX_WITH_VALUE } else { MAX_ENCODED };
        prop_assert!(datagram.len() <= limit, "{} bytes", datagram.len());
        prop_assert!(Message::decode(&datagram).is_ok());
    }

    #[test]
    fn bytes_of_any_kind_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Message::decode(&bytes);
    }

    #[test]
    fn a_broken_datagram_is_refused_or_read(message in strategies::message(), at in any::<usize>(), byte in any::<u8>()) {
        let mut datagram = encoded(&message);
        let at = at % datagram.len();
        datagram[at] = byte;
        if let Ok(read) = Message::decode(&datagram) {
            let again = encoded(&read);
            prop_assert_eq!(encoded(&Message::decode(&again).unwrap()), again);
        }
        prop_assert!(Message::decode(&datagram[..at]).is_err());
    }
}
