//! Tokens: who asked from an address may store from there, for a while (BEP 5).

use std::hash::Hasher;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use rand::{Rng, RngExt};
use siphasher::sip::SipHasher24;

use crate::krpc::Token;

/// How long the same token is given out. One is accepted for this long at least, and for twice as long at most.
pub const TOKEN_TIME: Duration = Duration::from_mins(5);

/// Gives out tokens and knows them again, without keeping any.
///
/// A token is a keyed hash of the address and of the number of five-minute periods that have gone by. Nobody without
/// the secret can make one, nor use one at another address.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use headwater_dht::token::Tokens;
/// use rand::SeedableRng;
///
/// let start = Instant::now();
/// let tokens = Tokens::new(start, &mut rand::rngs::Xoshiro256PlusPlus::seed_from_u64(1));
/// let asker = "192.0.2.1".parse()?;
/// let token = tokens.issue(start, asker);
/// assert!(tokens.accepts(start + Duration::from_mins(5), asker, &token));
/// assert!(!tokens.accepts(start + Duration::from_mins(10), asker, &token));
/// assert!(!tokens.accepts(start, "192.0.2.2".parse()?, &token));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug)]
pub struct Tokens {
    start: Instant,
    secret: (u64, u64),
}

impl Tokens {
    /// With a secret of its own.
    pub fn new(now: Instant, rng: &mut impl Rng) -> Self {
        Self {
            start: now,
            secret: (rng.random(), rng.random()),
        }
    }

    /// The token for whoever asks from that address: eight bytes.
    pub fn issue(&self, now: Instant, ip: IpAddr) -> Token {
        Token::from(self.mac(self.period(now), ip))
    }

    /// Whether it is one that was given out there in this period or the last.
    pub fn accepts(&self, now: Instant, ip: IpAddr, token: &Token) -> bool {
        let Ok(token) = token.as_bytes().try_into().map(u64::from_be_bytes) else {
            return false;
        };
        let period = self.period(now);
        token == self.mac(period, ip) || token == self.mac(period.wrapping_sub(1), ip)
    }

    fn period(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.start).as_secs() / TOKEN_TIME.as_secs()
    }

    fn mac(&self, period: u64, ip: IpAddr) -> u64 {
        let mut hasher = SipHasher24::new_with_keys(self.secret.0, self.secret.1);
        hasher.write_u64(period);
        match ip.to_canonical() {
            IpAddr::V4(ip) => hasher.write(&ip.octets()),
            IpAddr::V6(ip) => hasher.write(&ip.octets()),
        }
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::Xoshiro256PlusPlus;

    use super::*;

    fn tokens(start: Instant, seed: u64) -> Tokens {
        Tokens::new(start, &mut Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    #[test]
    fn tokens_of_another_node_or_length_are_refused() {
        let now = Instant::now();
        let ip = IpAddr::from([192, 0, 2, 1]);
        let ours = tokens(now, 1);
        assert!(!ours.accepts(now, ip, &tokens(now, 2).issue(now, ip)));
        let token = ours.issue(now, ip);
        let longer = [token.as_bytes(), &[0]].concat();
        assert!(!ours.accepts(now, ip, &Token::new(&longer).unwrap()));
        assert!(!ours.accepts(now, ip, &Token::new(&token.as_bytes()[..7]).unwrap()));
        assert!(!ours.accepts(now, ip, &Token::default()));
    }

    #[test]
    fn a_mapped_address_is_the_same() {
        let now = Instant::now();
        let ours = tokens(now, 1);
        let token = ours.issue(now, IpAddr::from([192, 0, 2, 1]));
        assert!(ours.accepts(now, "::ffff:192.0.2.1".parse().unwrap(), &token));
    }

    proptest! {
        #[test]
        fn accepted_for_five_minutes_and_for_less_than_ten(ip in any::<IpAddr>(), issued in 0_u64..100_000, age in 0_u64..1200) {
            let start = Instant::now();
            let ours = tokens(start, 1);
            let issued = start + Duration::from_secs(issued);
            let token = ours.issue(issued, ip);
            let accepted = ours.accepts(issued + Duration::from_secs(age), ip, &token);
            if age <= 300 {
                prop_assert!(accepted);
            }
            if age >= 600 {
                prop_assert!(!accepted);
            }
        }
    }
}
