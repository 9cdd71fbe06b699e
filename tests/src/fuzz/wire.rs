use bytes::{Bytes, BytesMut};
use headwater_wire::pex::PexMessage;
use headwater_wire::{Handshake, Message, MessageCodec, MetadataMessage};
use tokio_util::codec::{Decoder, Encoder};

/// Bytes give the same messages however they are cut, and each message is read again from its encoding.
///
/// The first byte says how long the cuts are; the rest is the stream.
pub fn wire(data: &[u8]) {
    let Some((&cut, stream)) = data.split_first() else {
        return;
    };
    let whole = read(stream, stream.len().max(1));
    assert_eq!(read(stream, usize::from(cut).max(1)), whole);
    for message in whole.0 {
        let mut bytes = BytesMut::new();
        MessageCodec::default()
            .encode(message.clone(), &mut bytes)
            .expect("memory takes it");
        assert_eq!(bytes.len(), message.encoded_length());
        let again = MessageCodec::default()
            .decode(&mut bytes)
            .expect("what is written can be read");
        assert_eq!(again, Some(message));
    }
}

/// The messages of `stream`, read `cut` bytes at a time, and whether it ended in an error.
fn read(stream: &[u8], cut: usize) -> (Vec<Message>, bool) {
    let mut codec = MessageCodec::default();
    let mut buffer = BytesMut::new();
    let mut messages = Vec::new();
    for part in stream.chunks(cut) {
        buffer.extend_from_slice(part);
        loop {
            match codec.decode(&mut buffer) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(_) => return (messages, true),
            }
        }
    }
    (messages, false)
}

/// A handshake is refused at the first wrong byte or not at all, and what is read is written as it was.
pub fn handshake(data: &[u8]) {
    let mut refused = false;
    for end in 0..=data.len().min(80) {
        match Handshake::decode(&data[..end]) {
            Ok(Some(handshake)) => {
                assert!(!refused);
                assert_eq!(handshake.encode(), data[..68]);
            }
            Ok(None) => assert!(!refused && end < 68),
            Err(_) => refused = true,
        }
    }
}

/// A message of `ut_metadata` that is read is read again from its encoding, and what it brings is bounded.
pub fn ut_metadata(data: &[u8]) {
    let Ok(message) = MetadataMessage::decode(&Bytes::copy_from_slice(data)) else {
        return;
    };
    if let MetadataMessage::Data { data: piece, .. } = &message {
        assert!((1..=MetadataMessage::PIECE_LENGTH).contains(&piece.len()));
        assert!(data.ends_with(piece));
    }
    assert_eq!(MetadataMessage::decode(&message.encode()), Ok(message));
}

/// Peer exchange messages are bounded, and what is read is read again from its encoding.
pub fn ut_pex(data: &[u8]) {
    let Ok(message) = PexMessage::decode(data) else {
        return;
    };
    let most = 2 * PexMessage::MAX_READ;
    assert!(message.added.len() <= most && message.dropped.len() <= most);
    let again = PexMessage::decode(&message.encode()).expect("what is written can be read");
    let counts = |message: &PexMessage| (message.added.len(), message.dropped.len());
    // IPv4 addresses in IPv6 clothes may make one list longer than what is read of it.
    let most_of_a_list = |message: &PexMessage| {
        let v4 = message.added.iter().filter(|peer| peer.address.is_ipv4());
        let dropped = message.dropped.iter().filter(|it| it.is_ipv4());
        v4.count().max(dropped.count())
    };
    if most_of_a_list(&message) <= PexMessage::MAX_READ {
        assert_eq!(counts(&again), counts(&message));
        assert!(message.added.iter().all(|peer| again.added.contains(peer)));
    }
}
