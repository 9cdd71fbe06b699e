//! Peers whom others may be told of, and who was told of whom (BEP 11).

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use headwater_wire::pex::PexFlags;
use slab::Slab;
use smallvec::SmallVec;

use crate::PeerKey;

/// Connections of a family below which peers that we parted from are told of as well, and how many of these are kept.
const FEW: usize = 25;

/// Names a contact. It may stand for another one once nobody is told of the first any more.
pub(crate) type ContactId = usize;

/// An address where a peer listens.
#[derive(Debug)]
struct Contact {
    address: SocketAddr,
    presence: Presence,
    /// Peers that were told of it and not yet that it is gone.
    told: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    Connected(PeerKey),
    /// We parted from it for reasons that are not its fault.
    Recent {
        parting: u64,
        flags: PexFlags,
    },
    Gone,
}

/// What one peer is to be told.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) added: Vec<(ContactId, Told)>,
    pub(crate) dropped: Vec<ContactId>,
}

/// Somebody whom a peer can be told of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    pub(crate) address: SocketAddr,
    pub(crate) who: Who,
}

/// What is known of a contact.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Who {
    Connected(PeerKey),
    Recent(PexFlags),
}

/// What one peer has been told.
#[derive(Debug, Default)]
pub(crate) struct Listener {
    contacts: SmallVec<[u64; 4]>,
    /// Partings up to this one are no news.
    parting: u64,
}

/// All contacts of a torrent. Bounded by who is connected, and by who was told of those who are gone: a peer that is told of some
/// is told of as many partings at the same time.
#[derive(Debug, Default)]
pub(crate) struct Contacts {
    slab: Slab<Contact>,
    by_address: BTreeMap<SocketAddr, ContactId>,
    /// Those that we parted from, the latest last; no more than [`FEW`] of a family.
    recent: VecDeque<ContactId>,
    partings: u64,
}

impl Contacts {
    /// A peer is connected that listens at `address`; `None` if somebody else is known to.
    pub(crate) fn join(&mut self, address: SocketAddr, peer: PeerKey) -> Option<ContactId> {
        let Some(&id) = self.by_address.get(&address) else {
            let id = self.slab.insert(Contact {
                address,
                presence: Presence::Connected(peer),
                told: 0,
            });
            self.by_address.insert(address, id);
            return Some(id);
        };
        let contact = &mut self.slab[id];
        if matches!(contact.presence, Presence::Connected(_)) {
            return None;
        }
        contact.presence = Presence::Connected(peer);
        self.recent.retain(|&recent| recent != id);
        Some(id)
    }

    /// A contact is no longer connected. With `recent`, it may still be told of for a while.
    pub(crate) fn leave(&mut self, id: ContactId, recent: Option<PexFlags>) {
        self.slab[id].presence = Presence::Gone;
        if let Some(flags) = recent {
            self.partings += 1;
            self.slab[id].presence = Presence::Recent {
                parting: self.partings,
                flags,
            };
            self.recent.push_back(id);
            self.trim(self.slab[id].address.is_ipv4());
        }
        self.release(id);
    }

    /// Forgets the recent contact of a family that is the oldest, if there are too many.
    fn trim(&mut self, ipv4: bool) {
        let of_family = |id: &ContactId| self.slab[*id].address.is_ipv4() == ipv4;
        if self.recent.iter().filter(|id| of_family(id)).count() <= FEW {
            return;
        }
        let oldest = self.recent.iter().position(of_family);
        if let Some(id) = oldest.and_then(|at| self.recent.remove(at)) {
            self.slab[id].presence = Presence::Gone;
            self.release(id);
        }
    }

    fn release(&mut self, id: ContactId) {
        let contact = &self.slab[id];
        if contact.presence == Presence::Gone && contact.told == 0 {
            self.by_address.remove(&contact.address);
            self.slab.remove(id);
        }
    }

    /// What a peer has not been told: who came, as far as it `may_know` them, and who went.
    pub(crate) fn news(&self, listener: &Listener, may_know: impl Fn(&Told) -> bool) -> News {
        let few = [false, true].map(|ipv4| self.connected(ipv4) < FEW);
        let is_news = |contact: &Contact| match contact.presence {
            Presence::Connected(peer) => Some(Who::Connected(peer)),
            Presence::Recent { parting, flags } => {
                let is_wanted = few[usize::from(contact.address.is_ipv4())];
                (is_wanted && parting > listener.parting).then_some(Who::Recent(flags))
            }
            Presence::Gone => None,
        };
        let mut news = News::default();
        for (id, contact) in &self.slab {
            if listener.has(id) {
                if !matches!(contact.presence, Presence::Connected(_)) {
                    news.dropped.push(id);
                }
            } else if let Some(who) = is_news(contact) {
                let address = contact.address;
                let told = Told { address, who };
                news.added.extend(may_know(&told).then_some((id, told)));
            }
        }
        news
    }

    fn connected(&self, ipv4: bool) -> usize {
        let contacts = self.slab.iter().map(|(_, contact)| contact);
        let connected = contacts.filter(|contact| {
            contact.address.is_ipv4() == ipv4 && matches!(contact.presence, Presence::Connected(_))
        });
        connected.count()
    }

    /// Notes that a peer is told, and gives the addresses of those who went.
    pub(crate) fn tell(&mut self, listener: &mut Listener, news: &News) -> Vec<SocketAddr> {
        for &(id, _) in &news.added {
            listener.insert(id);
            self.slab[id].told += 1;
        }
        listener.parting = self.partings;
        let dropped = news.dropped.iter();
        dropped.map(|&id| self.untell(listener, id)).collect()
    }

    fn untell(&mut self, listener: &mut Listener, id: ContactId) -> SocketAddr {
        listener.remove(id);
        let contact = &mut self.slab[id];
        contact.told -= 1;
        let address = contact.address;
        self.release(id);
        address
    }

    /// A peer that was told is gone.
    pub(crate) fn forget(&mut self, listener: &mut Listener) {
        for id in listener.iter().collect::<Vec<_>>() {
            self.untell(listener, id);
        }
    }

    /// Panics when the books contradict themselves.
    pub(crate) fn check_invariants(
        &self,
        listeners: &[&Listener],
        contact_of: impl Fn(PeerKey) -> Option<ContactId>,
    ) {
        assert_eq!(self.slab.len(), self.by_address.len());
        for (id, contact) in &self.slab {
            assert_eq!(self.by_address.get(&contact.address), Some(&id));
            let told = listeners.iter().filter(|listener| listener.has(id));
            assert_eq!(contact.told as usize, told.count());
            let is_recent = matches!(contact.presence, Presence::Recent { .. });
            assert_eq!(is_recent, self.recent.contains(&id));
            match contact.presence {
                Presence::Connected(peer) => assert_eq!(contact_of(peer), Some(id)),
                Presence::Recent { .. } => {}
                Presence::Gone => assert!(contact.told > 0),
            }
        }
        assert!(self.recent.len() <= 2 * FEW);
    }
}

/// A set of contacts, a bit for each.
impl Listener {
    fn has(&self, id: ContactId) -> bool {
        let word = self.contacts.get(id / 64);
        word.is_some_and(|word| word >> (id % 64) & 1 == 1)
    }

    fn insert(&mut self, id: ContactId) {
        if self.contacts.len() <= id / 64 {
            self.contacts.resize(id / 64 + 1, 0);
        }
        self.contacts[id / 64] |= 1 << (id % 64);
    }

    fn remove(&mut self, id: ContactId) {
        if let Some(word) = self.contacts.get_mut(id / 64) {
            *word &= !(1 << (id % 64));
        }
    }

    fn iter(&self) -> impl Iterator<Item = ContactId> + '_ {
        (0..self.contacts.len() * 64).filter(|&id| self.has(id))
    }
}
