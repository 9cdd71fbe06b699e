//! What the tests share: torrents with known data, sessions on loopback, waits with a time-out.
#![allow(dead_code, unreachable_pub, missing_docs)]

pub mod wire_peer;

use std::future::{Future, IntoFuture};
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use headwater_metainfo::create::{CreateOptions, Creator, InputFile};
use headwater_session::{Event, Events, Metainfo, Session, SessionBuilder, Torrent};

/// How long anything may take that is expected to happen.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Waits, but not forever.
pub async fn soon<F: IntoFuture>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future.into_future())
        .await
        .unwrap_or_else(|_| panic!("{what} took too long"))
}

/// A torrent and the data of its files.
pub struct Sample {
    pub metainfo: Metainfo,
    pub files: Vec<(String, Vec<u8>)>,
}

impl Sample {
    /// Files with the given lengths and data that looks random.
    pub fn new(files: &[(&str, usize)], piece_length: u32) -> Self {
        Self::with_trackers(files, piece_length, Vec::new())
    }

    pub fn with_trackers(
        files: &[(&str, usize)],
        piece_length: u32,
        trackers: Vec<Vec<String>>,
    ) -> Self {
        Self::with_options(files, |options| {
            options.piece_length = Some(piece_length);
            options.trackers = trackers;
        })
    }

    /// A torrent that is between its trackers and those whom they name.
    pub fn private(length: usize) -> Self {
        Self::with_options(&[("file.bin", length)], |options| options.private = true)
    }

    pub fn with_options(files: &[(&str, usize)], set: impl FnOnce(&mut CreateOptions)) -> Self {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut byte = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        };
        let files: Vec<(String, Vec<u8>)> = files
            .iter()
            .map(|(name, length)| ((*name).to_owned(), (0..*length).map(|_| byte()).collect()))
            .collect();
        let inputs = files
            .iter()
            .map(|(name, data)| InputFile::new([name.as_str()], data.len() as u64))
            .collect();
        let mut options = CreateOptions::new("sample");
        set(&mut options);
        let creator = Creator::new(options, inputs).unwrap();
        let ordered: Vec<_> = (0..files.len())
            .map(|index| creator.origin(headwater_session::FileIndex(index as u32)))
            .collect();
        let data: Vec<Vec<u8>> = files.iter().map(|(_, data)| data.clone()).collect();
        let hashes = creator
            .hash(&data, NonZeroUsize::MIN, |_| ControlFlow::Continue(()))
            .unwrap();
        let torrent = creator.torrent(&hashes).unwrap();
        Self {
            metainfo: Metainfo::from_bytes(&torrent).unwrap(),
            files: ordered
                .into_iter()
                .map(|origin| files[origin].clone())
                .collect(),
        }
    }

    /// One file of `length` bytes.
    pub fn single(length: usize, piece_length: u32) -> Self {
        Self::new(&[("file.bin", length)], piece_length)
    }

    pub fn path(&self, dir: &Path, file: usize) -> PathBuf {
        self.metainfo.info().layout().files()[file]
            .path()
            .under(dir)
    }

    /// Writes all data below `dir`.
    pub fn write(&self, dir: &Path) {
        for (index, (_, data)) in self.files.iter().enumerate() {
            let path = self.path(dir, index);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, data).unwrap();
        }
    }

    /// Fails if a file below `dir` differs.
    pub fn assert_same(&self, dir: &Path) {
        for index in 0..self.files.len() {
            self.assert_file(dir, index);
        }
    }

    pub fn assert_file(&self, dir: &Path, index: usize) {
        let got = std::fs::read(self.path(dir, index)).unwrap();
        assert!(got == self.files[index].1, "file {index} differs");
    }
}

/// A session on loopback, at a port that the system chooses.
pub fn builder() -> SessionBuilder {
    let builder = Session::builder().port(0).bind(Ipv4Addr::LOCALHOST);
    builder.dht(false)
}

pub async fn session() -> Session {
    builder().start().await.unwrap()
}

pub fn address(session: &Session) -> SocketAddr {
    session.local_addrs()[0]
}

/// A session that seeds the sample from `dir`, where the data is.
pub async fn seed(sample: &Sample, dir: &Path) -> (Session, Torrent) {
    let session = session().await;
    let torrent = seed_in(&session, sample, dir).await;
    (session, torrent)
}

/// Has `session` seed the sample from `dir`, where the data is.
pub async fn seed_in(session: &Session, sample: &Sample, dir: &Path) -> Torrent {
    let torrent = session
        .add(sample.metainfo.clone())
        .dir(dir)
        .read_only(true)
        .await
        .unwrap();
    soon("the check of the seed", torrent.wait_complete())
        .await
        .unwrap();
    torrent
}

/// The events up to the first that `is_last`, that one included.
pub async fn until(events: &mut Events, mut is_last: impl FnMut(&Event) -> bool) -> Vec<Event> {
    let mut seen = Vec::new();
    loop {
        let event = soon("an event", events.next())
            .await
            .expect("a further event");
        let done = is_last(&event);
        seen.push(event);
        if done {
            return seen;
        }
    }
}

/// Tries again and again until `check` holds, waiting for events of the runtime in between; fails after a while.
pub async fn eventually<Fut: Future<Output = bool>>(what: &str, mut check: impl FnMut() -> Fut) {
    let attempts = async {
        while !check().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon(what, attempts).await;
}
