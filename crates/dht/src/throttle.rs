//! How much is answered: to one address, and in all.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use rand::Rng;

use crate::keyed::Keyed;

/// Addresses that are told apart at one place of the table.
const WAYS: usize = 4;

/// What a [`Throttle`] lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThrottleOptions {
    /// Queries a second from one address, or from one IPv6 network of 64 bits, that are answered. At least 1.
    pub per_address: u32,
    /// How many seconds' worth of queries an address may send at once.
    pub burst: u32,
    /// How long an address is ignored that sent more.
    pub ban: Duration,
    /// Queries a second that are answered in all. At least 1.
    pub total: u32,
    /// Addresses that are remembered, rounded up to a power of two; 16 bytes each.
    pub addresses: usize,
}

impl Default for ThrottleOptions {
    /// 5 queries a second, 50 at once, 5 minutes; 1,000 queries a second in all; 8,192 addresses (128 KiB).
    fn default() -> Self {
        Self {
            per_address: 5,
            burst: 10,
            ban: Duration::from_mins(5),
            total: 1000,
            addresses: 8192,
        }
    }
}

/// What is to become of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is to be answered.
    Answer,
    /// Its sender asks too often, and is ignored for a while.
    Banned,
    /// Too much is asked in all; its sender is not to blame.
    Busy,
}

/// Counts queries and says which are to be answered. Its memory is fixed: in a flood from more addresses than are
/// remembered, those are forgotten first that asked least.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use headwater_dht::throttle::{Throttle, ThrottleOptions, Verdict};
/// use rand::SeedableRng;
///
/// let start = Instant::now();
/// let mut rng = rand::rngs::Xoshiro256PlusPlus::seed_from_u64(1);
/// let mut throttle = Throttle::new(ThrottleOptions::default(), start, &mut rng);
/// let asker = "192.0.2.1".parse()?;
/// let answered = (0..60).filter(|_| throttle.query(start, asker) == Verdict::Answer).count();
/// assert_eq!(answered, 50);
/// assert_eq!(throttle.query(start + Duration::from_mins(5), asker), Verdict::Answer);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug)]
pub struct Throttle {
    options: ThrottleOptions,
    start: Instant,
    keyed: Keyed,
    places: Box<[[Seen; WAYS]]>,
    all: Meter,
}

/// An address that asked: the hash that stands for it, and its meter.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    address: u64,
    meter: Meter,
}

/// When what was let through would have been, had it come at the rate that is allowed; with [`BANNED`], until when
/// nothing is let through. In microseconds from the start.
#[derive(Debug, Clone, Copy, Default)]
struct Meter(u64);

const BANNED: u64 = 1 << 63;

impl Meter {
    /// Counts one more, unless that would be more than `burst` ahead.
    fn take(&mut self, now: u64, each: u64, burst: u64) -> bool {
        let next = self.0.max(now) + each;
        let taken = next <= now + burst;
        if taken {
            self.0 = next;
        }
        taken
    }

    fn is_banned(self, now: u64) -> bool {
        self.0 & BANNED != 0 && now < self.0 & !BANNED
    }

    /// How far ahead it is; what nobody is kept from any more counts for nothing.
    fn ahead(self, now: u64) -> u64 {
        if self.0 & BANNED != 0 && !self.is_banned(now) {
            return 0;
        }
        self.0.saturating_sub(now)
    }
}

impl Throttle {
    /// One that has seen nothing.
    pub fn new(options: ThrottleOptions, now: Instant, rng: &mut impl Rng) -> Self {
        let places = options.addresses.div_ceil(WAYS).next_power_of_two();
        Self {
            options,
            start: now,
            keyed: Keyed::new(rng),
            places: vec![[Seen::default(); WAYS]; places].into(),
            all: Meter::default(),
        }
    }

    /// Counts a query, and says what is to become of it.
    pub fn query(&mut self, now: Instant, from: IpAddr) -> Verdict {
        let now = now.saturating_duration_since(self.start).as_micros() as u64;
        if !self.admits(now, from) {
            Verdict::Banned
        } else if self.all.take(now, each(self.options.total), SECOND) {
            Verdict::Answer
        } else {
            Verdict::Busy
        }
    }

    fn admits(&mut self, now: u64, from: IpAddr) -> bool {
        let burst = u64::from(self.options.burst.max(1)) * SECOND;
        let each = each(self.options.per_address);
        let ban = self.options.ban.as_micros() as u64;
        let meter = self.meter(now, from);
        if meter.is_banned(now) {
            return false;
        }
        meter.0 &= !BANNED;
        let taken = meter.take(now, each, burst);
        if !taken {
            meter.0 = (now + ban) | BANNED;
        }
        taken
    }

    /// The meter of an address: its own, or that of the address that asked least of those at its place.
    fn meter(&mut self, now: u64, from: IpAddr) -> &mut Meter {
        let address = self.keyed.hash(network(from));
        let place = address as usize & (self.places.len() - 1);
        let seen = &mut self.places[place];
        let known = seen.iter().position(|seen| seen.address == address);
        let least = || {
            (0..WAYS)
                .min_by_key(|&way| seen[way].meter.ahead(now))
                .unwrap_or_default()
        };
        let way = known.unwrap_or_else(least);
        if known.is_none() {
            seen[way] = Seen {
                address,
                meter: Meter::default(),
            };
        }
        &mut seen[way].meter
    }
}

const SECOND: u64 = 1_000_000;

fn each(per_second: u32) -> u64 {
    SECOND / u64::from(per_second.max(1))
}

/// What belongs to one customer: an IPv4 address, or an IPv6 network.
fn network(ip: IpAddr) -> u64 {
    match ip.to_canonical() {
        IpAddr::V4(ip) => u64::from(ip.to_bits()),
        // Nobody lives in the networks whose numbers are as small as an IPv4 address.
        IpAddr::V6(ip) => (ip.to_bits() >> 64) as u64,
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::Xoshiro256PlusPlus;

    use super::*;

    fn throttle(start: Instant, options: ThrottleOptions) -> Throttle {
        Throttle::new(options, start, &mut Xoshiro256PlusPlus::seed_from_u64(1))
    }

    fn ip(number: u32) -> IpAddr {
        IpAddr::V4(number.into())
    }

    #[test]
    fn five_a_second_go_on_for_ever_and_six_do_not() {
        let start = Instant::now();
        for (per_second, most) in [(5, 6000), (6, 400)] {
            let mut throttle = throttle(start, ThrottleOptions::default());
            let times = (0..6000).map(|n| start + Duration::from_secs(1) * n / per_second);
            let answered = times.take_while(|now| throttle.query(*now, ip(7)) == Verdict::Answer);
            let answered = answered.count();
            assert!(
                answered <= most && answered > most / 2,
                "{per_second}: {answered}"
            );
        }
    }

    #[test]
    fn a_ban_ends_when_it_was_to_end_and_hits_nobody_else() {
        let start = Instant::now();
        let mut throttle = throttle(start, ThrottleOptions::default());
        while throttle.query(start, ip(7)) == Verdict::Answer {}
        let ban = Duration::from_mins(5);
        let last = start + Duration::from_millis(299_999);
        assert_eq!(throttle.query(last, ip(7)), Verdict::Banned);
        assert_eq!(throttle.query(last, ip(8)), Verdict::Answer);
        let after = (0..50).map(|_| throttle.query(start + ban, ip(7)));
        assert!(after.into_iter().all(|verdict| verdict == Verdict::Answer));
    }

    #[test]
    fn an_ipv6_network_is_one_and_a_mapped_address_is_what_it_is() {
        let start = Instant::now();
        let mut throttle = throttle(start, ThrottleOptions::default());
        while throttle.query(start, "2001:db8::1".parse().unwrap()) == Verdict::Answer {}
        let verdict = throttle.query(start, "2001:db8::2:3:4".parse().unwrap());
        assert_eq!(verdict, Verdict::Banned);
        let verdict = throttle.query(start, "2001:db8:0:1::1".parse().unwrap());
        assert_eq!(verdict, Verdict::Answer);
        while throttle.query(start, "192.0.2.1".parse().unwrap()) == Verdict::Answer {}
        let verdict = throttle.query(start, "::ffff:192.0.2.1".parse().unwrap());
        assert_eq!(verdict, Verdict::Banned);
    }

    #[test]
    fn too_much_in_all_bans_nobody() {
        let start = Instant::now();
        let mut throttle = throttle(start, ThrottleOptions::default());
        let verdicts: Vec<_> = (0..2000).map(|n| throttle.query(start, ip(n))).collect();
        let answered = verdicts
            .iter()
            .filter(|verdict| **verdict == Verdict::Answer);
        assert_eq!(answered.count(), 1000);
        assert!(!verdicts.contains(&Verdict::Banned));
        let later = start + Duration::from_millis(1);
        assert_eq!(throttle.query(later, ip(1)), Verdict::Answer);
        assert_eq!(throttle.query(later, ip(2)), Verdict::Busy);
    }

    #[test]
    fn a_flood_from_everywhere_lets_nobody_off() {
        let start = Instant::now();
        let options = ThrottleOptions {
            total: u32::MAX,
            ..ThrottleOptions::default()
        };
        let mut throttle = throttle(start, options);
        while throttle.query(start, ip(7)) == Verdict::Answer {}
        for n in 0..100_000 {
            throttle.query(start, ip(1000 + n));
        }
        assert_eq!(throttle.query(start, ip(7)), Verdict::Banned);
        assert_eq!(size_of_val(&*throttle.places), 8192 * 16);
    }
}
