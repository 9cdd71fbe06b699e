//! A peer that asks for what it likes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{bail, ensure};
use headwater_metainfo::InfoHash;

const PATIENCE: Duration = Duration::from_mins(1);
const BLOCK: u64 = 16 << 10;
/// Longest message that is taken: a bitfield of every piece that a torrent may have.
const MAX_MESSAGE: usize = 1 << 20;

/// A connection to a seed that has unchoked us.
pub(super) struct Wire(TcpStream);

impl Wire {
    pub(super) fn connect(address: SocketAddr, info_hash: InfoHash) -> anyhow::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut hello = b"\x13BitTorrent protocol\0\0\0\0\0\0\0\0".to_vec();
        hello.extend(info_hash.as_bytes());
        hello.extend(b"-XX0000-not a client");
        // Interested.
        hello.extend([0, 0, 0, 1, 2]);
        stream.write_all(&hello)?;
        stream.read_exact(&mut [0; 68])?;
        let mut wire = Self(stream);
        while wire.next()?.first() != Some(&1) {}
        Ok(wire)
    }

    /// The torrent's bytes from `start` on.
    pub(super) fn fetch(
        &mut self,
        start: u64,
        length: usize,
        piece_length: u64,
    ) -> anyhow::Result<Vec<u8>> {
        let mut got = Vec::with_capacity(length);
        while got.len() < length {
            let at = start + got.len() as u64;
            let left = (length - got.len()) as u64;
            let length = left.min(BLOCK).min(piece_length - at % piece_length);
            got.extend(self.block(at / piece_length, at % piece_length, length)?);
        }
        Ok(got)
    }

    fn block(&mut self, piece: u64, offset: u64, length: u64) -> anyhow::Result<Vec<u8>> {
        let mut request = vec![0, 0, 0, 13, 6];
        for number in [piece, offset, length] {
            request.extend(u32::try_from(number)?.to_be_bytes());
        }
        self.0.write_all(&request)?;
        loop {
            let message = self.next()?;
            match message.first() {
                Some(7) => {
                    ensure!(message[1..9] == request[5..13], "another block came");
                    return Ok(message[9..].to_vec());
                }
                Some(0) => bail!("choked"),
                _ => {}
            }
        }
    }

    fn next(&mut self) -> anyhow::Result<Vec<u8>> {
        let mut head = [0; 4];
        self.0.read_exact(&mut head)?;
        let length = u32::from_be_bytes(head) as usize;
        ensure!(length <= MAX_MESSAGE, "a message of {length} bytes");
        let mut message = vec![0; length];
        self.0.read_exact(&mut message)?;
        Ok(message)
    }
}
