//! The extension protocol's handshake and its message ids (BEP 10).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::Bytes;
use headwater_bencode::{DecodeError, DictEncoder, Encoder, Limits, Node, Options};

use crate::Message;

/// The extended message that is the handshake.
pub const HANDSHAKE_ID: u8 = 0;

/// What is no extended handshake. The peer is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExtendedHandshakeError {
    /// Longer than [`ExtendedHandshake::MAX_LENGTH`].
    #[error("extended handshake of {0} bytes is too long")]
    TooLong(usize),
    /// Not bencode.
    #[error("extended handshake: {0}")]
    Bencode(#[from] DecodeError),
    /// Bencode, but no dictionary.
    #[error("extended handshake is not a dictionary")]
    NotADictionary,
}

/// Extensions by name, with the message id under which their sender wants to receive them.
///
/// Ids are one side's own: what we send to a peer bears the ids that the peer has told.
///
/// ```
/// use headwater_wire::extension::ExtensionIds;
///
/// let mut theirs = ExtensionIds::from_iter([("ut_metadata", 3), ("ut_pex", 1)]);
/// theirs.update(&ExtensionIds::from_iter([("ut_pex", 0)])); // a later handshake turns it off
/// assert_eq!(theirs.get("ut_metadata"), Some(3));
/// assert_eq!(theirs.get("ut_pex"), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExtensionIds(BTreeMap<Box<str>, u8>);

impl ExtensionIds {
    /// Most names that are kept of one peer.
    pub const MAX_NAMES: usize = 64;
    /// Longest name that is kept, in bytes.
    pub const MAX_NAME_LENGTH: usize = 64;

    /// The message id of `name`, unless it is unknown or turned off.
    pub fn get(&self, name: &str) -> Option<u8> {
        self.0.get(name).copied().filter(|&id| id != 0)
    }

    /// The name whose message id is `id`.
    pub fn name(&self, id: u8) -> Option<&str> {
        let mut named = self.0.iter().filter(|&(_, &known)| known == id && id != 0);
        named.next().map(|(name, _)| &**name)
    }

    /// Sets the id of `name`; 0 turns it off. Names past the limits are ignored.
    pub fn set(&mut self, name: &str, id: u8) {
        let is_full = self.0.len() >= Self::MAX_NAMES;
        if name.len() > Self::MAX_NAME_LENGTH || (is_full && !self.0.contains_key(name)) {
            return;
        }
        self.0.insert(name.into(), id);
    }

    /// Takes in a later handshake's ids, which may be only the changes.
    pub fn update(&mut self, changes: &Self) {
        for (name, id) in changes.iter() {
            self.set(name, id);
        }
    }

    /// Names and ids in the order of the names, those that are turned off (0) among them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u8)> {
        self.0.iter().map(|(name, &id)| (&**name, id))
    }
}

impl<'a> FromIterator<(&'a str, u8)> for ExtensionIds {
    fn from_iter<I: IntoIterator<Item = (&'a str, u8)>>(names: I) -> Self {
        let mut ids = Self::default();
        for (name, id) in names {
            ids.set(name, id);
        }
        ids
    }
}

/// The extended handshake: everything in it is optional and only a claim.
///
/// ```
/// use headwater_wire::extension::{ExtendedHandshake, ExtensionIds};
///
/// let hello = ExtendedHandshake {
///     extensions: ExtensionIds::from_iter([("ut_metadata", 2)]),
///     client: Some("Headwater 0.1".to_owned()),
///     request_queue: Some(250),
///     ..ExtendedHandshake::default()
/// };
/// let payload = hello.encode();
/// assert_eq!(payload, b"d1:md11:ut_metadatai2ee4:reqqi250e1:v13:Headwater 0.1e");
/// assert_eq!(ExtendedHandshake::decode(&payload)?, hello);
/// # Ok::<(), headwater_wire::extension::ExtendedHandshakeError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExtendedHandshake {
    /// `m`: the extensions that the sender understands.
    pub extensions: ExtensionIds,
    /// `v`: name and version of the sender's program, without control characters.
    pub client: Option<String>,
    /// `p`: the TCP port on which the sender listens; never 0.
    pub port: Option<u16>,
    /// `reqq`: requests that the sender keeps waiting without dropping any.
    pub request_queue: Option<u32>,
    /// `e`: whether the sender prefers encrypted connections.
    pub prefers_encryption: Option<bool>,
    /// `yourip`: the address from which the sender sees the receiver come.
    pub your_ip: Option<IpAddr>,
    /// `ipv4`: an address of the sender's.
    pub ipv4: Option<Ipv4Addr>,
    /// `ipv6`: an address of the sender's.
    pub ipv6: Option<Ipv6Addr>,
    /// `metadata_size`: bytes of the info dictionary (BEP 9); never 0.
    pub metadata_size: Option<u32>,
    /// `upload_only`: whether the sender wants nothing more, though it need not have everything (BEP 21).
    pub upload_only: Option<bool>,
}

impl ExtendedHandshake {
    /// Longest payload that is read, in bytes.
    pub const MAX_LENGTH: usize = 64 * 1024;
    /// Longest client name that is kept, in characters.
    pub const MAX_CLIENT_LENGTH: usize = 100;

    /// Reads the payload of the extended message 0. Entries of the wrong kind or out of range count as absent; so do
    /// unknown ones, and keys may come in any order.
    pub fn decode(payload: &[u8]) -> Result<Self, ExtendedHandshakeError> {
        if payload.len() > Self::MAX_LENGTH {
            return Err(ExtendedHandshakeError::TooLong(payload.len()));
        }
        let limits = Limits {
            max_depth: 10,
            max_items: 4000,
            ..Limits::default()
        };
        let document = Options::lenient().limits(limits).decode(payload)?;
        let root = document.root();
        root.as_dict()
            .ok_or(ExtendedHandshakeError::NotADictionary)?;
        Ok(Self::from_dict(root))
    }

    fn from_dict(root: Node<'_, '_>) -> Self {
        let int = |key: &str| root.get(key)?.as_int();
        let ip = |key: &str| address(root.get(key)?.as_bytes()?);
        Self {
            extensions: root.get("m").map(extension_ids).unwrap_or_default(),
            client: root.get("v").and_then(|v| v.as_bytes()).map(client),
            port: int("p")
                .and_then(|port| port.try_into().ok())
                .filter(|&port| port != 0),
            request_queue: int("reqq").and_then(|count| count.try_into().ok()),
            prefers_encryption: int("e").map(|flag| flag != 0),
            your_ip: ip("yourip"),
            ipv4: ip("ipv4").and_then(|ip| match ip {
                IpAddr::V4(ip) => Some(ip),
                IpAddr::V6(_) => None,
            }),
            ipv6: ip("ipv6").and_then(|ip| match ip {
                IpAddr::V6(ip) => Some(ip),
                IpAddr::V4(_) => None,
            }),
            metadata_size: int("metadata_size")
                .and_then(|size| size.try_into().ok())
                .filter(|&size| size != 0),
            upload_only: int("upload_only").map(|flag| flag != 0),
        }
    }

    /// The payload.
    pub fn encode(&self) -> Vec<u8> {
        Encoder::dict_to_vec(|dict| {
            put_int(dict, "e", self.prefers_encryption.map(u8::from));
            put_bytes(dict, "ipv4", self.ipv4.map(|ip| ip.octets()));
            put_bytes(dict, "ipv6", self.ipv6.map(|ip| ip.octets()));
            dict.key("m").dict(|m| {
                for (name, id) in self.extensions.iter() {
                    m.key(name).int(id);
                }
            });
            put_int(dict, "metadata_size", self.metadata_size);
            put_int(dict, "p", self.port);
            put_int(dict, "reqq", self.request_queue);
            put_int(dict, "upload_only", self.upload_only.map(u8::from));
            put_bytes(dict, "v", self.client.as_deref());
            match self.your_ip {
                Some(IpAddr::V4(ip)) => dict.key("yourip").bytes(ip.octets()),
                Some(IpAddr::V6(ip)) => dict.key("yourip").bytes(ip.octets()),
                None => {}
            }
        })
    }

    /// The whole message.
    pub fn message(&self) -> Message {
        Message::Extended {
            id: HANDSHAKE_ID,
            payload: Bytes::from(self.encode()),
        }
    }
}

fn put_bytes(dict: &mut DictEncoder<'_>, key: &str, value: Option<impl AsRef<[u8]>>) {
    if let Some(value) = value {
        dict.key(key).bytes(value);
    }
}

fn put_int(dict: &mut DictEncoder<'_>, key: &str, value: Option<impl Into<i128>>) {
    if let Some(value) = value {
        dict.key(key).int(value);
    }
}

fn extension_ids(m: Node<'_, '_>) -> ExtensionIds {
    let entries = m.as_dict().into_iter().flatten();
    entries
        .filter_map(|(name, id)| {
            let name = std::str::from_utf8(name).ok()?;
            Some((name, u8::try_from(id.as_int()?).ok()?))
        })
        .collect()
}

/// Fit to be shown: what is no UTF-8 is replaced, control characters are left out, and it ends somewhere.
fn client(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .filter(|character| !character.is_control())
        .take(ExtendedHandshake::MAX_CLIENT_LENGTH)
        .collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::{btree_map, vec};
    use proptest::option;
    use proptest::prelude::*;

    fn handshake() -> impl Strategy<Value = ExtendedHandshake> {
        (
            btree_map("[a-z_]{1,12}", any::<u8>(), 0..8),
            option::of("[a-zA-Zµ0-9 .]{0,40}"),
            option::of(1u16..),
            option::of(any::<u32>()),
            option::of(any::<bool>()),
            option::of(any::<IpAddr>()),
            option::of(any::<Ipv4Addr>()),
            option::of(any::<Ipv6Addr>()),
            option::of(1u32..),
            option::of(any::<bool>()),
        )
            .prop_map(
                |(
                    m,
                    client,
                    port,
                    request_queue,
                    prefers_encryption,
                    your_ip,
                    ipv4,
                    ipv6,
                    metadata_size,
                    upload_only,
                )| {
                    ExtendedHandshake {
                        extensions: m.iter().map(|(name, &id)| (&**name, id)).collect(),
                        client,
                        port,
                        request_queue,
                        prefers_encryption,
                        your_ip,
                        ipv4,
                        ipv6,
                        metadata_size,
                        upload_only,
                    }
                },
            )
    }

    proptest! {
        #[test]
        fn handshakes_round_trip(handshake in handshake()) {
            prop_assert_eq!(ExtendedHandshake::decode(&handshake.encode()), Ok(handshake));
        }

        #[test]
        fn garbage_gives_an_answer(bytes in vec(any::<u8>(), 0..200)) {
            let _ = ExtendedHandshake::decode(&bytes);
        }
    }

    #[test]
    fn the_example_of_the_specification_is_read() {
        let example = "d1:md11:LT_metadatai1e7:µT_PEXi2ee1:pi6881e1:v13:µTorrent 1.2e";
        let read = ExtendedHandshake::decode(example.as_bytes()).unwrap();
        assert_eq!(read.port, Some(6881));
        assert_eq!(read.client.as_deref(), Some("µTorrent 1.2"));
        assert_eq!(read.extensions.get("µT_PEX"), Some(2));
        assert_eq!(read.extensions.name(1), Some("LT_metadata"));
        assert_eq!(read.extensions.name(0), None);
    }

    #[test]
    fn odd_entries_count_as_absent() {
        let odd = b"d1:v3:a\x1bb4:reqqi-1e1:pi70000e6:yourip3:abc4:ipv416:aaaabbbbccccdddd\
                    13:metadata_sizei0e1:md1:ai256e1:b1:x1:ci7eee";
        let read = ExtendedHandshake::decode(odd).unwrap();
        let expected = ExtendedHandshake {
            client: Some("ab".to_owned()),
            extensions: ExtensionIds::from_iter([("c", 7)]),
            ..ExtendedHandshake::default()
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn what_is_no_handshake_is_refused() {
        use ExtendedHandshakeError::{Bencode, NotADictionary, TooLong};
        assert_eq!(ExtendedHandshake::decode(b"le"), Err(NotADictionary));
        assert!(matches!(ExtendedHandshake::decode(b"d"), Err(Bencode(_))));
        let deep = ["d1:a", &"l".repeat(50), &"e".repeat(51)].concat();
        assert!(matches!(
            ExtendedHandshake::decode(deep.as_bytes()),
            Err(Bencode(_))
        ));
        let long = ExtendedHandshake::MAX_LENGTH + 1;
        assert_eq!(
            ExtendedHandshake::decode(&vec![b'd'; long]),
            Err(TooLong(long))
        );
    }

    #[test]
    fn names_are_bounded() {
        let mut ids = ExtensionIds::default();
        for number in 0..1000 {
            ids.set(&format!("x{number}"), 1);
        }
        ids.set(&"n".repeat(65), 1);
        assert_eq!(ids.iter().count(), ExtensionIds::MAX_NAMES);
        ids.set("x3", 9);
        assert_eq!(ids.get("x3"), Some(9), "a known one can still change");
    }
}
