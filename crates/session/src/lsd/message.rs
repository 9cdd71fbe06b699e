//! [`Announce`]: what one datagram of local service discovery says.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use headwater_metainfo::InfoHash;

/// Info-hashes at most that are read of a datagram: more than fit in one that is sent.
const MAX_READ: usize = 64;
/// Longest cookie that is read, in bytes.
const MAX_COOKIE: usize = 64;
const REQUEST_LINE: &str = "BT-SEARCH * HTTP/1.1";

/// The two multicast groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Group {
    /// `239.192.152.143`
    V4,
    /// `ff15::efc0:988f`
    V6,
}

impl Group {
    /// The port of both.
    pub const PORT: u16 = 6771;
    pub(super) const IPV4: Ipv4Addr = Ipv4Addr::new(239, 192, 152, 143);
    pub(super) const IPV6: Ipv6Addr = Ipv6Addr::new(0xff15, 0, 0, 0, 0, 0, 0xefc0, 0x988f);

    /// Where announces go.
    pub fn address(self) -> SocketAddr {
        let ip = match self {
            Self::V4 => IpAddr::V4(Self::IPV4),
            Self::V6 => IpAddr::V6(Self::IPV6),
        };
        SocketAddr::new(ip, Self::PORT)
    }
}

/// What is no announce.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnnounceError {
    /// Not `BT-SEARCH * HTTP/1.1`.
    #[error("it does not begin as an announce does")]
    NotAnAnnounce,
    /// No port, or none at which anybody can listen.
    #[error("it has no valid port")]
    Port,
    /// No info-hash of 40 hexadecimal digits.
    #[error("it has no valid info-hash")]
    InfoHash,
}

/// "I am in these swarms": a datagram to everybody on the local network (BEP 14).
///
/// ```
/// use headwater_session::lsd::{Announce, Group};
/// use headwater_session::InfoHash;
///
/// let announce = Announce {
///     port: 6881,
///     info_hashes: vec![InfoHash([0xab; 20])],
///     cookie: Some("me".to_owned()),
/// };
/// let datagram = announce.encode(Group::V4);
/// assert!(datagram.starts_with(b"BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\n"));
/// assert_eq!(Announce::decode(&datagram)?, announce);
/// # Ok::<(), headwater_session::lsd::AnnounceError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announce {
    /// The port at which the sender accepts peers; its address is that from which the datagram came.
    pub port: u16,
    /// The swarms.
    pub info_hashes: Vec<InfoHash>,
    /// By which the sender knows its own announces.
    pub cookie: Option<String>,
}

impl Announce {
    /// Info-hashes at most that fit into a datagram of 1,400 bytes.
    pub const MAX_INFO_HASHES: usize = 24;

    /// Reads a datagram. Headers may come in any order and case; unknown ones are skipped, and so is an info-hash that is none as
    /// long as there is another. No more than 64 info-hashes are read.
    pub fn decode(datagram: &[u8]) -> Result<Self, AnnounceError> {
        let mut lines = datagram
            .split(|&byte| byte == b'\n')
            .map(<[u8]>::trim_ascii);
        if lines.next() != Some(REQUEST_LINE.as_bytes()) {
            return Err(AnnounceError::NotAnAnnounce);
        }
        let (mut port, mut cookie, mut info_hashes) = (None, None, Vec::new());
        for (name, value) in lines.take_while(|line| !line.is_empty()).filter_map(header) {
            match name.to_ascii_lowercase().as_str() {
                "port" => port = value.parse().ok().filter(|&port| port != 0),
                "infohash" if info_hashes.len() < MAX_READ => info_hashes.extend(info_hash(value)),
                "cookie" if value.len() <= MAX_COOKIE => cookie = Some(value.to_owned()),
                _ => {}
            }
        }
        let port = port.ok_or(AnnounceError::Port)?;
        if info_hashes.is_empty() {
            return Err(AnnounceError::InfoHash);
        }
        Ok(Self {
            port,
            info_hashes,
            cookie,
        })
    }

    /// The datagram for a group.
    pub fn encode(&self, group: Group) -> Vec<u8> {
        let mut lines = vec![
            REQUEST_LINE.to_owned(),
            format!("Host: {}", group.address()),
            format!("Port: {}", self.port),
        ];
        let info_hashes = self.info_hashes.iter();
        lines.extend(info_hashes.map(|info_hash| format!("Infohash: {info_hash}")));
        let cookie = self.cookie.iter();
        lines.extend(cookie.map(|cookie| format!("cookie: {cookie}")));
        // Two empty lines and no body, as everybody sends it.
        lines.extend([const { String::new() }; 3]);
        lines.join("\r\n").into_bytes()
    }
}

/// Name and value of a header line.
fn header(line: &[u8]) -> Option<(&str, &str)> {
    let (name, value) = std::str::from_utf8(line).ok()?.split_once(':')?;
    Some((name.trim(), value.trim()))
}

/// Only hexadecimal ones are told here.
fn info_hash(text: &str) -> Option<InfoHash> {
    text.parse().ok().filter(|_| text.len() == 40)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn announce() -> impl Strategy<Value = Announce> {
        let hash = any::<[u8; 20]>().prop_map(InfoHash);
        let cookie = proptest::option::of("[a-zA-Z0-9-]{1,64}");
        (1u16.., vec(hash, 1..=MAX_READ), cookie).prop_map(|(port, info_hashes, cookie)| Announce {
            port,
            info_hashes,
            cookie,
        })
    }

    proptest! {
        #[test]
        fn announces_round_trip(announce in announce()) {
            for group in [Group::V4, Group::V6] {
                prop_assert_eq!(Announce::decode(&announce.encode(group)), Ok(announce.clone()));
            }
        }

        #[test]
        fn garbage_gives_an_answer(bytes in vec(any::<u8>(), 0..200)) {
            let _ = Announce::decode(&bytes);
            let _ = Announce::decode(&[b"BT-SEARCH * HTTP/1.1\r\n", &bytes[..]].concat());
        }
    }

    #[test]
    fn a_full_datagram_is_not_fragmented() {
        let full = Announce {
            port: u16::MAX,
            info_hashes: vec![InfoHash([1; 20]); Announce::MAX_INFO_HASHES],
            cookie: Some(format!("{:016x}", u64::MAX)),
        };
        for group in [Group::V4, Group::V6] {
            assert!(full.encode(group).len() <= 1_400);
        }
    }

    #[test]
    fn what_other_programs_send_is_read() {
        let hash = "0123456789ABCDEF0123456789abcdef01234567";
        let text = format!(
            "BT-SEARCH * HTTP/1.1\r\nHOST:239.192.152.143:6771\r\nX-Odd: \u{e9}\r\nno colon\r\ninfohash: short\r\n\
             INFOHASH: {hash}\r\nport:  51413 \r\n\r\n\r\nPort: 1\r\n"
        );
        let read = Announce::decode(text.as_bytes()).unwrap();
        assert_eq!((read.port, read.cookie), (51_413, None));
        assert_eq!(read.info_hashes, [hash.parse().unwrap()]);
    }

    #[test]
    fn what_is_no_announce_is_refused() {
        let hash = "0123456789abcdef0123456789abcdef01234567";
        let decode = |text: &str| Announce::decode(text.as_bytes()).unwrap_err();
        assert_eq!(
            decode("M-SEARCH * HTTP/1.1\r\n"),
            AnnounceError::NotAnAnnounce
        );
        let base32 = "AERUKZ4JVPG66AJDIVTYTK6N54ASGRLH";
        for (headers, error) in [
            (format!("Infohash: {hash}\r\n"), AnnounceError::Port),
            (
                format!("Infohash: {hash}\r\nPort: 0\r\n"),
                AnnounceError::Port,
            ),
            (
                format!("Infohash: {hash}\r\nPort: 65536\r\n"),
                AnnounceError::Port,
            ),
            ("Port: 1\r\n".to_owned(), AnnounceError::InfoHash),
            (
                format!("Port: 1\r\nInfohash: {base32}\r\n"),
                AnnounceError::InfoHash,
            ),
        ] {
            assert_eq!(decode(&format!("{REQUEST_LINE}\r\n{headers}\r\n")), error);
        }
    }

    #[test]
    fn no_more_is_read_than_is_bounded() {
        let many = Announce {
            port: 1,
            info_hashes: vec![InfoHash([7; 20]); 1_000],
            cookie: Some("c".repeat(MAX_COOKIE + 1)),
        };
        let read = Announce::decode(&many.encode(Group::V4)).unwrap();
        assert_eq!((read.info_hashes.len(), read.cookie), (MAX_READ, None));
    }
}
