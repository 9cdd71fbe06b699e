//! One session of the swarm.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use headwater_session::{Event, Events, ResumePolicy, Session, Stats, Torrent};
use headwater_store::{FileOptions, FileStorage};

use super::corrupt::CorruptStorage;
use super::data::Data;
use crate::rate::Rate;

/// What a session may move.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) up: Option<Rate>,
    pub(super) down: Option<Rate>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Seed,
    Corrupt,
    Leech,
}

impl Role {
    /// Every peer has an address of its own: bans go by address.
    fn address(self, number: u16) -> Ipv4Addr {
        let block = match self {
            Self::Seed => 10,
            Self::Corrupt => 20,
            Self::Leech => 30,
        };
        let [high, low] = (number + 1).to_be_bytes();
        Ipv4Addr::new(127, block, high, low)
    }
}

/// A session with the torrent in it.
pub(super) struct Peer {
    pub(super) session: Session,
    pub(super) torrent: Torrent,
    events: Events,
}

impl Peer {
    pub(super) async fn start(
        role: Role,
        number: u16,
        data: &Data,
        limits: Limits,
    ) -> anyhow::Result<Self> {
        let bytes = |rate: Option<Rate>| rate.map_or(0, Rate::bytes_per_second);
        let session = Session::builder()
            .port(0)
            .bind(role.address(number))
            .dht(false)
            .upload_limit(bytes(limits.up))
            .download_limit(bytes(limits.down))
            .start()
            .await?;
        let add = session.add(data.metainfo().clone());
        let seeds = data.seeds();
        let add = match role {
            Role::Seed => add.dir(seeds).read_only(true),
            Role::Corrupt => {
                add.dir(seeds.clone())
                    .read_only(true)
                    .trust(true)
                    .storage(move |info| {
                        let options = FileOptions {
                            read_only: true,
                            ..FileOptions::default()
                        };
                        Ok(Arc::new(CorruptStorage(FileStorage::new(
                            info.clone(),
                            seeds,
                            options,
                        )?)))
                    })
            }
            Role::Leech => {
                let dir = data.leech(number);
                add.resume_policy(ResumePolicy::File(dir.with_extension("resume")))
                    .dir(dir)
            }
        };
        let (torrent, events) = add.start_with_events().await?;
        if role != Role::Leech {
            torrent.wait_complete().await?;
        }
        Ok(Self {
            session,
            torrent,
            events,
        })
    }

    /// Waits until `share` of all pieces have passed, or all that is wanted is there.
    async fn wait_for_share(&mut self, share: f64) {
        let enough = (f64::from(self.torrent.piece_count()) * share) as u32;
        while self.torrent.bitfield().count() < enough {
            match self.events.next().await {
                Some(Event::Completed | Event::Closed) | None => return,
                Some(_) => {}
            }
        }
    }
}

/// How a leech fared. Its session goes on serving the others until it is dropped.
pub(super) struct Finished {
    pub(super) peer: Peer,
    pub(super) number: u16,
    pub(super) elapsed: Duration,
    pub(super) restarts: u32,
    pub(super) stats: Stats,
    /// Bytes that were good for nothing, restarts included.
    pub(super) wasted: u64,
}

/// Downloads everything. One that `leaves` is shut down when it has that share, and comes back with what it kept.
pub(super) async fn leech(
    number: u16,
    data: Data,
    limits: Limits,
    leaves: Option<f64>,
) -> anyhow::Result<Finished> {
    let start = Instant::now();
    let mut peer = Peer::start(Role::Leech, number, &data, limits).await?;
    let (mut restarts, mut wasted) = (0, 0);
    if let Some(share) = leaves {
        peer.wait_for_share(share).await;
        wasted = peer.torrent.stats().wasted;
        peer.session.shutdown().await;
        peer = Peer::start(Role::Leech, number, &data, limits).await?;
        restarts = 1;
    }
    peer.torrent.wait_complete().await?;
    let stats = peer.torrent.stats();
    wasted += stats.wasted;
    Ok(Finished {
        elapsed: start.elapsed(),
        peer,
        number,
        restarts,
        stats,
        wasted,
    })
}
