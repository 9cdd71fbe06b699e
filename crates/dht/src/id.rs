//! Node ids, the distance between them, and where a node is reached.

use std::fmt;
use std::net::SocketAddr;

use headwater_metainfo::InfoHash;

/// A point in the table's space of 160 bits: the id of a node, or a key that is looked for (BEP 5).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub [u8; 20]);

/// How far apart two points are: their bits' exclusive or, read as a number. Smaller is closer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Distance(pub [u8; 20]);

/// A node and the address at which it is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Contact {
    /// Its id, as it says.
    pub id: NodeId,
    /// Where its datagrams come from.
    pub address: SocketAddr,
}

impl NodeId {
    /// How far it is from here to `other`.
    pub fn distance(&self, other: &Self) -> Distance {
        Distance(std::array::from_fn(|i| self.0[i] ^ other.0[i]))
    }

    /// Leading bits that both have in common: 0 to 160.
    pub fn common_prefix(&self, other: &Self) -> u32 {
        self.distance(other).leading_zeros()
    }
}

impl Distance {
    /// Leading bits that are zero: 0 to 160.
    pub fn leading_zeros(&self) -> u32 {
        let whole = self.0.iter().take_while(|&&byte| byte == 0).count();
        let rest = self.0.get(whole).map_or(0, |byte| byte.leading_zeros());
        8 * whole as u32 + rest
    }
}

impl From<InfoHash> for NodeId {
    fn from(hash: InfoHash) -> Self {
        Self(hash.0)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        InfoHash(self.0).fmt(f)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({self})")
    }
}
