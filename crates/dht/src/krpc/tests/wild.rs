//! What real nodes get wrong, or do otherwise, and is read all the same.

use super::*;

fn read(datagram: impl AsRef<[u8]>) -> Message {
    let datagram = datagram.as_ref();
    Message::decode(datagram).unwrap_or_else(|error| panic!("{error}: {}", datagram.escape_ascii()))
}

/// A response with these fields.
fn read_response(fields: &[&[u8]]) -> Response {
    let fields = fields.concat();
    let datagram = [
        b"d1:rd2:id20:0123456789abcdefghij",
        &fields[..],
        b"e1:t2:aa1:y1:re",
    ]
    .concat();
    match read(datagram).body {
        Body::Response(response) => *response,
        other => panic!("{other:?}"),
    }
}

fn read_query(method: &str, arguments: &str) -> Query {
    let length = method.len();
    let id = "2:id20:abcdefghij0123456789";
    match read(format!(
        "d1:ad{id}{arguments}e1:q{length}:{method}1:t2:aa1:y1:qe"
    ))
    .body
    {
        Body::Query(query) => query,
        other => panic!("{other:?}"),
    }
}

#[test]
fn order_unknown_keys_and_what_stands_behind() {
    let message =
        read("d1:y1:q1:t2:aa1:q4:ping2:zzl1:xe1:ad2:id20:abcdefghij01234567894:somei1eeetrailing");
    assert_eq!(message, query(QueryKind::Ping));
}

#[test]
fn versions_and_addresses_of_other_forms() {
    let message = |ip: &str| {
        read(format!(
            "d2:ip{ip}1:q4:ping1:ad2:id20:abcdefghij0123456789e1:t2:aa1:v3:abc1:y1:qe"
        ))
    };
    assert_eq!(message("6:abcdef").version, None);
    assert_eq!(
        message("6:abcdef").external,
        Some("97.98.99.100:25958".parse().unwrap())
    );
    assert_eq!(
        message("4:abcd").external,
        Some("97.98.99.100:0".parse().unwrap())
    );
    assert_eq!(message("5:abcde").external, None);
    assert_eq!(message("i5e").external, None);
}

#[test]
fn an_implied_port_need_not_be_written() {
    let rest = "12:implied_porti1e9:info_hash20:mnopqrstuvwxyz1234564:porti99999e5:token1:x";
    let from = "192.0.2.1:6881".parse().unwrap();
    for rest in [rest, &rest.replace("4:porti99999e", "")] {
        let kind = read_query("announce_peer", rest).kind;
        assert_eq!(kind.announced_port(from), Some(6881));
    }
    let explicit = "12:implied_porti0e9:info_hash20:mnopqrstuvwxyz1234564:porti7e5:token1:x";
    assert_eq!(
        read_query("announce_peer", explicit)
            .kind
            .announced_port(from),
        Some(7)
    );
    assert_eq!(QueryKind::Ping.announced_port(from), None);
}

#[test]
fn a_want_with_more_in_it() {
    let want = |list: &str| {
        let rest = format!("6:target20:mnopqrstuvwxyz1234564:want{list}");
        read_query("find_node", &rest).want
    };
    assert_eq!(want("l2:n42:n62:n8i4ee"), Want { v4: true, v6: true });
    assert_eq!(want("2:n4"), Want::default());
}

#[test]
fn a_query_that_nobody_knows_but_that_names_a_point() {
    for key in ["6:target", "9:info_hash"] {
        let query = read_query("find_stars", &format!("{key}20:mnopqrstuvwxyz123456"));
        let target = NodeId(*b"mnopqrstuvwxyz123456");
        let method = Method::new(b"find_stars").unwrap();
        assert_eq!(query.kind, QueryKind::Unknown { method, target });
    }
}

#[test]
fn nodes_that_nobody_can_reach_are_left_out() {
    let id = [7; 20];
    let node = |address: &[u8]| [&id[..], address].concat();
    let list = [
        node(&[192, 0, 2, 1, 0x1a, 0xe1]),
        node(&[192, 0, 2, 1, 0, 0]),
        node(&[0, 0, 0, 0, 0x1a, 0xe1]),
        node(&[255, 255, 255, 255, 0x1a, 0xe1]),
        node(&[224, 0, 0, 1, 0x1a, 0xe1]),
        vec![1, 2, 3],
    ];
    let response = read_response(&[b"5:nodes133:", &list.concat()]);
    let address = "192.0.2.1:6881".parse().unwrap();
    assert_eq!(
        response.nodes,
        [Contact {
            id: NodeId(id),
            address
        }]
    );
}

#[test]
fn ipv4_in_the_clothes_of_ipv6() {
    let mapped = std::net::Ipv4Addr::new(192, 0, 2, 1)
        .to_ipv6_mapped()
        .octets();
    let packed = [&mapped[..], &[0x1a, 0xe1]].concat();
    let response = read_response(&[b"6:valuesl18:", &packed, b"e"]);
    assert_eq!(response.values, ["192.0.2.1:6881".parse().unwrap()]);
    let response = read_response(&[b"6:nodes638:", &[7; 20], &packed]);
    assert_eq!(response.nodes6, []);
}

#[test]
fn peers_of_both_families_all_in_one_string_and_none() {
    let v6 = [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[1, 0x1a, 0xe1]].concat();
    let response = read_response(&[b"6:valuesl6:axje.u18:", &v6, b"3:abci7e0:e"]);
    let expected = [
        "97.120.106.101:11893".parse().unwrap(),
        "[2001:db8::1]:6881".parse().unwrap(),
    ];
    assert_eq!(response.values, expected);
    let response = read_response(&[b"6:valuesl12:axje.uidhtnme"]);
    assert_eq!(response.values.len(), 2);
    let response = read_response(&[b"6:values6:axje.u"]);
    assert_eq!(response.values, []);
}

#[test]
fn lists_end_at_their_limits() {
    let many = b"6:axje.u".repeat(MAX_VALUES + 1);
    let response = read_response(&[b"6:valuesl", &many, b"e"]);
    assert_eq!(response.values.len(), MAX_VALUES);
    let nodes = b"mnopqrstuvwxyz123456axje.u".repeat(MAX_NODES + 1);
    let response = read_response(&[b"5:nodes858:", &nodes]);
    assert_eq!(response.nodes.len(), MAX_NODES);
    let samples = b"mnopqrstuvwxyz123456".repeat(MAX_SAMPLES + 1);
    let response = read_response(&[b"8:intervali99999e7:samples2580:", &samples]);
    let samples = response.samples.unwrap();
    assert_eq!(
        (samples.hashes.len(), samples.total, samples.interval),
        (MAX_SAMPLES, 0, 21_600)
    );
}

#[test]
fn what_can_be_done_without_may_be_wrong() {
    let response = read_response(&[
        b"1:k2:kk5:nodesi7e3:seqi-1e3:sig1:s5:token65:",
        &[b'x'; 65],
        b"1:vd1:bi1e1:ai1ee4:BFpe1:x",
    ]);
    assert_eq!(response, Response::new(NodeId(*b"0123456789abcdefghij")));
}

#[test]
fn refusals_of_every_form() {
    let read_error = |error: &str| match read(format!("d1:e{error}1:t2:aa1:y1:ee")).body {
        Body::Error(error) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        read_error("li203e3:bade"),
        KrpcError::new(ErrorCode::PROTOCOL, "bad")
    );
    assert_eq!(
        read_error("li203ee"),
        KrpcError::new(ErrorCode::PROTOCOL, "")
    );
    assert_eq!(read_error("3:bad"), KrpcError::new(ErrorCode::GENERIC, ""));
    let long = "x".repeat(300);
    assert_eq!(read_error(&format!("li1e300:{long}e")).message.len(), 128);
    let no_text = [&b"d1:eli1e200:"[..], &[0xff; 200], b"e1:t2:aa1:y1:ee"].concat();
    let message = read(no_text);
    assert_eq!(Message::decode(&encoded(&message)), Ok(message));
}
