//! The peers of one torrent.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use headwater_metainfo::PeerId;
use rand::{Rng, RngExt};

use super::types::{Announce, Counts, Event, Families, ListedPeer, Refusal};

/// Seeds and leeches apart, so that counts are lengths and a seed is not given seeds.
#[derive(Debug, Default)]
pub(super) struct Swarm {
    leeches: Vec<Peer>,
    seeds: Vec<Peer>,
    places: HashMap<PeerId, Place>,
    downloaded: u32,
    /// Whether the registry has it in the queue of swarms without peers.
    pub(super) is_queued_as_empty: bool,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    is_seed: bool,
    index: usize,
}

/// A peer with an IPv4 and an IPv6 address is one peer.
#[derive(Debug, Clone, Copy)]
struct Peer {
    id: PeerId,
    key: Option<u32>,
    has_completed: bool,
    endpoints: [Option<Endpoint>; 2],
}

#[derive(Debug, Clone, Copy)]
struct Endpoint {
    address: SocketAddr,
    expires: Instant,
}

fn family(address: &SocketAddr) -> usize {
    usize::from(address.is_ipv6())
}

impl Swarm {
    pub(super) fn counts(&self) -> Counts {
        Counts {
            complete: self.seeds.len() as u32,
            incomplete: self.leeches.len() as u32,
            downloaded: self.downloaded,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub(super) fn contains(&self, id: &PeerId) -> bool {
        self.places.contains_key(id)
    }

    /// Whether the announce may speak for the peer whose id it bears.
    pub(super) fn check(&self, announce: &Announce) -> Result<(), Refusal> {
        match self.peer(&announce.peer_id) {
            Some(peer) if !peer.may_be(announce) => Err(Refusal::PeerIdInUse),
            _ => Ok(()),
        }
    }

    /// Takes a peer in, or renews it.
    pub(super) fn join(&mut self, announce: &Announce, expires: Instant) {
        let mut peer = self.take(&announce.peer_id).unwrap_or(Peer {
            id: announce.peer_id,
            key: None,
            has_completed: false,
            endpoints: [None; 2],
        });
        if announce.event == Event::Completed && !peer.has_completed {
            peer.has_completed = true;
            self.downloaded = self.downloaded.saturating_add(1);
        }
        // A seed that was one from its first announce on cannot complete any more.
        peer.has_completed |= announce.is_seed;
        peer.key = announce.key.or(peer.key);
        peer.endpoints[family(&announce.address)] = Some(Endpoint {
            address: announce.address,
            expires,
        });
        self.put(peer, announce.is_seed);
    }

    /// Takes a peer out; of a peer with two addresses only the one that says so.
    pub(super) fn leave(&mut self, announce: &Announce) {
        let Some(place) = self.places.get(&announce.peer_id).copied() else {
            return;
        };
        let Some(mut peer) = self.take(&announce.peer_id) else {
            return;
        };
        peer.endpoints[family(&announce.address)] = None;
        if peer.is_reachable() {
            self.put(peer, place.is_seed);
        }
    }

    /// Forgets the peers that were not heard of for too long.
    pub(super) fn expire(&mut self, now: Instant) {
        for peers in [&mut self.leeches, &mut self.seeds] {
            for peer in peers {
                for endpoint in &mut peer.endpoints {
                    endpoint.take_if(|it| it.expires <= now);
                }
            }
        }
        let gone: Vec<PeerId> = self
            .leeches
            .iter()
            .chain(&self.seeds)
            .filter(|peer| !peer.is_reachable())
            .map(|peer| peer.id)
            .collect();
        for id in gone {
            self.take(&id);
        }
    }

    /// A random choice of at most `count` addresses for the one who asks; for a seed, none of seeds. One that has just started may
    /// say that nothing is left because it has a magnet link and does not know what is: aria2 does.
    pub(super) fn choose(
        &self,
        now: Instant,
        asker: &Announce,
        count: usize,
        rng: &mut impl Rng,
    ) -> Vec<ListedPeer> {
        let candidates = if asker.is_seed && asker.event != Event::Started {
            self.leeches.len()
        } else {
            self.places.len()
        };
        let mut chosen = Vec::with_capacity(count.min(candidates));
        for index in random_order(candidates, rng) {
            if chosen.len() >= count {
                break;
            }
            let peer = self.nth(index);
            let fitting = peer.addresses_for(now, asker);
            chosen.extend(
                fitting
                    .take(count - chosen.len())
                    .map(|address| ListedPeer {
                        id: peer.id,
                        address,
                    }),
            );
        }
        chosen
    }

    fn nth(&self, index: usize) -> &Peer {
        match index.checked_sub(self.leeches.len()) {
            None => &self.leeches[index],
            Some(rest) => &self.seeds[rest],
        }
    }

    fn peer(&self, id: &PeerId) -> Option<&Peer> {
        let place = self.places.get(id)?;
        let side = if place.is_seed {
            &self.seeds
        } else {
            &self.leeches
        };
        side.get(place.index)
    }

    fn side(&mut self, is_seed: bool) -> &mut Vec<Peer> {
        if is_seed {
            &mut self.seeds
        } else {
            &mut self.leeches
        }
    }

    fn put(&mut self, peer: Peer, is_seed: bool) {
        let side = self.side(is_seed);
        let index = side.len();
        side.push(peer);
        self.places.insert(peer.id, Place { is_seed, index });
    }

    fn take(&mut self, id: &PeerId) -> Option<Peer> {
        let place = self.places.remove(id)?;
        let side = self.side(place.is_seed);
        let peer = side.swap_remove(place.index);
        let moved = side.get(place.index).map(|it| it.id);
        if let Some(moved) = moved {
            self.places.insert(moved, place);
        }
        Some(peer)
    }
}

impl Peer {
    fn is_reachable(&self) -> bool {
        self.endpoints.iter().any(Option::is_some)
    }

    /// The same IP address is proof enough; a new one needs the key. A second address family comes without
    /// proof when one side told no key, because many peers announce over both and tell none.
    fn may_be(&self, announce: &Announce) -> bool {
        let keys = self
            .key
            .zip(announce.key)
            .map(|(known, told)| known == told);
        match self.endpoints[family(&announce.address)] {
            Some(known) => known.address.ip() == announce.address.ip() || keys == Some(true),
            None => keys != Some(false),
        }
    }

    fn addresses_for(&self, now: Instant, asker: &Announce) -> impl Iterator<Item = SocketAddr> {
        let own = family(&asker.address);
        let is_self = self.id == asker.peer_id;
        let asker_address = asker.address;
        let families = asker.families;
        self.endpoints
            .into_iter()
            .flatten()
            .filter(move |it| !is_self && it.expires > now)
            .map(|it| it.address)
            .filter(move |it| families == Families::Both || family(it) == own)
            .filter(move |it| it.port() != 0 && *it != asker_address)
            .filter(move |it| can_reach(asker_address.ip(), it.ip()))
    }
}

/// A peer on the tracker's own machine is of no use to others.
fn can_reach(from: IpAddr, to: IpAddr) -> bool {
    from.is_loopback() || !to.is_loopback()
}

/// Every index below `len` once, from a random one on, in random strides.
fn random_order(len: usize, rng: &mut impl Rng) -> impl Iterator<Item = usize> {
    let (mut at, stride) = match len {
        0 => (0, 0),
        _ => (rng.random_range(0..len), coprime_stride(len, rng)),
    };
    (0..len).map(move |_| {
        let index = at;
        at = (at + stride) % len;
        index
    })
}

fn coprime_stride(len: usize, rng: &mut impl Rng) -> usize {
    loop {
        let stride = rng.random_range(1..=len);
        if greatest_common_divisor(stride, len) == 1 {
            return stride;
        }
    }
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    match b {
        0 => a,
        _ => greatest_common_divisor(b, a % b),
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;

    #[test]
    fn a_random_order_visits_every_index_once() {
        let mut rng = SmallRng::seed_from_u64(7);
        for len in 0..200 {
            let mut order: Vec<usize> = random_order(len, &mut rng).collect();
            order.sort_unstable();
            assert_eq!(order, (0..len).collect::<Vec<_>>());
        }
    }
}
