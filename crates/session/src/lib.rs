//! BitTorrent sessions: many torrents, one listener, one facade.
#![forbid(unsafe_code)]

mod add;
mod disk;
mod driver;
mod error;
mod event;
mod fetch;
mod limit;
mod peer;
mod peer_id;
mod resume;
mod session;
mod source;
mod state;
mod torrent;

pub use add::Add;
pub use error::{
    AddError, Closed, FetchError, HashcheckError, NoSuchFile, SessionError, TorrentError, WaitError,
};
pub use event::{Event, Events};
pub use peer_id::generate_peer_id;
pub use resume::{ResumePolicy, default_state_dir};
pub use session::{Session, SessionBuilder, SessionStats};
pub use source::Source;
pub use state::{Detail, Progress, State};
pub use torrent::{Check, CheckReport, FileInfo, Hashcheck, PeerInfo, Stats, Torrent};

pub use headwater_metainfo::{
    Bitfield, FileIndex, Info, InfoHash, InfoHashes, Metainfo, PeerId, PieceIndex,
};
pub use headwater_store::{
    Allocation, MemoryStorage, PoolOptions, ResumeData, Storage, StorageError, StorageErrorKind,
    StoreError,
};
pub use headwater_swarm::{Direction, PeerSource};
pub use headwater_tracker::{TierSnapshot, TrackerSnapshot};
