//! A peer that knows the data already, and compares every block with it, byte by byte.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::Dice;
use super::common::PATIENCE;

const BLOCK: usize = 16 << 10;
/// Requests that are on their way at a time.
const PIPELINE: usize = 24;

/// Asks for blocks in random order, again and again.
pub(crate) struct WirePeer {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

struct Shared {
    data: Arc<[u8]>,
    piece_length: usize,
    stop: AtomicBool,
    right: AtomicUsize,
    /// From when on blocks count in `wanted`: those below this piece.
    below: Mutex<Option<usize>>,
    wanted: AtomicUsize,
}

impl WirePeer {
    pub(crate) fn start(
        seed: SocketAddr,
        info_hash: [u8; 20],
        data: Arc<[u8]>,
        piece_length: usize,
        dice: u64,
    ) -> Self {
        let shared = Arc::new(Shared {
            data,
            piece_length,
            stop: AtomicBool::new(false),
            right: AtomicUsize::new(0),
            below: Mutex::new(None),
            wanted: AtomicUsize::new(0),
        });
        let thread = {
            let shared = shared.clone();
            thread::spawn(move || shared.run(seed, info_hash, &mut Dice(dice | 1)))
        };
        Self { shared, thread }
    }

    /// Waits until so many blocks were right.
    pub(crate) fn wait_for(&self, blocks: usize) {
        self.wait(&self.shared.right, blocks);
    }

    /// Waits until so many more blocks of the first `pieces` were asked for from now on, and came.
    pub(crate) fn wait_for_more_below(&self, pieces: usize, blocks: usize) {
        *self.shared.below.lock().unwrap() = Some(pieces);
        self.wait(&self.shared.wanted, blocks);
    }

    fn wait(&self, counter: &AtomicUsize, blocks: usize) {
        let deadline = Instant::now() + PATIENCE;
        while counter.load(Ordering::Relaxed) < blocks {
            assert!(!self.thread.is_finished(), "the peer has failed");
            assert!(Instant::now() < deadline, "too few blocks come");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Ends it; gives how many blocks it has compared. Fails if one was wrong.
    pub(crate) fn stop(self) -> usize {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        self.shared.right.load(Ordering::Relaxed)
    }
}

/// What is on its way.
#[derive(Default)]
struct Connection {
    unchoked: bool,
    /// Offsets of blocks in the data; whether they count when they come.
    asked: HashSet<(usize, bool)>,
}

impl Shared {
    fn run(&self, seed: SocketAddr, info_hash: [u8; 20], dice: &mut Dice) {
        let mut stream = TcpStream::connect(seed).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut hello = b"\x13BitTorrent protocol\0\0\0\0\0\0\0\x04".to_vec();
        hello.extend(info_hash);
        hello.extend(b"-XX0000-not a client");
        stream.write_all(&hello).unwrap();
        stream.read_exact(&mut [0; 68]).unwrap();
        // No piece is had (BEP 6), and we are interested.
        stream.write_all(&[0, 0, 0, 1, 15, 0, 0, 0, 1, 2]).unwrap();
        let mut connection = Connection::default();
        while !self.stop.load(Ordering::Relaxed) {
            if connection.unchoked {
                self.ask(&mut stream, &mut connection, dice);
            }
            let mut head = [0; 4];
            stream.read_exact(&mut head).unwrap();
            let mut message = vec![0; u32::from_be_bytes(head) as usize];
            stream.read_exact(&mut message).unwrap();
            self.take(&message, &mut connection);
        }
    }

    fn ask(&self, stream: &mut TcpStream, connection: &mut Connection, dice: &mut Dice) {
        let counts = self.below.lock().unwrap().is_some();
        while connection.asked.len() < PIPELINE {
            let block = dice.below(self.data.len().div_ceil(BLOCK) as u64) as usize;
            let offset = block * BLOCK;
            let length = BLOCK.min(self.data.len() - offset);
            if connection.asked.contains(&(offset, true))
                || !connection.asked.insert((offset, counts))
            {
                continue;
            }
            let piece = offset / self.piece_length;
            let mut request = vec![0, 0, 0, 13, 6];
            for number in [piece, offset % self.piece_length, length] {
                request.extend((number as u32).to_be_bytes());
            }
            stream.write_all(&request).unwrap();
        }
    }

    fn take(&self, message: &[u8], connection: &mut Connection) {
        let number = |at: usize| {
            let bytes = message[at..at + 4].try_into().unwrap();
            u32::from_be_bytes(bytes) as usize
        };
        match message.first() {
            Some(0) => {
                connection.unchoked = false;
                connection.asked.clear();
            }
            Some(1) => connection.unchoked = true,
            Some(7) => {
                let (piece, data) = (number(1), &message[9..]);
                let offset = piece * self.piece_length + number(5);
                let right = &self.data[offset..offset + data.len()];
                assert!(data == right, "wrong bytes in the block at {offset}");
                self.right.fetch_add(1, Ordering::Relaxed);
                connection.asked.remove(&(offset, false));
                let below = *self.below.lock().unwrap();
                let counts = connection.asked.remove(&(offset, true));
                if counts && below.is_some_and(|below| piece < below) {
                    self.wanted.fetch_add(1, Ordering::Relaxed);
                }
            }
            // Refused: what is asked for is gone.
            Some(16) => {
                let offset = number(1) * self.piece_length + number(5);
                connection.asked.remove(&(offset, false));
                connection.asked.remove(&(offset, true));
            }
            _ => {}
        }
    }
}
