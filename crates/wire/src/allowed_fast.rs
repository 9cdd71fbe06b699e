//! The pieces that a peer may ask for while choked (BEP 6).

use std::net::IpAddr;

use headwater_hash::sha1;
use headwater_metainfo::{InfoHash, PieceIndex};

/// The first `count` pieces of the allowed-fast set that BEP 6 lays down for the peer at `ip`; all pieces if there are no more.
///
/// Every peer that computes it for the same address gets the same pieces, so that asking many peers gains nothing. All
/// addresses of one network get the same: BEP 6 takes the first 24 bits of an IPv4 address. It says nothing of IPv6; here
/// the first 48 bits count, as one site is given, and the rest of the 16 bytes is zero. IPv4 mapped into IPv6 is IPv4.
///
/// ```
/// use headwater_metainfo::{InfoHash, PieceIndex};
/// use headwater_wire::allowed_fast_set;
///
/// let set = allowed_fast_set(&InfoHash([0xaa; 20]), "80.4.4.200".parse()?, 1313, 3);
/// assert_eq!(set, [1059, 431, 808].map(PieceIndex));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
pub fn allowed_fast_set(
    info_hash: &InfoHash,
    ip: IpAddr,
    piece_count: u32,
    count: usize,
) -> Vec<PieceIndex> {
    if count >= piece_count as usize {
        return (0..piece_count).map(PieceIndex).collect();
    }
    let mut set = Vec::with_capacity(count);
    let mut state = sha1(&[&network(ip)[..], info_hash.as_bytes()].concat());
    while set.len() < count {
        for piece in indices(&state, piece_count) {
            if set.len() < count && !set.contains(&piece) {
                set.push(piece);
            }
        }
        state = sha1(&state);
    }
    set
}

/// The part of an address that its network shares, the rest zero.
fn network(ip: IpAddr) -> Vec<u8> {
    match ip.to_canonical() {
        IpAddr::V4(ip) => (u32::from(ip) & 0xffff_ff00).to_be_bytes().into(),
        IpAddr::V6(ip) => (u128::from(ip) >> 80 << 80).to_be_bytes().into(),
    }
}

fn indices(state: &[u8; 20], piece_count: u32) -> impl Iterator<Item = PieceIndex> {
    let numbers = state.as_chunks().0.iter().copied().map(u32::from_be_bytes);
    numbers.map(move |number| PieceIndex(number % piece_count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ip: &str, piece_count: u32, count: usize) -> Vec<u32> {
        let set = allowed_fast_set(
            &InfoHash([0xaa; 20]),
            ip.parse().unwrap(),
            piece_count,
            count,
        );
        set.into_iter().map(|piece| piece.0).collect()
    }

    #[test]
    fn agrees_with_the_published_results() {
        let nine = [1059, 431, 808, 1217, 287, 376, 1188, 353, 508];
        assert_eq!(set("80.4.4.200", 1313, 7), nine[..7]);
        assert_eq!(set("80.4.4.200", 1313, 9), nine);
        assert_eq!(set("::ffff:80.4.4.1", 1313, 9), nine);
    }

    #[test]
    fn a_site_of_ipv6_has_one_set() {
        assert_eq!(
            set("2001:db8:7::1", 1313, 10),
            set("2001:db8:7:ffff::2", 1313, 10)
        );
        assert_ne!(
            set("2001:db8:7::1", 1313, 10),
            set("2001:db8:8::1", 1313, 10)
        );
    }

    #[test]
    fn small_torrents_are_allowed_whole() {
        assert_eq!(set("80.4.4.200", 3, 10), [0, 1, 2]);
        assert_eq!(set("80.4.4.200", 0, 10), [0; 0]);
        let mut most = set("80.4.4.200", 11, 10);
        most.sort_unstable();
        most.dedup();
        assert_eq!(most.len(), 10);
    }
}
