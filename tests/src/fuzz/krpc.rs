use headwater_dht::krpc::{
    Body, MAX_DECODED, MAX_NODES, MAX_SAMPLES, MAX_VALUES, Message, Response,
};

/// Datagrams of any kind are read or refused, within the limits; what was read is said again by its encoding, but for
/// nodes and peers for which there is no room.
pub fn krpc(data: &[u8]) {
    let message = match Message::decode(data) {
        Ok(message) => message,
        Err(error) => {
            if let Some(reply) = error.reply() {
                assert_eq!(again(&reply), reply);
            }
            return;
        }
    };
    assert!(data.len() <= MAX_DECODED);
    let read = again(&message);
    assert_eq!(without_lists(read.clone()), without_lists(message.clone()));
    if let (Body::Response(read), Body::Response(said)) = (&read.body, &message.body) {
        within_limits(said);
        assert!(said.nodes.starts_with(&read.nodes));
        assert!(said.nodes6.starts_with(&read.nodes6));
        assert!(said.values.starts_with(&read.values));
    }
}

/// What comes of a message on its way to another node.
fn again(message: &Message) -> Message {
    let mut datagram = Vec::new();
    message.encode(&mut datagram);
    assert!(
        headwater_bencode::decode(&datagram).is_ok(),
        "not canonical"
    );
    Message::decode(&datagram).expect("what was encoded can be decoded")
}

fn without_lists(mut message: Message) -> Message {
    if let Body::Response(response) = &mut message.body {
        response.nodes.clear();
        response.nodes6.clear();
        response.values.clear();
    }
    message
}

fn within_limits(response: &Response) {
    assert!(response.nodes.len() <= MAX_NODES && response.nodes6.len() <= MAX_NODES);
    assert!(response.values.len() <= MAX_VALUES);
    let samples = response.samples.as_ref();
    assert!(samples.is_none_or(|samples| samples.hashes.len() <= MAX_SAMPLES));
}
