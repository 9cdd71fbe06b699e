//! BitTorrent sessions: many torrents, one listener, one facade.
//!
//! A [`Session`] listens on one port. [`Session::add`] takes a torrent (a path, a URL, a magnet link, bytes) and gives a [`Torrent`]: a handle
//! that downloads, serves, checks and tells. Everything runs as tokio tasks and on a few disk threads; the program that uses
//! it needs a tokio runtime with I/O and time, and nothing else.
//!
//! ```
//! use headwater_session::{Session, SessionError, State};
//! # use std::{num::NonZeroUsize, ops::ControlFlow};
//! # use headwater_metainfo::create::{CreateOptions, Creator, InputFile};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (from, to) = (tempfile::tempdir()?, tempfile::tempdir()?);
//! # let data = vec![vec![42; 100_000]];
//! # std::fs::write(from.path().join("hello"), &data[0])?;
//! # let creator = Creator::new(CreateOptions::new("hello"), vec![InputFile::single(100_000)])?;
//! # let hashes = creator.hash(&data, NonZeroUsize::MIN, |_| ControlFlow::Continue(()))?;
//! # let hello_torrent = to.path().join("hello.torrent");
//! # std::fs::write(&hello_torrent, creator.torrent(&hashes)?)?;
//! # let local = std::net::Ipv4Addr::LOCALHOST;
//! // One end seeds in place, without ever writing to the files.
//! let seeder = Session::builder().port(0).bind(local).start().await?;
//! seeder.add(&*hello_torrent).dir(from.path()).read_only(true).await?;
//!
//! // The other downloads. Usually trackers name the peers.
//! let session = Session::builder().port(0).bind(local).start().await?;
//! let torrent = session.add(&*hello_torrent).dir(to.path()).peers([seeder.local_addrs()[0]]).await?;
//! torrent.wait_complete().await?;
//!
//! assert!(torrent.is_seed() && torrent.left() == 0);
//! println!("{}: {} bytes, {}", torrent.name(), torrent.size(), torrent.detail());
//! session.shutdown().await; // trackers are told, data and resume data are on disk
//! # Ok(())
//! # }
//! ```
//!
//! # Coming from `AnyEvent::BitTorrent`
//!
//! | there | here |
//! |---|---|
//! | `new(path => ...)` | [`session.add(source)`](Session::add), awaited; [`Source`] is a path, bytes, a URL, a magnet link or a [`Metainfo`] |
//! | `basedir` | [`.dir(path)`](Add::dir) |
//! | `port` | [`Session::builder().port(n)`](SessionBuilder::port); [`session.port()`](Session::port) gives the bound one |
//! | `on_hash_pass`, `on_hash_fail` | [`.on_hash_pass(f)`](Add::on_hash_pass), [`.on_hash_fail(f)`](Add::on_hash_fail), [`Event::PiecePassed`], [`Event::PieceFailed`] |
//! | `state` at construction | [`.state(State::Active)`](Add::state), `Paused` or `Stopped` |
//! | `piece_cache` | [`.resume(data)`](Add::resume), [`torrent.resume_data()`](Torrent::resume_data), or [`ResumePolicy`] to leave it to the session |
//! | `hashcheck(...)` | [`torrent.hashcheck(..)`](Torrent::hashcheck) with `..`, a [`PieceIndex`], a range, a [`FileIndex`] or a [`Check`] |
//! | `start()`, `pause()`, `stop()` | [`start`](Torrent::start), [`pause`](Torrent::pause), [`stop`](Torrent::stop); [`settled`](Torrent::settled) waits for them |
//! | `infohash()` | [`info_hash()`](Torrent::info_hash), [`info_hashes()`](Torrent::info_hashes) |
//! | `peerid()` | [`peer_id()`](Torrent::peer_id); override with [`.peer_id(id)`](Add::peer_id) |
//! | `size()`, `name()`, `piece_length()` | [`size()`](Torrent::size), [`name()`](Torrent::name) and [`raw_name()`](Torrent::raw_name), [`piece_length()`](Torrent::piece_length) |
//! | `uploaded()`, `downloaded()` | [`uploaded()`](Torrent::uploaded), [`downloaded()`](Torrent::downloaded) |
//! | `left()` | [`left()`](Torrent::left) |
//! | `bitfield()` | [`bitfield()`](Torrent::bitfield) |
//! | `wanted()` | [`wanted()`](Torrent::wanted) |
//! | `complete()` | [`is_complete()`](Torrent::is_complete), [`wait_complete()`](Torrent::wait_complete) |
//! | `seed()` | [`is_seed()`](Torrent::is_seed) |
//! | `files()` | [`files()`](Torrent::files), [`set_priority(file, n)`](Torrent::set_priority) |
//! | `peers()` | [`peers()`](Torrent::peers) |
//! | `state()` | [`state()`](Torrent::state), [`detail()`](Torrent::detail) |
//! | `trackers()` | [`trackers()`](Torrent::trackers) |
//!
//! And beyond it: [`events()`](Torrent::events) as a stream that loses nothing, one consistent [`stats()`](Torrent::stats),
//! [`move_storage()`](Torrent::move_storage) and [`rename_file()`](Torrent::rename_file) at any time, [removal with the
//! data](Session::remove_with_data), rate limits for a torrent and for all together, other back ends behind [`Storage`], and a
//! [`shutdown()`](Session::shutdown) that is bounded in time.
//!
//! # What to rely on
//!
//! - A piece that is had is on disk and verified. When the disk fails, the torrent says so ([`Detail::Failed`]), stops
//!   asking and serving, and goes on at the next [`start`](Torrent::start); what was not written is not had. What somebody
//!   else has deleted, moved away, replaced or cut is not had either, until a check at that start has found it.
//! - Getters wait for nobody. Changes show in the getters at once and take effect in the background.
//! - Nothing outside of the base directory is ever touched, and no existing file is cut before all of its pieces are right.
//! - Handles are cheap clones. Dropping a future loses nothing.
//!
//! # Magnet links
//!
//! [`Session::add`] takes a [`Magnet`] like anything else, and returns at once. Until peers have sent what it stands for, the
//! torrent is [`FetchingMetadata`](Detail::FetchingMetadata): it has the link's name, no files and no size, and is not complete.
//! [`Torrent::metadata`] waits for that moment, [`Event::MetadataReceived`] tells of it, [`Add::choose_files`] decides in it which
//! files are wanted, and resume data keeps the metadata for the next run.
//!
//! ```no_run
//! # async fn example(session: headwater_session::Session) -> Result<(), Box<dyn std::error::Error>> {
//! let link = "magnet:?xt=urn:btih:0123456789abcdef0123456789abcdef01234567&dn=film&tr=udp%3A%2F%2Ftracker.example%3A80";
//! let torrent = session.add(link).await?;
//! println!("looking for {}", torrent.name());
//! let info = torrent.metadata().await?;
//! println!("it has {} files, {} bytes", info.layout().len(), torrent.size());
//! torrent.wait_complete().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What survives what
//!
//! | | the process is killed | the power fails | resume data claims it |
//! |---|---|---|---|
//! | a piece that [passed](Event::PiecePassed) | survives, found by a check of the file | may be lost | not yet |
//! | after the sync that [`SyncPolicy`] asks for | survives | survives | once it is saved, after the sync |
//! | after [`Event::Completed`], a pause or a stop | survives | once resume data is saved, right after | likewise |
//! | after [`shutdown`](Session::shutdown) or [`resume_data`](Torrent::resume_data) | survives | survives | yes |
//!
//! With [`SyncPolicy::Interval`] the first row lasts that long at most; with [`SyncPolicy::EveryPiece`] for as long as a sync takes;
//! with [`SyncPolicy::AtEnd`] until the torrent completes, pauses or stops. Resume data never claims more than was durable before it
//! was saved.
#![forbid(unsafe_code)]

mod add;
pub mod dht;
mod disk;
mod driver;
mod error;
mod event;
mod fetch;
mod limit;
pub mod lsd;
mod open;
mod peer;
mod peer_id;
#[cfg(feature = "portmap")]
mod portmap;
mod resume;
mod session;
mod socket;
mod source;
mod state;
mod torrent;
mod udp;
mod unknown;

pub use add::Add;
pub use error::{
    AddError, Closed, FetchError, HashcheckError, MetadataError, MoveError, NoSuchFile,
    RenameError, SelectionError, SessionError, TorrentError, WaitError,
};
pub use event::{Event, Events};
pub use peer_id::generate_peer_id;
#[cfg(feature = "portmap")]
pub use portmap::{MappingProtocol, PortMapping};
pub use resume::{ResumePolicy, default_state_dir};
pub use session::{Session, SessionBuilder, SessionStats, SyncPolicy};
pub use source::Source;
pub use state::{Detail, Progress, State};
pub use torrent::{Check, CheckReport, FileInfo, Hashcheck, PeerInfo, Stats, Torrent};

pub use headwater_metainfo::{
    Bitfield, FileIndex, Info, InfoHash, InfoHashes, Magnet, Metainfo, PeerId, PieceIndex,
};
pub use headwater_store::{
    Allocation, MemoryStorage, PoolOptions, ResumeData, ResumeError, Storage, StorageError,
    StorageErrorKind, StoreError,
};
pub use headwater_swarm::{Direction, Discovery, PeerSource, SuperSeeding};
pub use headwater_tracker::{TierSnapshot, TrackerSnapshot};

/// Keeps the README's example true.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
