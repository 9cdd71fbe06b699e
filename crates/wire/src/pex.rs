//! `ut_pex`: peers tell each other to whom they are connected (BEP 11).

use std::net::{IpAddr, SocketAddr};

use headwater_bencode::{DecodeError, DictEncoder, Encoder, Limits, Node, Options};
use headwater_metainfo::compact;

/// The extension's name in the extended handshake (BEP 10).
pub const NAME: &str = "ut_pex";

/// What is no peer exchange message. The peer is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PexError {
    /// Longer than [`PexMessage::MAX_LENGTH`].
    #[error("peer exchange message of {0} bytes is too long")]
    TooLong(usize),
    /// Not bencode.
    #[error("peer exchange message: {0}")]
    Bencode(#[from] DecodeError),
    /// Bencode, but no dictionary.
    #[error("peer exchange message is not a dictionary")]
    NotADictionary,
}

/// What is said of a peer beside its address. Bits that BEP 11 does not name are kept.
///
/// ```
/// use headwater_wire::pex::PexFlags;
///
/// let flags = PexFlags::SEED | PexFlags::REACHABLE;
/// assert!(flags.contains(PexFlags::SEED) && !flags.contains(PexFlags::UTP));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PexFlags(pub u8);

impl PexFlags {
    /// It prefers encrypted connections.
    pub const ENCRYPTION: Self = Self(0x01);
    /// It wants nothing more.
    pub const SEED: Self = Self(0x02);
    /// It speaks uTP (BEP 29).
    pub const UTP: Self = Self(0x04);
    /// It helps others through their NATs (BEP 55).
    pub const HOLEPUNCH: Self = Self(0x08);
    /// The teller connected to it, so that others can.
    pub const REACHABLE: Self = Self(0x10);

    /// Whether all bits of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// These flags if `condition` holds, else none.
    #[must_use]
    pub const fn when(self, condition: bool) -> Self {
        if condition { self } else { Self(0) }
    }
}

impl std::ops::BitOr for PexFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A peer that the teller is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PexPeer {
    /// Where it listens.
    pub address: SocketAddr,
    /// What is said of it.
    pub flags: PexFlags,
}

/// What changed since the message before.
///
/// ```
/// use headwater_wire::pex::{PexFlags, PexMessage, PexPeer};
///
/// let message = PexMessage {
///     added: vec![PexPeer { address: "192.0.2.1:6881".parse()?, flags: PexFlags::SEED }],
///     dropped: vec!["[2001:db8::1]:6881".parse()?],
/// };
/// assert_eq!(PexMessage::decode(&message.encode())?, message);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PexMessage {
    /// Peers that the teller has connected to.
    pub added: Vec<PexPeer>,
    /// Peers that it is no longer connected to.
    pub dropped: Vec<SocketAddr>,
}

impl PexMessage {
    /// Longest payload that is read, in bytes.
    pub const MAX_LENGTH: usize = 32 * 1024;
    /// Most peers that are read of each of the four lists; the rest is ignored.
    pub const MAX_READ: usize = 100;
    /// Most peers that a message should add, and most that it should drop.
    pub const MAX_SENT: usize = 50;

    /// Reads the payload of the extended message. Entries of the wrong kind count as absent, an incomplete address at the end of a
    /// list is ignored, and so are addresses where nobody can listen. What a message has of IPv6 follows what it has of IPv4.
    pub fn decode(payload: &[u8]) -> Result<Self, PexError> {
        if payload.len() > Self::MAX_LENGTH {
            return Err(PexError::TooLong(payload.len()));
        }
        let limits = Limits {
            max_depth: 10,
            max_items: 1000,
            ..Limits::default()
        };
        let document = Options::lenient().limits(limits).decode(payload)?;
        let root = document.root();
        root.as_dict().ok_or(PexError::NotADictionary)?;
        let mut message = Self::default();
        message.read_added(
            string(root, "added").map(compact::unpack_all_v4),
            string(root, "added.f"),
        );
        message.read_added(string(root, "added6").map(v6), string(root, "added6.f"));
        message.read_dropped(string(root, "dropped").map(compact::unpack_all_v4));
        message.read_dropped(string(root, "dropped6").map(v6));
        Ok(message)
    }

    fn read_added(
        &mut self,
        addresses: Option<impl Iterator<Item = SocketAddr>>,
        flags: Option<&[u8]>,
    ) {
        let flags = flags.unwrap_or_default().iter().copied();
        let flags = flags.chain(std::iter::repeat(0)).map(PexFlags);
        let addresses = addresses.into_iter().flatten().take(Self::MAX_READ);
        let peers = addresses.zip(flags);
        let peers = peers.map(|(address, flags)| PexPeer { address, flags });
        self.added
            .extend(peers.filter(|peer| is_host(peer.address)));
    }

    fn read_dropped(&mut self, addresses: Option<impl Iterator<Item = SocketAddr>>) {
        let addresses = addresses.into_iter().flatten().take(Self::MAX_READ);
        self.dropped.extend(addresses.filter(|&it| is_host(it)));
    }

    /// The payload.
    pub fn encode(&self) -> Vec<u8> {
        let added = |ipv4: bool| {
            let peers = self.added.iter();
            peers.filter(move |peer| peer.address.is_ipv4() == ipv4)
        };
        let addresses = |ipv4| added(ipv4).map(|peer| peer.address);
        let flags = |ipv4| added(ipv4).map(|peer| peer.flags.0).collect::<Vec<_>>();
        let dropped = |ipv4| {
            let addresses = self.dropped.iter().copied();
            addresses.filter(move |address| address.is_ipv4() == ipv4)
        };
        Encoder::dict_to_vec(|dict| {
            // Some programs take a message without `added` for none at all.
            dict.key("added").bytes(pack(addresses(true)));
            dict.key("added.f").bytes(flags(true));
            put(dict, "added6", pack(addresses(false)));
            put(dict, "added6.f", flags(false));
            put(dict, "dropped", pack(dropped(true)));
            put(dict, "dropped6", pack(dropped(false)));
        })
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.dropped.is_empty()
    }
}

fn string<'a>(root: Node<'_, 'a>, key: &str) -> Option<&'a [u8]> {
    root.get(key)?.as_bytes()
}

fn put(dict: &mut DictEncoder<'_>, key: &str, value: Vec<u8>) {
    if !value.is_empty() {
        dict.key(key).bytes(value);
    }
}

/// An IPv4 address in IPv6 clothes loses them.
fn v6(packed: &[u8]) -> impl Iterator<Item = SocketAddr> {
    compact::unpack_all_v6(packed)
        .map(|address| SocketAddr::new(address.ip().to_canonical(), address.port()))
}

fn pack(addresses: impl Iterator<Item = SocketAddr>) -> Vec<u8> {
    let mut packed = Vec::new();
    for address in addresses {
        compact::append(&mut packed, address);
    }
    packed
}

/// Whether a host can listen there.
fn is_host(address: SocketAddr) -> bool {
    let ip = address.ip();
    let is_broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    address.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !is_broadcast
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn address() -> impl Strategy<Value = SocketAddr> {
        let v4 = (any::<Ipv4Addr>(), 1u16..).prop_map(SocketAddr::from);
        let v6 = (any::<Ipv6Addr>(), 1u16..)
            .prop_map(|(ip, port)| SocketAddr::new(ip.to_canonical(), port));
        prop_oneof![v4, v6].prop_filter("nobody is there", |&address| is_host(address))
    }

    fn message() -> impl Strategy<Value = PexMessage> {
        let peer = (address(), any::<u8>()).prop_map(|(address, flags)| PexPeer {
            address,
            flags: PexFlags(flags),
        });
        (vec(peer, 0..80), vec(address(), 0..80)).prop_map(|(mut added, mut dropped)| {
            added.sort_by_key(|peer| peer.address.is_ipv6());
            dropped.sort_by_key(SocketAddr::is_ipv6);
            PexMessage { added, dropped }
        })
    }

    proptest! {
        #[test]
        fn messages_round_trip(message in message()) {
            prop_assert_eq!(PexMessage::decode(&message.encode()), Ok(message));
        }

        #[test]
        fn garbage_gives_an_answer(bytes in vec(any::<u8>(), 0..200)) {
            let _ = PexMessage::decode(&bytes);
        }
    }

    fn address_of(number: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, number], 6881))
    }

    #[test]
    fn flags_stay_with_their_addresses() {
        // The first two cannot be dialled; the last one has no flags.
        let odd = b"d5:added24:\x0a\0\0\x01\0\0\xe0\0\0\x01\x1a\xe1\x0a\0\0\x02\x1a\xe1\x0a\0\0\x03\x1a\xe1\
                    7:added.f3:\x01\x04\x12e";
        let read = PexMessage::decode(odd).unwrap();
        let peer = |number, flags| PexPeer {
            address: address_of(number),
            flags: PexFlags(flags),
        };
        assert_eq!(read.added, [peer(2, 0x12), peer(3, 0)]);
    }

    #[test]
    fn odd_entries_count_as_absent() {
        let odd = b"d5:addedi1e6:added6le7:dropped8:\x0a\0\0\x01\x1a\xe1xx8:dropped65:shorte";
        let read = PexMessage::decode(odd).unwrap();
        assert_eq!((read.added, read.dropped), (vec![], vec![address_of(1)]));
        let mapped = b"d8:dropped618:\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\x01\x1a\xe1e";
        let read = PexMessage::decode(mapped).unwrap();
        assert_eq!(read.dropped, [address_of(1)]);
    }

    #[test]
    fn no_more_than_a_hundred_of_each_list_are_read() {
        let peers = (0..=255).map(|number| PexPeer {
            address: address_of(number),
            flags: PexFlags::default(),
        });
        let message = PexMessage {
            added: peers.clone().collect(),
            dropped: peers.map(|peer| peer.address).collect(),
        };
        let read = PexMessage::decode(&message.encode()).unwrap();
        assert_eq!((read.added.len(), read.dropped.len()), (100, 100));
        assert_eq!(read.added[..], message.added[..100]);
    }

    #[test]
    fn what_is_no_message_is_refused() {
        assert_eq!(PexMessage::decode(b"le"), Err(PexError::NotADictionary));
        assert!(matches!(
            PexMessage::decode(b"d5:added"),
            Err(PexError::Bencode(_))
        ));
        let long = PexMessage::MAX_LENGTH + 1;
        assert_eq!(
            PexMessage::decode(&vec![b'd'; long]),
            Err(PexError::TooLong(long))
        );
    }
}
