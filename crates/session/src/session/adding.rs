//! How torrents come into a session: known or not, they are opened, get what they do not say from the session, and start.

use std::sync::Arc;

use headwater_metainfo::{HostPort, Info, InfoHash, Magnet, Metainfo, SafePath};

use super::{Defaults, Inner, Session};
use crate::add::Options;
use crate::event::Listeners;
use crate::open::Opening;
use crate::torrent::{Content, Control, Identity, Origin, Pieces, Shared, Whereabouts};
use crate::{AddError, Events, ResumePolicy, Torrent, driver, generate_peer_id, unknown};

impl Session {
    /// Adds a torrent that has been read.
    pub(crate) async fn add_loaded(
        &self,
        metainfo: &Metainfo,
        mut options: Options,
    ) -> Result<(Torrent, Events), AddError> {
        let info_hash = metainfo.info_hashes().primary();
        self.0.torrents.check_free(info_hash)?;
        let policy = self.settle_resume(&mut options, info_hash);
        self.0.core.learn_dht_nodes(metainfo, options.discovery);
        let link = Link {
            trackers: metainfo.trackers().to_vec(),
            peers: Vec::new(),
        };
        self.add_known(metainfo.info().clone(), link, policy, options)
            .await
    }

    /// Adds a torrent of which only a magnet link is known, unless an earlier run got to know more.
    pub(crate) async fn add_magnet(
        &self,
        magnet: Magnet,
        mut options: Options,
    ) -> Result<(Torrent, Events), AddError> {
        let hashes = magnet.info_hashes;
        let info_hash = hashes.v1().ok_or(AddError::V2Only)?;
        self.0.torrents.check_free(info_hash)?;
        let policy = self.settle_resume(&mut options, info_hash);
        options
            .opening
            .selection
            .linked
            .clone_from(&magnet.selected_files);
        let link = Link {
            trackers: magnet
                .trackers
                .iter()
                .map(|url| vec![url.clone()])
                .collect(),
            peers: magnet.peers.clone(),
        };
        let look = move || (options.opening.kept_metadata(hashes), options);
        let (kept, options) = self.0.core.disk.run(look).await;
        match kept {
            Some(info) => self.add_known(info, link, policy, options).await,
            None => self.add_unknown(&magnet, link, policy, options),
        }
    }

    fn settle_resume(&self, options: &mut Options, info_hash: InfoHash) -> ResumePolicy {
        let policy = options.take_resume_policy(&self.0.defaults.resume);
        options.opening.keep_resume(&policy, info_hash);
        policy
    }

    /// Adds a torrent of which it is known what it holds.
    async fn add_known(
        &self,
        info: Arc<Info>,
        link: Link,
        resume_policy: ResumePolicy,
        options: Options,
    ) -> Result<(Torrent, Events), AddError> {
        let pool = self.0.core.files.clone();
        let open = {
            let (info, mut options) = (info.clone(), options);
            move || (options.opening.open(&info, pool), options)
        };
        let (opened, options) = self.0.core.disk.run(open).await;
        let opened = opened?;
        let whereabouts = Whereabouts {
            dir: options.opening.dir.clone(),
            renamed: opened.start.renamed().into_iter().collect(),
            resume: opened.start.path.clone(),
        };
        let content = Content {
            info: info.clone(),
            storage: opened.storage,
        };
        let known = Known {
            identity: Identity {
                hashes: info.info_hashes(),
                name: info.name().to_owned(),
            },
            content: Some(content.clone()),
            pieces: opened.pieces,
            whereabouts,
        };
        let loaded = Box::new(opened.start);
        let start = driver::Start::Known { loaded, content };
        self.start(known, start, link, resume_policy, options)
    }

    /// Adds a torrent whose peers have to say what it holds.
    fn add_unknown(
        &self,
        magnet: &Magnet,
        link: Link,
        resume_policy: ResumePolicy,
        mut options: Options,
    ) -> Result<(Torrent, Events), AddError> {
        let hashes = magnet.info_hashes;
        let name = match &magnet.name {
            Some(name) => SafePath::new([name]).as_str().to_owned(),
            None => hashes.primary().to_string(),
        };
        let opening = std::mem::replace(&mut options.opening, Opening::new());
        let known = Known {
            identity: Identity { hashes, name },
            content: None,
            pieces: Pieces::new(unknown::info().clone(), [1].into()),
            whereabouts: Whereabouts {
                dir: opening.dir.clone(),
                ..Whereabouts::default()
            },
        };
        options.opening.read_only = opening.read_only;
        let start = driver::Start::Unknown(Box::new(opening));
        self.start(known, start, link, resume_policy, options)
    }

    /// Starts a torrent's loop.
    fn start(
        &self,
        known: Known,
        start: driver::Start,
        link: Link,
        resume_policy: ResumePolicy,
        options: Options,
    ) -> Result<(Torrent, Events), AddError> {
        let Inner {
            core,
            torrents,
            defaults,
            ..
        } = &*self.0;
        let info_hash = known.identity.hashes.primary();
        let parts = driver::Parts {
            core: core.clone(),
            resume_policy,
            trackers: if defaults.trackers && options.trackers {
                link.trackers
            } else {
                Vec::new()
            },
            trust_trackers: options.trust_trackers.unwrap_or_default(),
            read_only: options.opening.read_only,
            max_peers: defaults.max_peers,
            linked_peers: link.peers,
            shared: Arc::new(Shared::new(defaults.origin(options, known))),
        };
        let events = parts.shared.listeners.subscribe();
        let torrent = torrents.insert(info_hash, || driver::spawn(parts, start))?;
        Ok((torrent, events))
    }
}

/// Where others that have a torrent are to be found.
struct Link {
    trackers: Vec<Vec<String>>,
    peers: Vec<HostPort>,
}

/// What is known of a torrent that is added.
struct Known {
    identity: Identity,
    content: Option<Content>,
    pieces: Pieces,
    whereabouts: Whereabouts,
}

impl Defaults {
    fn origin(&self, options: Options, known: Known) -> Origin {
        Origin {
            identity: known.identity,
            content: known.content,
            peer_id: options
                .peer_id
                .or(self.peer_id)
                .unwrap_or_else(generate_peer_id),
            whereabouts: known.whereabouts,
            download_limit: options.download_limit,
            upload_limit: options.upload_limit,
            pieces: known.pieces,
            control: Control {
                state: options.state,
                sequential: options.sequential,
                super_seeding: options.super_seeding,
                discovery: options.discovery,
                max_peers: options.max_peers,
                peers: options.peers,
                revision: 1,
                ..Control::default()
            },
            listeners: Listeners::new(options.callbacks),
        }
    }
}
