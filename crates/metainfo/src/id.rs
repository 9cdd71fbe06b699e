//! Identifiers: info-hashes and peer ids.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE32_NOPAD, HEXLOWER, HEXLOWER_PERMISSIVE};

/// A text that is not an info-hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an info-hash: expected 40 hexadecimal or 32 base32 characters")]
pub struct ParseInfoHashError;

/// The 20 bytes that name a torrent on the wire and at trackers.
///
/// The SHA-1 of the raw `info` dictionary (BEP 3), or the first 20 bytes of a [`InfoHashV2`] (BEP 52).
///
/// ```
/// use headwater_metainfo::InfoHash;
///
/// let hash: InfoHash = "0123456789abcdef0123456789abcdef01234567".parse()?;
/// assert_eq!(hash.to_string(), "0123456789abcdef0123456789abcdef01234567");
/// # Ok::<(), headwater_metainfo::ParseInfoHashError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InfoHash(pub [u8; 20]);

impl InfoHash {
    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

impl FromStr for InfoHash {
    type Err = ParseInfoHashError;

    /// Accepts 40 hexadecimal digits, or 32 base32 characters as old magnet links have them.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = match text.len() {
            40 => HEXLOWER_PERMISSIVE.decode(text.as_bytes()),
            32 => BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()),
            _ => return Err(ParseInfoHashError),
        };
        let bytes = bytes.map_err(|_| ParseInfoHashError)?;
        bytes
            .try_into()
            .map(Self)
            .map_err(|_: Vec<u8>| ParseInfoHashError)
    }
}

impl fmt::Display for InfoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for InfoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InfoHash({self})")
    }
}

/// The SHA-256 of the raw `info` dictionary of a v2 or hybrid torrent (BEP 52).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InfoHashV2(pub [u8; 32]);

impl InfoHashV2 {
    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first 20 bytes, which stand for this hash wherever only 20 fit.
    pub fn truncated(&self) -> InfoHash {
        let mut short = [0; 20];
        short.copy_from_slice(&self.0[..20]);
        InfoHash(short)
    }
}

impl fmt::Display for InfoHashV2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for InfoHashV2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InfoHashV2({self})")
    }
}

/// The info-hashes of one torrent: v1, v2, or both (hybrid). At least one is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InfoHashes {
    v1: Option<InfoHash>,
    v2: Option<InfoHashV2>,
}

impl InfoHashes {
    /// A v1 torrent's.
    pub const fn v1_only(v1: InfoHash) -> Self {
        Self {
            v1: Some(v1),
            v2: None,
        }
    }

    /// A v2 torrent's.
    pub const fn v2_only(v2: InfoHashV2) -> Self {
        Self {
            v1: None,
            v2: Some(v2),
        }
    }

    /// A hybrid torrent's.
    pub const fn hybrid(v1: InfoHash, v2: InfoHashV2) -> Self {
        Self {
            v1: Some(v1),
            v2: Some(v2),
        }
    }

    /// The v1 info-hash, if the torrent has one.
    pub const fn v1(&self) -> Option<InfoHash> {
        self.v1
    }

    /// The v2 info-hash, if the torrent has one.
    pub const fn v2(&self) -> Option<InfoHashV2> {
        self.v2
    }

    /// The one that names the torrent first: v1 where there is one, else the truncated v2.
    pub fn primary(&self) -> InfoHash {
        match (self.v1, self.v2) {
            (Some(v1), _) => v1,
            (None, Some(v2)) => v2.truncated(),
            (None, None) => unreachable!("every constructor sets one"),
        }
    }
}

/// The 20 bytes by which a peer names itself (BEP 3; conventions in BEP 20).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(pub [u8; 20]);

impl PeerId {
    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// An Azureus-style id (BEP 20): `prefix` such as `-HW0100-`, then `tail`.
    pub fn azureus(prefix: [u8; 8], tail: [u8; 12]) -> Self {
        let mut id = [0; 20];
        id[..8].copy_from_slice(&prefix);
        id[8..].copy_from_slice(&tail);
        Self(id)
    }
}

impl fmt::Display for PeerId {
    /// Printable ASCII as it is, other bytes as `\xNN`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base32_and_hex_name_the_same_hash() {
        let bytes = InfoHash([0xab; 20]);
        let base32 = BASE32_NOPAD.encode(&bytes.0);
        assert_eq!(base32.parse(), Ok(bytes));
        assert_eq!(bytes.to_string().to_uppercase().parse(), Ok(bytes));
    }

    #[test]
    fn other_lengths_and_alphabets_are_refused() {
        for text in ["", "zz", &"g".repeat(40), &"1".repeat(32), &"a".repeat(39)] {
            assert_eq!(text.parse::<InfoHash>(), Err(ParseInfoHashError), "{text}");
        }
    }

    #[test]
    fn primary_prefers_v1() {
        let (v1, v2) = (InfoHash([1; 20]), InfoHashV2([2; 32]));
        assert_eq!(InfoHashes::hybrid(v1, v2).primary(), v1);
        assert_eq!(InfoHashes::v2_only(v2).primary(), InfoHash([2; 20]));
    }
}
