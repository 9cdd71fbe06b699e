//! A disk that is too small, and then is not.
#![cfg(target_os = "linux")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;

use common::{ALONE, Outcome, PATIENCE, Place, Running, noise};
use headwater_metainfo::{Metainfo, PieceIndex};
use headwater_store::{FileOptions, FileStorage, ResumeData, Storage};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

const MIB: usize = 1 << 20;

/// A disk of a few MiB.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None`, with a word that says so, where nothing may be mounted.
    fn mount(at: PathBuf, mib: usize) -> Option<Self> {
        fs::create_dir_all(&at).unwrap();
        let options = std::ffi::CString::new(format!("size={mib}m")).unwrap();
        match mount("tmpfs", &at, "tmpfs", MountFlags::empty(), &*options) {
            Ok(()) => Some(Self(at)),
            Err(error) => {
                eprintln!("SKIPPED: a small disk cannot be mounted here: {error}");
                None
            }
        }
    }

    /// Takes `bytes` of it, or all that there is.
    fn fill(&self, bytes: usize) {
        let _ = fs::write(self.0.join("ballast"), vec![1; bytes]);
    }

    /// Gives back what was taken.
    fn free(&self) {
        fs::remove_file(self.0.join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = unmount(&self.0, UnmountFlags::DETACH);
    }
}

/// A torrent of 4 MiB in two files, its seed, and a disk of 6 MiB.
struct Scene {
    place: Place,
    seed: Running,
    peer: String,
    disk: SmallDisk,
}

impl Scene {
    fn new() -> Option<Self> {
        let place = Place::new();
        let disk = SmallDisk::mount(place.path("disk"), 6)?;
        place.write("album/a.bin", noise(1, 3 * MIB + 5));
        place.write("album/b.bin", noise(2, MIB - 5));
        place.ok(["create", "album", "--piece-length", "64K"]);
        let mut seed = place.command([&["seed", "album.torrent", "--json"], &ALONE[..]].concat());
        seed.env("XDG_STATE_HOME", place.path("seed-state"));
        let mut seed = Running::new(seed);
        let peer = format!("127.0.0.1:{}", seed.port());
        seed.event("checked");
        Some(Self {
            place,
            seed,
            peer,
            disk,
        })
    }

    fn arguments<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let download = ["download", "album.torrent", "--dir", "disk"];
        let often = ["--save-interval", "0.05", "--peer", &self.peer];
        [&download[..], &often, &ALONE, more].concat()
    }

    fn download(&self, more: &[&str]) -> Outcome {
        self.place.run(self.arguments(more))
    }

    /// What the kept resume data claims is there; gives how many pieces that are.
    #[track_caller]
    fn claims_are_true(&self) -> u32 {
        let Some(resume) = resume_data(&self.place.path("state/headwater")) else {
            return 0;
        };
        self.are_there(resume.have.ones());
        resume.have.count()
    }

    #[track_caller]
    fn are_there(&self, pieces: impl Iterator<Item = PieceIndex>) {
        let torrent = self.torrent();
        let options = FileOptions {
            read_only: true,
            ..FileOptions::default()
        };
        let disk = self.place.path("disk");
        let storage = FileStorage::new(torrent.info().clone(), disk, options).unwrap();
        let files = ["album/a.bin", "album/b.bin"];
        let data = files.map(|file| self.place.read(file)).concat();
        for piece in pieces {
            let range = torrent.info().geometry().piece_range(piece);
            let right = &data[range.start as usize..range.end as usize];
            let mut there = vec![0; right.len()];
            storage.read_at(range.start, &mut there).unwrap();
            assert!(there == right, "piece {piece} is said to be there");
        }
    }

    fn torrent(&self) -> Metainfo {
        Metainfo::from_bytes(&self.place.read("album.torrent")).unwrap()
    }

    /// With room, the same command comes to its end.
    #[track_caller]
    fn goes_on(&self, more: &[&str]) {
        let outcome = self.download(more);
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        for file in ["album/a.bin", "album/b.bin"] {
            let there = self.place.path("disk").join(file);
            assert!(fs::read(there).unwrap() == self.place.read(file), "{file}");
        }
    }
}

/// One line that names the file and says what to do.
#[track_caller]
fn is_told(outcome: &Outcome, files: &[&str]) {
    let line = outcome.fails_with(5);
    let names = |name: &&str| line.contains(&format!("disk/album/{name}"));
    assert!(files.iter().any(names), "{line}");
    assert!(
        line.contains("no space") || line.contains("No space"),
        "{line}"
    );
    let advice = "make room and run the same command again to go on";
    assert!(line.ends_with(advice), "{line}");
}

/// The resume data that is kept there.
fn resume_data(folder: &Path) -> Option<ResumeData> {
    let mut entries = fs::read_dir(folder).ok()?;
    let entry = entries.next()?.unwrap();
    Some(ResumeData::load(entry.path()).unwrap())
}

/// A peer that only listens to what a download says it has.
struct Listener {
    announced: thread::JoinHandle<BTreeSet<u32>>,
}

impl Listener {
    fn connect(port: u64, torrent: &Metainfo) -> Self {
        let address = (Ipv4Addr::LOCALHOST, port as u16);
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut hello = b"\x13BitTorrent protocol\0\0\0\0\0\0\0\0".to_vec();
        hello.extend(torrent.info().info_hashes().primary().0);
        hello.extend(b"-XX0000-not a client");
        stream.write_all(&hello).unwrap();
        let announced = thread::spawn(move || {
            let mut announced = BTreeSet::new();
            // Until the other end is gone.
            let _ = stream.read_exact(&mut [0; 68]);
            while let Some(message) = next_message(&mut stream) {
                announced.extend(pieces_of(&message));
            }
            announced
        });
        Self { announced }
    }

    /// Every piece that was announced, once the other end is gone.
    fn announced(self) -> BTreeSet<u32> {
        self.announced.join().unwrap()
    }
}

fn next_message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).ok()?;
    let mut message = vec![0; u32::from_be_bytes(head) as usize];
    stream.read_exact(&mut message).ok()?;
    Some(message)
}

/// What a bitfield or a HAVE announces.
fn pieces_of(message: &[u8]) -> Vec<u32> {
    match message {
        [4, piece @ ..] => vec![u32::from_be_bytes(piece.try_into().unwrap())],
        [5, bits @ ..] => (0..bits.len() as u32 * 8)
            .filter(|bit| bits[*bit as usize / 8] & (0x80 >> (bit % 8)) != 0)
            .collect(),
        _ => Vec::new(),
    }
}

#[test]
fn space_that_is_not_there_is_missed_before_anything_is_downloaded() {
    let Some(mut scene) = Scene::new() else {
        return;
    };
    scene.disk.fill(3 * MIB + MIB / 2);
    let outcome = scene.download(&[]);
    is_told(&outcome, &["a.bin", "b.bin"]);
    assert_eq!(scene.claims_are_true(), 0);
    scene.disk.free();
    scene.goes_on(&[]);
    assert!(scene.seed.is_running());
}

#[test]
fn a_disk_that_fills_up_on_the_way_leads_to_no_lie() {
    let Some(mut scene) = Scene::new() else {
        return;
    };
    if !scene.place.ok(["download", "--help"]).contains("--sparse") {
        eprintln!("SKIPPED: download has no --sparse yet");
        return;
    }
    scene.disk.fill(3 * MIB + MIB / 2);
    let slowly = scene.arguments(&["--sparse", "--max-down", "3M"]);
    let mut download = scene.place.start(slowly);
    let torrent = scene.torrent();
    let port = download.port();
    download.event("checked");
    let listener = Listener::connect(port, &torrent);
    let outcome = download.end();
    is_told(&outcome, &["a.bin", "b.bin"]);
    let announced = listener.announced();
    assert!(!announced.is_empty());
    scene.are_there(announced.into_iter().map(PieceIndex));
    assert!(scene.claims_are_true() > 0);
    scene.disk.free();
    scene.goes_on(&["--sparse"]);
    assert!(scene.seed.is_running());
}
