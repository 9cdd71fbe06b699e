//! Which transfers there are: who, how, of what.

use std::fmt;

use super::clients::{ClientKind, Installed, Program};
use super::content::Shape;
use super::tracker::{Scheme, TrackerKind};

/// How the two find each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Via {
    /// One is told the other's address. The leech dials if it can be told so, else the seed.
    Direct,
    /// Both are told of a third, which is a slow leech, and find each other through it.
    Exchange(ClientKind),
    /// The leech has only an info-hash, and both the address of a third, which is a node of the DHT.
    Dht(ClientKind),
    /// Nothing is transferred but an item that one puts and the other gets, through a third as with [`Self::Dht`].
    Item(ClientKind, Mutability),
    /// They find each other on the local network.
    Multicast,
    /// Both announce.
    Tracker(TrackerKind, Scheme),
    /// The same, but the leech has only a magnet link with the tracker in it.
    Magnet(TrackerKind, Scheme),
}

/// Whether an item of the DHT can be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutability {
    Immutable,
    Mutable,
}

impl Via {
    /// Who is between the two.
    fn hub(self) -> Option<ClientKind> {
        match self {
            Self::Exchange(hub) | Self::Dht(hub) | Self::Item(hub, _) => Some(hub),
            Self::Direct | Self::Multicast | Self::Tracker(..) | Self::Magnet(..) => None,
        }
    }

    /// The tracker that they meet at.
    pub(crate) fn tracker(self) -> Option<(TrackerKind, Scheme)> {
        match self {
            Self::Direct | Self::Exchange(_) | Self::Dht(_) | Self::Item(..) | Self::Multicast => {
                None
            }
            Self::Tracker(kind, scheme) | Self::Magnet(kind, scheme) => Some((kind, scheme)),
        }
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct => f.pad("directly"),
            Self::Exchange(hub) => f.pad(&format!("pex over {hub}")),
            Self::Dht(hub) => f.pad(&format!("dht over {hub}")),
            Self::Item(hub, Mutability::Immutable) => f.pad(&format!("item over {hub}")),
            Self::Item(hub, Mutability::Mutable) => f.pad(&format!("mutable item over {hub}")),
            Self::Multicast => f.pad("local discovery"),
            Self::Tracker(kind, Scheme::Http) => f.pad(&format!("{kind}, HTTP")),
            Self::Tracker(kind, Scheme::Udp) => f.pad(&format!("{kind}, UDP")),
            Self::Magnet(kind, Scheme::Http) => f.pad(&format!("magnet, {kind}, HTTP")),
            Self::Magnet(kind, Scheme::Udp) => f.pad(&format!("magnet, {kind}, UDP")),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) seed: ClientKind,
    pub(crate) leech: ClientKind,
    pub(crate) via: Via,
    pub(crate) shape: Shape,
}

impl Plan {
    pub(crate) fn has(self, client: ClientKind) -> bool {
        self.seed == client || self.leech == client || self.via.hub() == Some(client)
    }

    /// Whether an object of a report is about it.
    pub(crate) fn is_in(self, object: &serde_json::Value) -> bool {
        object["seed"] == self.seed.to_string()
            && object["leech"] == self.leech.to_string()
            && object["via"] == self.via.to_string()
    }

    /// The programs that it needs and that are not installed.
    pub(crate) fn missing(self, installed: &Installed) -> Option<String> {
        let tracker = match self.via.hub() {
            Some(hub) => Some(hub.program()),
            None => self.via.tracker().map(|(kind, _)| match kind {
                TrackerKind::Opentracker => Program::Opentracker,
                TrackerKind::Headwater => Program::Headwater,
            }),
        };
        let programs = [self.seed.program(), self.leech.program()]
            .into_iter()
            .chain(tracker);
        let missing: Vec<_> = programs
            .filter(|&program| installed.program(program).is_none())
            .map(Program::name)
            .collect();
        (!missing.is_empty()).then(|| missing.join(", "))
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seed,
            leech,
            via,
            shape,
        } = self;
        write!(f, "{seed:12} -> {leech:12}  {via:31}  {shape:18}")
    }
}

/// Every way and every shape for every pair of clients.
pub(crate) fn matrix(foreign: bool) -> Vec<Plan> {
    let pairs = if foreign {
        foreign_pairs()
    } else {
        headwater_pairs()
    };
    let cases = pairs.into_iter().flat_map(|(seed, leech)| {
        let ways = if foreign {
            &FOREIGN_WAYS[..]
        } else {
            &WAYS[..]
        };
        ways.iter().map(move |&(via, shape)| Plan {
            seed,
            leech,
            via,
            shape,
        })
    });
    let cases = cases
        .filter(|plan| plan.via != Via::Direct || plan.seed.can_dial() || plan.leech.can_dial());
    let own: &[Plan] = if foreign { &[] } else { &EXCHANGES };
    let cases = cases.chain(own.iter().copied());
    if foreign {
        cases.collect()
    } else {
        cases.chain(dht_matrix()).collect()
    }
}

const fn exchange(seed: ClientKind, hub: ClientKind, leech: ClientKind) -> Plan {
    Plan {
        seed,
        leech,
        via: Via::Exchange(hub),
        shape: Shape::Single,
    }
}

/// Pairs that meet in the DHT, and items that go from one to the other, over a node of either kind.
fn dht_matrix() -> impl Iterator<Item = Plan> {
    let (own, other) = (ClientKind::Headwater, ClientKind::Libtorrent);
    let pairs = [(own, other), (other, own)];
    let meetings = [own, other].map(Via::Dht);
    let items = [own, other].into_iter().flat_map(|hub| {
        let kinds = [Mutability::Immutable, Mutability::Mutable];
        kinds.map(|kind| Via::Item(hub, kind))
    });
    let ways: Vec<_> = meetings.into_iter().chain(items).collect();
    ways.into_iter().flat_map(move |via| {
        pairs.map(|(seed, leech)| Plan {
            seed,
            leech,
            via,
            shape: Shape::Single,
        })
    })
}

/// Every part of a peer exchange with somebody else in it.
const EXCHANGES: [Plan; 4] = [
    exchange(
        ClientKind::Headwater,
        ClientKind::Headwater,
        ClientKind::Headwater,
    ),
    exchange(
        ClientKind::Headwater,
        ClientKind::Libtorrent,
        ClientKind::Headwater,
    ),
    exchange(
        ClientKind::Libtorrent,
        ClientKind::Headwater,
        ClientKind::Libtorrent,
    ),
    exchange(
        ClientKind::Libtorrent,
        ClientKind::Headwater,
        ClientKind::Headwater,
    ),
];

/// Pairs on a network of their own.
pub(crate) fn local_matrix() -> Vec<Plan> {
    let own = ClientKind::Headwater;
    let others = [ClientKind::Libtorrent, ClientKind::Transmission];
    let pairs = others
        .into_iter()
        .flat_map(|other| [(own, other), (other, own)]);
    let pairs = pairs.chain([(own, own)]);
    let plan = |(seed, leech)| Plan {
        seed,
        leech,
        via: Via::Multicast,
        shape: Shape::Single,
    };
    pairs.map(plan).collect()
}

const WAYS: [(Via, Shape); 9] = [
    (Via::Direct, Shape::Single),
    (Via::Direct, Shape::MultiRagged),
    (Via::Direct, Shape::MultiSkip),
    (
        Via::Tracker(TrackerKind::Opentracker, Scheme::Http),
        Shape::SingleRagged,
    ),
    (
        Via::Tracker(TrackerKind::Opentracker, Scheme::Udp),
        Shape::Multi,
    ),
    (
        Via::Tracker(TrackerKind::Headwater, Scheme::Http),
        Shape::MultiSkip,
    ),
    (
        Via::Tracker(TrackerKind::Headwater, Scheme::Udp),
        Shape::MultiRagged,
    ),
    (
        Via::Magnet(TrackerKind::Headwater, Scheme::Http),
        Shape::MultiRagged,
    ),
    (
        Via::Magnet(TrackerKind::Opentracker, Scheme::Udp),
        Shape::SingleRagged,
    ),
];

const FOREIGN_WAYS: [(Via, Shape); 3] = [
    (Via::Direct, Shape::MultiSkip),
    (
        Via::Tracker(TrackerKind::Opentracker, Scheme::Http),
        Shape::SingleRagged,
    ),
    (
        Via::Tracker(TrackerKind::Opentracker, Scheme::Udp),
        Shape::MultiRagged,
    ),
];

fn headwater_pairs() -> Vec<(ClientKind, ClientKind)> {
    let own = ClientKind::Headwater;
    let others = ClientKind::FOREIGN.into_iter();
    let pairs = others.flat_map(|other| [(other, own), (own, other)]);
    pairs.chain([(own, own)]).collect()
}

fn foreign_pairs() -> Vec<(ClientKind, ClientKind)> {
    let seeds = ClientKind::FOREIGN.into_iter();
    let pairs = seeds.flat_map(|seed| ClientKind::FOREIGN.map(|leech| (seed, leech)));
    pairs.filter(|(seed, leech)| seed != leech).collect()
}
