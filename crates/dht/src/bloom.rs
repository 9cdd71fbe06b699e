//! The bloom filter with which swarms are counted (BEP 33).

use std::fmt;
use std::net::IpAddr;
use std::ops::BitOrAssign;

/// Bytes of a filter.
pub const FILTER_LEN: usize = 256;

/// Bits of a filter.
const BITS: usize = 8 * FILTER_LEN;

/// A set of addresses that can be counted and united, but not listed (BEP 33).
///
/// ```
/// use headwater_dht::bloom::Filter;
///
/// let mut seeds = Filter::default();
/// seeds.insert("192.0.2.1".parse()?);
/// let mut others = Filter::default();
/// others.insert("192.0.2.2".parse()?);
/// seeds |= &others;
/// assert_eq!(seeds.estimate().round(), 2.0);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Filter(pub [u8; FILTER_LEN]);

impl Filter {
    /// Takes in an address.
    pub fn insert(&mut self, ip: IpAddr) {
        for bit in bits(ip) {
            self.0[bit / 8] |= 1 << (bit % 8);
        }
    }

    /// Whether the address may be in it; if not, it certainly is not.
    pub fn contains(&self, ip: IpAddr) -> bool {
        bits(ip)
            .iter()
            .all(|bit| self.0[bit / 8] & (1 << (bit % 8)) != 0)
    }

    /// About how many addresses are in it. Beyond 6,000 the number says little; it is at most 7,805.
    pub fn estimate(&self) -> f64 {
        let ones: u32 = self.0.iter().map(|byte| byte.count_ones()).sum();
        let bits = BITS as f64;
        // A full filter counts as if one bit were free.
        let zeros = (bits - f64::from(ones)).max(1.0);
        let zeros = zeros.min(bits - 1.0);
        if ones == 0 {
            return 0.0;
        }
        (zeros / bits).ln() / (2.0 * (1.0 - 1.0 / bits).ln())
    }
}

/// The two bits that stand for an address; one that is mapped into IPv6 counts as the one that it is.
fn bits(ip: IpAddr) -> [usize; 2] {
    let hash = match ip.to_canonical() {
        IpAddr::V4(ip) => headwater_hash::sha1(&ip.octets()),
        IpAddr::V6(ip) => headwater_hash::sha1(&ip.octets()),
    };
    let bit = |low: u8, high: u8| usize::from(u16::from_le_bytes([low, high])) % BITS;
    [bit(hash[0], hash[1]), bit(hash[2], hash[3])]
}

/// The union.
impl BitOrAssign<&Filter> for Filter {
    fn bitor_assign(&mut self, other: &Filter) {
        for (byte, more) in self.0.iter_mut().zip(other.0) {
            *byte |= more;
        }
    }
}

impl Default for Filter {
    fn default() -> Self {
        Self([0; FILTER_LEN])
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Filter(of about {:.0})", self.estimate())
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    const VECTOR: &str = "\
        F6C3F5EAA07FFD91BDE89F777F26FB2BFF37BDB8FB2BBAA2FD3DDDE7BACFFF75EE7CCBAE\
        FE5EEDB1FBFAFF67F6ABFF5E43DDBCA3FD9B9FFDF4FFD3E9DFF12D1BDF59DB53DBE9FA5B\
        7FF3B8FDFCDE1AFB8BEDD7BE2F3EE71EBBBFE93BCDEEFE148246C2BC5DBFF7E7EFDCF24F\
        D8DC7ADFFD8FFFDFDDFFF7A4BBEEDF5CB95CE81FC7FCFF1FF4FFFFDFE5F7FDCBB7FD79B3\
        FA1FC77BFE07FFF905B7B7FFC7FEFEFFE0B8370BB0CD3F5B7F2BD93FEB4386CFDD6F7FD5\
        BFAF2E9EBFFFFEECD67ADBF7C67F17EFD5D75EBA6FFEBA7FFF47A91EB1BFBB53E8ABFB57\
        62ABE8FF237279BFEFBFEEF5FFC5FEBFDFE5ADFFADFEE1FB737FFFFBFD9F6AEFFEEE76B6\
        FD8F72EF";

    fn of_bep_33() -> impl Iterator<Item = IpAddr> {
        let v4 = (0..=255).map(|last| Ipv4Addr::new(192, 0, 2, last).into());
        let v6 = (0..0x3e8).map(|last| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last).into());
        v4.chain(v6)
    }

    #[test]
    fn vector_of_bep_33() {
        let mut filter = Filter::default();
        of_bep_33().for_each(|ip| filter.insert(ip));
        assert_eq!(data_encoding::HEXUPPER.encode(&filter.0), VECTOR);
        assert!((filter.estimate() - 1224.9308).abs() < 0.0001);
        assert!(of_bep_33().all(|ip| filter.contains(ip)));
    }

    #[test]
    fn an_empty_filter_has_nothing_and_a_full_one_is_counted_all_the_same() {
        assert!(Filter::default().estimate().abs() < f64::EPSILON);
        assert!(!Filter::default().contains(Ipv4Addr::LOCALHOST.into()));
        let full = Filter([0xff; FILTER_LEN]).estimate();
        assert!((7804.0..7806.0).contains(&full), "{full}");
    }

    #[test]
    fn a_mapped_address_counts_once() {
        let mut filter = Filter::default();
        filter.insert(Ipv4Addr::new(192, 0, 2, 7).to_ipv6_mapped().into());
        assert!(filter.contains(Ipv4Addr::new(192, 0, 2, 7).into()));
    }
}
