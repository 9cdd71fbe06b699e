//! Torrents from magnet links: from what peers send to files on disk.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use headwater_hash::sha1;
use headwater_metainfo::{HostPort, Info, InfoHashes};
use headwater_store::Storage;
use headwater_swarm::{Activity, Content as SwarmContent, Metadata, PeerSource};

use super::begin::{disk_lane, new_store, tell_beginning};
use super::files::Files;
use super::{Driver, Input};
use crate::open::{Opened, Opening};
use crate::resume::Beginning;
use crate::torrent::{Content, Pieces};
use crate::{Event, MetadataError, TorrentError};

/// What is left to do until a torrent holds something.
pub(super) struct Fetching {
    /// Elsewhere while it is used.
    opening: Option<Box<Opening>>,
    /// The metadata, once it has come.
    info: Option<Arc<Info>>,
    /// It has come, and is of no use.
    unusable: Option<MetadataError>,
}

impl Fetching {
    pub(super) fn new(opening: Box<Opening>) -> Self {
        Self {
            opening: Some(opening),
            info: None,
            unusable: None,
        }
    }
}

/// What metadata from peers turned out to be.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// What was wanted.
    Good(Arc<Info>),
    /// Something else.
    Wrong,
    /// What was wanted, and yet nothing can be done with it.
    Unusable(MetadataError),
}

/// A torrent whose metadata has come, opened or not.
pub(crate) struct OpenedContent {
    opening: Box<Opening>,
    outcome: Result<(Opened, Beginning), TorrentError>,
}

impl std::fmt::Debug for OpenedContent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let error = self.outcome.as_ref().err();
        f.debug_struct("OpenedContent")
            .field("error", &error)
            .finish_non_exhaustive()
    }
}

impl Driver {
    /// Has complete metadata hashed and read.
    pub(super) fn check_metadata(&self, metadata: Bytes) {
        let (hashes, inputs) = (self.shared.hashes(), self.inputs.clone());
        self.core.disk.submit(move || {
            let _ = inputs.send(Input::MetadataChecked(judge(&metadata, hashes)));
        });
    }

    pub(super) fn metadata_checked(&mut self, now: Instant, verdict: Verdict) {
        let Some(fetching) = &mut self.fetching else {
            return;
        };
        match verdict {
            Verdict::Good(info) => {
                fetching.info = Some(info);
                self.open_content();
            }
            Verdict::Wrong => {
                tracing::warn!(torrent = self.shared.name(), "peers sent wrong metadata");
                self.swarm.handle_metadata_failed(now);
            }
            Verdict::Unusable(error) => {
                fetching.unusable = Some(error.clone());
                self.fail(error.into());
            }
        }
    }

    /// Tries again what failed after the metadata had come.
    pub(super) fn retry_content(&mut self) {
        match self.fetching.as_ref().and_then(|it| it.unusable.clone()) {
            Some(error) => self.fail(error.into()),
            None => self.open_content(),
        }
    }

    /// Decides about files and makes the back end, on a disk thread, if the metadata is there.
    fn open_content(&mut self) {
        let Some(fetching) = &mut self.fetching else {
            return;
        };
        let Some(info) = fetching.info.clone() else {
            return;
        };
        let Some(mut opening) = fetching.opening.take() else {
            return;
        };
        let (pool, inputs) = (self.core.files.clone(), self.inputs.clone());
        self.core.disk.submit(move || {
            let outcome = open(&mut opening, &info, pool);
            let opened = OpenedContent { opening, outcome };
            let _ = inputs.send(Input::ContentOpened(Box::new(opened)));
        });
    }

    pub(super) fn content_opened(&mut self, now: Instant, opened: OpenedContent) {
        let Some(fetching) = &mut self.fetching else {
            return;
        };
        fetching.opening = Some(opened.opening);
        let info = fetching.info.clone();
        match (opened.outcome, info) {
            (Ok((opened, beginning)), Some(info)) => {
                self.fetching = None;
                self.take_content(now, &info, opened, beginning);
            }
            (Ok(_), None) => {}
            (Err(error), _) => self.fail(error),
        }
    }

    /// From here on it is a torrent like any other.
    fn take_content(
        &mut self,
        now: Instant,
        info: &Arc<Info>,
        opened: Opened,
        beginning: Beginning,
    ) {
        let Opened {
            pieces,
            storage,
            start,
        } = opened;
        self.store = new_store(&self.core, info, storage.clone(), &beginning);
        self.lane = disk_lane(&self.core, &self.store, &self.inputs);
        self.files = Files::new(info, &beginning.have);
        self.checks.unknown(beginning.to_check.iter().copied());
        self.keeps_metadata = true;
        self.saving.set_kept(start.path.is_some());
        self.trackers.set_private(info.is_private());
        {
            let mut places = self.shared.whereabouts.lock();
            places.renamed = start.renamed().into_iter().collect();
            places.resume = start.path;
        }
        self.show_content(info, pieces, storage, &beginning);
        self.begin_content(now, info, beginning);
    }

    /// Lets handles see it.
    fn show_content(
        &self,
        info: &Arc<Info>,
        mut pieces: Pieces,
        storage: Arc<dyn Storage>,
        beginning: &Beginning,
    ) {
        for piece in beginning.have.ones() {
            pieces.set_have(piece, true);
        }
        *self.shared.pieces.lock() = pieces;
        self.shared.published.lock().earlier = beginning.earlier;
        let info = info.clone();
        self.shared.set_content(Content { info, storage });
        tell_beginning(&self.shared, beginning);
        self.shared.listeners.tell(&Event::MetadataReceived);
    }

    /// Tells the swarm, which keeps its peers, but asks for nothing before files are ready.
    fn begin_content(&mut self, now: Instant, info: &Arc<Info>, beginning: Beginning) {
        if self.swarm.activity() == Activity::Active {
            self.swarm.set_activity(now, Activity::Paused);
        }
        let content = SwarmContent {
            have: beginning.have,
            partial: beginning.partial,
            priorities: self.wanted_pieces(),
            is_private: info.is_private(),
            ..SwarmContent::new(raw_bytes(info), info.geometry())
        };
        self.swarm.handle_metadata(now, content);
        self.life.begin_content();
        self.saving.dirty();
        self.saving.hurry(now);
        self.publisher.peers_changed();
    }

    /// Looks up the peers that a magnet link names, in the background.
    pub(super) fn look_up_peers(&self, peers: Vec<HostPort>) {
        for peer in peers {
            let (closing, inputs) = (self.core.closing.clone(), self.inputs.clone());
            tokio::spawn(async move {
                let found = tokio::select! {
                    found = tokio::net::lookup_host((peer.host(), peer.port())) => found,
                    () = closing.cancelled() => return,
                };
                match found {
                    Ok(found) => drop(inputs.send(Input::LinkedPeers(found.collect()))),
                    Err(error) => tracing::debug!(%peer, %error, "cannot find this peer"),
                }
            });
        }
    }

    pub(super) fn linked_peers_found(&mut self, now: Instant, peers: Vec<std::net::SocketAddr>) {
        self.swarm.add_peers(now, peers, PeerSource::Magnet);
    }
}

fn judge(metadata: &Bytes, hashes: InfoHashes) -> Verdict {
    if hashes.v1().is_some_and(|v1| v1.0 != sha1(metadata)) {
        return Verdict::Wrong;
    }
    match Info::from_bytes(metadata) {
        Ok(info) if hashes.v2().is_some() && info.info_hashes() != hashes => {
            Verdict::Unusable(MetadataError::OtherTorrent)
        }
        Ok(info) => Verdict::Good(Arc::new(info)),
        Err(error) => Verdict::Unusable(error.into()),
    }
}

fn open(
    opening: &mut Opening,
    info: &Arc<Info>,
    pool: headwater_store::Pool,
) -> Result<(Opened, Beginning), TorrentError> {
    let mut opened = opening.open(info, pool)?;
    let beginning = opened.start.look(info, &*opened.storage)?;
    Ok((opened, beginning))
}

/// The info dictionary as it is, without a copy.
pub(super) fn raw_bytes(info: &Arc<Info>) -> Bytes {
    struct Raw(Arc<Info>);

    impl AsRef<[u8]> for Raw {
        fn as_ref(&self) -> &[u8] {
            self.0.raw()
        }
    }

    Bytes::from_owner(Raw(info.clone()))
}

/// What peers get: nothing of a private torrent, which has its own ways of giving it to whom it is meant for (BEP 27).
pub(super) fn offered(info: &Arc<Info>) -> Metadata {
    if info.is_private() {
        Metadata::Withheld
    } else {
        Metadata::Known(raw_bytes(info))
    }
}
