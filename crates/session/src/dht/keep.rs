//! What is kept of the DHT over restarts: a small file.

use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use headwater_bencode::Encoder;
use headwater_dht::{NodeId, PerFamily, State};
use headwater_store::replace_file;

/// Bytes at most that are read: more than twice of what is written.
const MAX_SIZE: u64 = 64 << 10;

/// Nodes that are enough to begin with; where fewer were met, older ones are kept as well.
const ENOUGH: usize = 50;

/// The port at which a session's node is reached.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) port: u16,
    /// By the user: the next session will have it again.
    pub(crate) is_chosen: bool,
}

/// Where it is kept, if at all.
#[derive(Debug)]
pub(crate) struct Keeper {
    path: Option<PathBuf>,
    place: Place,
    found: Found,
}

/// What was there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Found {
    port: u16,
    state: State,
}

impl Keeper {
    /// Reads what is there. Whatever is wrong with the file, it is as if there were none.
    ///
    /// Our ids are taken over if they were used at the same port: another session may be using them.
    pub(crate) async fn open(
        path: Option<PathBuf>,
        place: Place,
    ) -> (Self, PerFamily<Option<NodeId>>) {
        let mut found = Found::default();
        if let Some(path) = path.clone() {
            let reading = tokio::task::spawn_blocking(move || load(&path));
            found = reading.await.unwrap_or_default();
        }
        let ids = if found.port == place.port {
            found.state.ids
        } else {
            PerFamily::default()
        };
        (Self { path, place, found }, ids)
    }

    /// The nodes that were good when they were kept. They may be gone.
    pub(super) fn nodes(&self) -> impl Iterator<Item = SocketAddr> {
        self.found.state.nodes.iter().map(|node| node.address)
    }

    /// Keeps a state, in place of the one before. One without any node is worth less than that.
    pub(super) async fn save(&self, state: State) {
        let Some(path) = self.path.clone().filter(|_| !state.nodes.is_empty()) else {
            return;
        };
        let bytes = encode(&self.settle(state));
        let saving = tokio::task::spawn_blocking(move || save(&path, &bytes));
        if let Ok(Err(error)) = saving.await {
            tracing::warn!(%error, "cannot save the nodes of the DHT");
        }
    }

    /// A session that was short does not lose the nodes of a long one, nor one that has any port the ids of one that has its own.
    fn settle(&self, mut state: State) -> Found {
        if state.nodes.len() < ENOUGH {
            let older = self.found.state.nodes.iter();
            let older =
                older.filter(|old| state.nodes.iter().all(|new| new.address != old.address));
            let older: Vec<_> = older.copied().collect();
            state.nodes.extend(older);
        }
        let keeps_found = !self.place.is_chosen && self.found.port != 0;
        if keeps_found {
            state.ids = self.found.state.ids;
        }
        Found {
            port: if keeps_found {
                self.found.port
            } else {
                self.place.port
            },
            state,
        }
    }
}

fn load(path: &Path) -> Found {
    match read(path) {
        Ok(bytes) => decode(&bytes).unwrap_or_default(),
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!(path = %path.display(), %error, "cannot read the nodes of the DHT");
            }
            Found::default()
        }
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path)?;
    file.take(MAX_SIZE).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn save(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        // If that fails, saving does, and says why.
        let _ = std::fs::create_dir_all(folder);
    }
    replace_file(path, bytes)
}

fn encode(found: &Found) -> Vec<u8> {
    Encoder::dict_to_vec(|dict| {
        dict.key("port").int(found.port);
        dict.key("state").bytes(found.state.encode());
    })
}

fn decode(bytes: &[u8]) -> Option<Found> {
    let document = headwater_bencode::decode(bytes).ok()?;
    let root = document.root();
    Some(Found {
        port: root.get("port")?.as_int()?.try_into().ok()?,
        state: State::decode(root.get("state")?.as_bytes()?).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use headwater_dht::{Contact, NodeId};

    use super::*;

    fn state(id: u8) -> State {
        let mut state = State::default();
        state.ids.v4 = Some(NodeId([id; 20]));
        state.nodes.push(Contact {
            id: NodeId([1; 20]),
            address: address(7_000),
        });
        state
    }

    fn address(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    const fn at(port: u16, is_chosen: bool) -> Place {
        Place { port, is_chosen }
    }

    #[tokio::test]
    async fn what_is_saved_is_found_again_and_garbage_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new").join("dht.state");
        let open = || Keeper::open(Some(path.clone()), at(1, true));
        let (keeper, ids) = open().await;
        assert_eq!((keeper.nodes().count(), ids.v4), (0, None));
        keeper.save(state(7)).await;
        keeper.save(State::default()).await;
        let (keeper, ids) = open().await;
        assert_eq!(keeper.nodes().collect::<Vec<_>>(), [address(7_000)]);
        assert_eq!(ids, state(7).ids);
        std::fs::write(&path, b"d5:state3:abce").unwrap();
        assert_eq!(open().await.0.nodes().count(), 0);
    }

    #[tokio::test]
    async fn ids_belong_to_a_port() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dht.state");
        let open = |port, is_chosen| Keeper::open(Some(path.clone()), at(port, is_chosen));
        open(1, true).await.0.save(state(7)).await;
        // Any port: its nodes are kept, its ids are not.
        let (keeper, ids) = open(5, false).await;
        assert_eq!(ids.v4, None);
        keeper.save(state(8)).await;
        assert_eq!(open(1, true).await.1, state(7).ids);
        open(2, true).await.0.save(state(9)).await;
        assert_eq!(open(1, true).await.1.v4, None);
    }

    #[tokio::test]
    async fn few_nodes_do_not_displace_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dht.state");
        let open = || Keeper::open(Some(path.clone()), at(1, true));
        open().await.0.save(state(7)).await;
        let mut other = state(7);
        other.nodes[0].address = address(7_001);
        open().await.0.save(other).await;
        let kept: Vec<_> = open().await.0.nodes().collect();
        assert_eq!(kept, [7_001, 7_000].map(address));
    }
}
