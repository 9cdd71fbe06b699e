//! What a torrent's loop starts with.

use std::sync::Arc;

use headwater_metainfo::{Bitfield, Info, PieceIndex};
use headwater_store::{MemoryStorage, Options as StoreOptions, PieceStore, Storage};
use headwater_swarm::{Activity, Config};
use tokio::sync::mpsc;

use super::metadata::{Fetching, offered};
use super::{Driver, Input, Parts, Start, now};
use crate::disk::Lane;
use crate::peer_id::random_u64;
use crate::resume::Beginning;
use crate::session::Core;
use crate::torrent::{Content, Shared};
use crate::{Event, unknown};

/// Looks at what is there. Of a torrent without metadata, that is nothing.
pub(super) async fn begin(
    parts: Parts,
    start: Start,
    inputs: mpsc::UnboundedSender<Input>,
) -> Driver {
    match start {
        Start::Known {
            mut loaded,
            content,
        } => {
            let Content { info, storage } = content;
            let look = {
                let storage = storage.clone();
                parts.core.disk.run(move || loaded.look(&info, &*storage))
            };
            let beginning = look.await;
            Driver::new(parts, storage, beginning, None, inputs)
        }
        Start::Unknown(opening) => {
            let nothing = unknown::info();
            let storage = Arc::new(MemoryStorage::new(nothing.layout()));
            let beginning = Ok(Beginning::unknown(nothing));
            let fetching = Some(Fetching::new(opening));
            Driver::new(parts, storage, beginning, fetching, inputs)
        }
    }
}

/// Says what of the resume data could not be taken over.
pub(super) fn tell_beginning(shared: &Shared, beginning: &Beginning) {
    if let Some(error) = &beginning.refused {
        tracing::warn!(torrent = shared.name(), %error, "resume data is not used");
        shared.listeners.tell(&Event::ResumeRefused(error.clone()));
    }
    if !beginning.changed.is_empty() {
        shared.listeners.tell(&Event::FilesChanged {
            files: beginning.changed.as_slice().into(),
            pieces: beginning.to_check.len() as u32,
        });
    }
}

/// A store of what is there.
pub(super) fn new_store(
    core: &Core,
    info: &Arc<Info>,
    storage: Arc<dyn Storage>,
    beginning: &Beginning,
) -> Arc<PieceStore> {
    let options = StoreOptions {
        write_back_bytes: core.write_back_bytes,
    };
    let store = Arc::new(PieceStore::new(info.clone(), storage, options));
    store.trust(&beginning.have);
    for (piece, blocks) in &beginning.partial {
        store.restore_partial(*piece, blocks);
    }
    store
}

pub(super) fn disk_lane(
    core: &Core,
    store: &Arc<PieceStore>,
    inputs: &mpsc::UnboundedSender<Input>,
) -> Arc<Lane> {
    let inputs = inputs.clone();
    let report = move |event| drop(inputs.send(Input::Disk(event)));
    Lane::new(store.clone(), core.disk.clone(), Box::new(report))
}

pub(super) fn new_swarm(
    core: &Core,
    shared: &Shared,
    have: Bitfield,
    partial: Vec<(PieceIndex, Bitfield)>,
) -> headwater_swarm::Torrent {
    let known = shared.content().map(|content| Config {
        metadata: offered(&content.info),
        have,
        partial,
        ..Config::new(shared.info_hash, shared.peer_id, content.info.geometry())
    });
    let config = Config {
        // Until it is clear what is on disk.
        activity: Activity::Stopped,
        listen_port: Some(core.port).filter(|&port| port > 0),
        client: core.client.clone(),
        seed: random_u64(),
        ..known.unwrap_or_else(|| Config::without_metadata(shared.info_hash, shared.peer_id))
    };
    headwater_swarm::Torrent::new(now(), config)
}
