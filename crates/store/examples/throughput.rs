//! What the store costs, in processor seconds per GiB: `cargo run --release --example throughput -- DIR [MIB]`.
//!
//! DIR should lie in memory (tmpfs) for figures that mean something; `raw` rows do the least that any program could.
#![forbid(unsafe_code)]

use std::fs::{self, File, OpenOptions};
use std::hint::black_box;
use std::io::{IoSlice, Read, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use bytes::Bytes;
use headwater_metainfo::{FileLayout, PieceIndex};
use headwater_store::testing::Sample;
use headwater_store::{
    Contents, FileOptions, FileStorage, Options, PieceCheck, PieceStore, Pool, PoolOptions, Storage,
};

const PIECE_LENGTH: u64 = 1024 * 1024;
const BLOCK: usize = 16 * 1024;
/// Pieces that are completed together.
const TOGETHER: usize = 16;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().ok_or("usage: throughput DIR [MIB]")?;
    let mib: u64 = arguments.next().map_or(Ok(1024), |text| text.parse())?;
    let dir = tempfile::tempdir_in(dir)?;
    let layout = FileLayout::new([("a", mib << 19), ("b", mib << 19)])?;
    let torrent = Arc::new(Sample::from_layout(layout, PIECE_LENGTH));
    println!("{:24} {:>10} {:>10}", "job", "cpu s/GiB", "GiB/s");
    let bench = Bench { torrent, mib };
    bench.raw_write(&dir.path().join("raw"))?;
    bench.measure("raw hash", || bench.hash());
    for together in [1, TOGETHER] {
        let base = dir.path().join(format!("store-{together}"));
        bench.download(&base, together)?;
    }
    let base = dir.path().join("store-1");
    bench.check(&base, 1)?;
    bench.check(&base, 2)?;
    bench.serve(&base)?;
    Ok(())
}

struct Bench {
    torrent: Arc<Sample>,
    mib: u64,
}

impl Bench {
    fn measure<T>(&self, job: &str, work: impl FnOnce() -> T) -> T {
        let (cpu, wall) = (cpu_time(), Instant::now());
        let result = work();
        let (cpu, wall) = (cpu_time().saturating_sub(cpu), wall.elapsed());
        let gib = self.mib as f64 / 1024.0;
        let per_gib = cpu.as_secs_f64() / gib;
        println!("{job:24} {per_gib:10.3} {:10.2}", gib / wall.as_secs_f64());
        result
    }

    fn raw_write(&self, path: &Path) -> std::io::Result<()> {
        let file = OpenOptions::new().create_new(true).write(true).open(path)?;
        self.measure("raw write", || {
            let pieces = self.torrent.data().chunks(PIECE_LENGTH as usize);
            for (index, piece) in (0..).zip(pieces) {
                file.write_all_at(piece, index * PIECE_LENGTH)?;
            }
            Ok::<_, std::io::Error>(())
        })?;
        self.raw_read(path)?;
        fs::remove_file(path)
    }

    fn raw_read(&self, path: &Path) -> std::io::Result<()> {
        let file = File::open(path)?;
        let mut buf = vec![0; BLOCK];
        self.measure("raw read of blocks", || {
            for index in 0..self.mib << 6 {
                file.read_exact_at(&mut buf, index * BLOCK as u64)?;
            }
            Ok(())
        })
    }

    fn hash(&self) {
        for group in self.torrent.data().chunks(PIECE_LENGTH as usize * TOGETHER) {
            let parts: Vec<[&[u8]; 1]> = group.chunks(PIECE_LENGTH as usize).map(|p| [p]).collect();
            let messages: Vec<&[&[u8]]> = parts.iter().map(|part| &part[..]).collect();
            black_box(headwater_hash::sha1_many(&messages));
        }
    }

    fn store(&self, base: &Path) -> Result<PieceStore, headwater_store::StorageError> {
        let contents: Arc<dyn Contents> = self.torrent.clone();
        let storage = FileStorage::new(contents.clone(), base, FileOptions::default())?;
        storage.prepare()?;
        let options = Options::default();
        Ok(PieceStore::new(contents, Arc::new(storage), options))
    }

    fn download(&self, base: &Path, together: usize) -> Result<(), Box<dyn std::error::Error>> {
        let pieces: Vec<PieceIndex> = self.torrent.geometry().pieces().collect();
        self.measure(&format!("download, {together} at once"), || {
            let store = self.store(base)?;
            for pieces in pieces.chunks(together) {
                for block in pieces
                    .iter()
                    .flat_map(|p| self.torrent.geometry().blocks(*p))
                {
                    store.add_block(block, self.torrent.block(block))?;
                }
                for (_, result) in store.complete(pieces) {
                    assert_eq!(result?, PieceCheck::Passed);
                }
            }
            Ok(())
        })
    }

    fn check(&self, base: &Path, threads: usize) -> Result<(), Box<dyn std::error::Error>> {
        let store = self.store(base)?;
        let pieces: Vec<PieceIndex> = self.torrent.geometry().pieces().collect();
        self.measure(&format!("check, {threads} threads"), || {
            store.check_many(&pieces, threads, &|_, _| {}, &AtomicBool::new(false))
        });
        assert!(store.verified().is_full());
        Ok(())
    }

    /// Sends every block through a local socket, from maps and from memory of its own.
    fn serve(&self, base: &Path) -> Result<(), Box<dyn std::error::Error>> {
        for (how, max_mapped_bytes) in [("mapped", 64 << 20), ("read", 0)] {
            let options = FileOptions {
                read_only: true,
                pool: Pool::new(PoolOptions {
                    max_mapped_bytes,
                    ..PoolOptions::default()
                }),
                ..FileOptions::default()
            };
            let storage = FileStorage::new(self.torrent.clone(), base, options)?;
            let shared = |at| storage.read_shared(at, BLOCK);
            let blocks = self.mib << 6;
            self.measure(&format!("{how}, not sent"), || {
                (0..blocks).try_for_each(|index| shared(index * BLOCK as u64).map(drop))
            })?;
            self.send(&format!("{how}, sent"), shared)?;
            let cached = |index| storage.read_cached(index * BLOCK as u64, BLOCK);
            self.measure("read_cached, not sent", || {
                (0..blocks).try_for_each(|index| cached(index).map(drop))
            })
            .unwrap_or_else(|| println!("(the file system cannot tell what is in memory)"));
        }
        Ok(())
    }

    fn send(
        &self,
        job: &str,
        read: impl Fn(u64) -> Result<Bytes, headwater_store::StorageError>,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let (mut here, mut there) = UnixStream::pair()?;
        let drain = std::thread::spawn(move || {
            let mut buf = vec![0; 256 * 1024];
            while there.read(&mut buf).is_ok_and(|read| read > 0) {}
        });
        self.measure(job, || {
            for index in 0..self.mib << 6 {
                let block = read(index * BLOCK as u64)?;
                let mut slices = [IoSlice::new(&block)];
                let mut left = &mut slices[..];
                while !left.is_empty() {
                    let sent = here.write_vectored(left)?;
                    IoSlice::advance_slices(&mut left, sent);
                }
            }
            Ok::<_, Box<dyn std::error::Error>>(())
        })?;
        drop(here);
        drain.join().map_err(|_| "the reader panicked")?;
        Ok(())
    }
}

/// User and system time of this process.
fn cpu_time() -> Duration {
    let usage = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(usage.tv_sec as u64, usage.tv_nsec as u32)
}
