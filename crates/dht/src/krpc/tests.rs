use super::*;
use crate::NodeId;

#[test]
fn ping_of_bep_5() {
    let datagram = b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe";
    let message = Message::decode(datagram).unwrap();
    let Body::Query(query) = &message.body else {
        panic!("{message:?}");
    };
    assert_eq!(query.id, NodeId(*b"abcdefghij0123456789"));
    let mut out = Vec::new();
    message.encode(&mut out);
    assert_eq!(out, datagram);
}
