//! Our names on the wire.

use headwater_metainfo::PeerId;

/// Azureus style (BEP 20): `HW` for Headwater, then the version.
const PREFIX: [u8; 8] = *b"-HW0100-";
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A fresh peer id: `-HW0100-` and twelve letters and digits from the system's random source.
///
/// ```
/// let id = headwater_session::generate_peer_id();
/// assert!(id.as_bytes().starts_with(b"-HW0100-"));
/// ```
///
/// # Panics
/// When the system has no random source.
pub fn generate_peer_id() -> PeerId {
    let mut tail = [0; 12];
    for byte in &mut tail {
        *byte = random_character();
    }
    PeerId::azureus(PREFIX, tail)
}

/// A random number from the system's source.
pub(crate) fn random_u64() -> u64 {
    getrandom::u64().expect("the system has a random source")
}

/// Random bytes from the system's source, from which others cannot be guessed.
pub(crate) fn random_seed() -> [u8; 32] {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).expect("the system has a random source");
    seed
}

/// Every character is as likely as the others: what does not divide evenly is thrown again.
fn random_character() -> u8 {
    loop {
        let value = getrandom::u32().expect("the system has a random source") % 64;
        if let Some(&character) = ALPHABET.get(value as usize) {
            return character;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_are_printable() {
        let ids: std::collections::HashSet<_> = (0..100).map(|_| generate_peer_id()).collect();
        assert_eq!(ids.len(), 100);
        assert!(
            ids.iter()
                .all(|id| id.0[8..].iter().all(u8::is_ascii_alphanumeric))
        );
    }
}
