use proptest::prelude::*;

use crate::{Engine, Reader, Sha1, Sha1Stream, Sha256, Sha256Stream, sha1, sha256};

fn engines() -> Vec<Engine> {
    let mut engines = Engine::available();
    engines.push(Engine::PORTABLE);
    engines
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Every engine against the one-shot functions, for messages that are each a list of parts.
fn agree(messages: &[Vec<Vec<u8>>]) {
    let parts: Vec<Vec<&[u8]>> = messages
        .iter()
        .map(|message| message.iter().map(Vec::as_slice).collect())
        .collect();
    let views: Vec<&[&[u8]]> = parts.iter().map(Vec::as_slice).collect();
    let whole: Vec<Vec<u8>> = messages.iter().map(|message| message.concat()).collect();
    let expected1: Vec<_> = whole.iter().map(|message| sha1(message)).collect();
    let expected256: Vec<_> = whole.iter().map(|message| sha256(message)).collect();
    for engine in engines() {
        assert_eq!(engine.sha1_many(&views), expected1, "{}", engine.name());
        assert_eq!(engine.sha256_many(&views), expected256, "{}", engine.name());
    }
}

fn noise(length: usize, seed: u8) -> Vec<u8> {
    (0..length)
        .map(|i| (i as u8).wrapping_mul(31).wrapping_add(seed) ^ (i >> 8) as u8)
        .collect()
}

/// The examples of FIPS 180 and NIST's long message.
#[test]
fn nist_vectors() {
    let two_blocks = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".as_slice();
    let million = vec![b'a'; if cfg!(miri) { 1 } else { 1_000_000 }];
    let vectors: [(&[u8], &str, &str); 4] = [
        (
            b"abc",
            "a9993e364706816aba3e25717850c26c9cd0d89d",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        (
            b"",
            "da39a3ee5e6b4b0d3255bfef95601890afd80709",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ),
        (
            two_blocks,
            "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ),
        (
            &million,
            "34aa973cd4c4daa4f61eeb2bdbad27316534016f",
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
        ),
    ];
    for engine in engines() {
        for (message, expected1, expected256) in &vectors[..if cfg!(miri) { 3 } else { 4 }] {
            // As many as fill every lane, so that the lanes do the work.
            let parts: &[&[u8]] = &[message];
            let many = vec![parts; 17];
            assert!(
                engine
                    .sha1_many(&many)
                    .iter()
                    .all(|digest| hex(digest) == *expected1)
            );
            assert!(
                engine
                    .sha256_many(&many)
                    .iter()
                    .all(|digest| hex(digest) == *expected256)
            );
        }
    }
}

#[test]
fn lengths_around_block_borders_in_every_fill() {
    for count in if cfg!(miri) { 3..6 } else { 0..40 } {
        let messages: Vec<_> = (0..count)
            .map(|i| vec![noise(40 + i * 7, i as u8)])
            .collect();
        agree(&messages);
    }
}

#[test]
fn lanes_refill_when_a_message_ends_early() {
    let scale = if cfg!(miri) { 1 } else { 16 };
    let messages: Vec<_> = (0..50)
        .map(|i| vec![noise((i % 7) * (i % 5) * 64 * scale, i as u8)])
        .collect();
    agree(&messages);
}

#[test]
fn scattered_blocks_are_one_message() {
    let block = noise(300, 1);
    let messages: Vec<_> = (1..20)
        .map(|size| block.chunks(size * 3).map(<[u8]>::to_vec).collect())
        .collect();
    agree(&messages);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 2 } else { 256 }, ..ProptestConfig::default() })]
    #[test]
    fn every_engine_agrees_with_the_reference(
        messages in prop::collection::vec(
            prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..6),
            0..40,
        )
    ) {
        agree(&messages);
    }

    #[test]
    fn every_engine_agrees_on_streams(
        updates in prop::collection::vec(
            prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20),
            0..5,
        )
    ) {
        streams_agree(&updates);
    }
}

/// What `updates` give each stream, by every engine against the one-shot functions.
fn streams_agree(updates: &[Vec<Vec<u8>>]) {
    let count = updates.iter().map(Vec::len).max().unwrap_or(0);
    let part =
        |update: &Vec<Vec<u8>>, stream: usize| update.get(stream).cloned().unwrap_or_default();
    let whole: Vec<Vec<u8>> = (0..count)
        .map(|stream| {
            updates
                .iter()
                .flat_map(|update| part(update, stream))
                .collect()
        })
        .collect();
    for engine in engines() {
        let mut streams1 = vec![Sha1Stream::new(); count];
        let mut streams256 = vec![Sha256Stream::new(); count];
        for update in updates {
            let parts: Vec<Vec<u8>> = (0..count).map(|stream| part(update, stream)).collect();
            let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            Sha1Stream::update_many_by(engine, &mut streams1, &parts);
            Sha256Stream::update_many_by(engine, &mut streams256, &parts);
        }
        for ((one, two), whole) in streams1.into_iter().zip(streams256).zip(&whole) {
            assert_eq!(one.finish(), sha1(whole), "{}", engine.name());
            assert_eq!(two.finish(), sha256(whole), "{}", engine.name());
        }
    }
}

#[test]
fn streams_take_parts_around_block_borders() {
    let lengths = if cfg!(miri) { 62..66 } else { 50..80 };
    let updates: Vec<Vec<Vec<u8>>> = (0..4)
        .map(|round| {
            lengths
                .clone()
                .map(|length| noise(length * (round + 1) / 2, round as u8))
                .collect()
        })
        .collect();
    streams_agree(&updates);
    let mut stream = Sha1Stream::new();
    stream.update(b"ab");
    stream.update(&[]);
    stream.update(b"c");
    assert_eq!(stream.finish(), sha1(b"abc"));
}

/// Lengths around the part that is read at a time, more of them than there are lanes.
#[test]
fn messages_that_are_read_agree_and_fail_alone() {
    let lengths: Vec<u64> = if cfg!(miri) {
        vec![0, 70, 32_769]
    } else {
        (0..40).map(|i| 32_760 * (i % 4) + i).collect()
    };
    let messages: Vec<Vec<u8>> = lengths
        .iter()
        .map(|&length| noise(length as usize, length as u8))
        .collect();
    let broken = lengths.len() - 1;
    let mut read = |message: usize, offset: u64, buf: &mut [u8]| {
        if message == broken && offset > 0 {
            return Err("broken");
        }
        buf.copy_from_slice(&messages[message][offset as usize..][..buf.len()]);
        Ok(())
    };
    let mut reader = Reader::new();
    let ones = reader.digests::<Sha1, _>(&lengths, &mut read);
    let twos = reader.digests::<Sha256, _>(&lengths, &mut read);
    for (index, message) in messages.iter().enumerate() {
        if index == broken {
            assert_eq!((ones[index], twos[index]), (Err("broken"), Err("broken")));
        } else {
            assert_eq!(
                (ones[index], twos[index]),
                (Ok(sha1(message)), Ok(sha256(message)))
            );
        }
    }
}

/// Keeps a record of what it is told.
struct Announced {
    ahead: Vec<(usize, std::ops::Range<u64>)>,
    behind: Vec<(usize, std::ops::Range<u64>)>,
}

impl crate::Messages for Announced {
    type Error = std::convert::Infallible;

    fn read(&mut self, message: usize, offset: u64, buf: &mut [u8]) -> Result<(), Self::Error> {
        let end = offset + buf.len() as u64;
        let covers = |(other, range): &(usize, std::ops::Range<u64>)| {
            *other == message && range.start <= offset && end <= range.end
        };
        assert!(self.ahead.iter().any(covers), "read unannounced");
        assert!(!self.behind.iter().any(covers), "read after it was let go");
        buf.fill(0);
        Ok(())
    }

    fn ahead(&mut self, message: usize, range: std::ops::Range<u64>) {
        self.ahead.push((message, range));
    }

    fn behind(&mut self, message: usize, range: std::ops::Range<u64>) {
        self.behind.push((message, range));
    }
}

#[test]
#[cfg_attr(miri, ignore = "too many bytes for an interpreter")]
fn what_is_read_was_announced_and_is_let_go() {
    let lengths = [0, 1, 1 << 20, (1 << 20) + 1, (5 << 20) - 7];
    let mut messages = Announced {
        ahead: Vec::new(),
        behind: Vec::new(),
    };
    Reader::new().digests::<Sha1, _>(&lengths, &mut messages);
    for (message, length) in lengths.into_iter().enumerate() {
        for told in [&messages.ahead, &messages.behind] {
            let ranges = told.iter().filter(|(other, _)| *other == message);
            let end = ranges.fold(0, |end, (_, range)| {
                assert_eq!(range.start, end, "in order, without gaps");
                range.end
            });
            assert_eq!(end, length);
        }
    }
}
