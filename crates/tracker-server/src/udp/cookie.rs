//! Connection ids that need no memory: whoever can name one has received it at its address.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::Duration;

/// How long an id of one age is given out.
const AGE: Duration = Duration::from_mins(1);
/// An id is good for its own age and two more: at least the two minutes of BEP 15.
const GOOD_FOR: u64 = 2;

/// Makes and knows connection ids: a keyed hash of the address and the time. The hash is the standard library's, whose
/// key comes from the system's random source.
#[derive(Debug, Default)]
pub(super) struct Cookies {
    key: RandomState,
}

impl Cookies {
    /// The id for an address, `uptime` after the start.
    pub(super) fn make(&self, ip: IpAddr, uptime: Duration) -> u64 {
        self.of_age(ip, age(uptime))
    }

    /// Whether the id was made for this address at most two to three minutes ago.
    pub(super) fn is_good(&self, id: u64, ip: IpAddr, uptime: Duration) -> bool {
        let now = age(uptime);
        (now.saturating_sub(GOOD_FOR)..=now).any(|age| self.of_age(ip, age) == id)
    }

    fn of_age(&self, ip: IpAddr, age: u64) -> u64 {
        self.key.hash_one((ip, age))
    }
}

fn age(uptime: Duration) -> u64 {
    uptime.as_secs() / AGE.as_secs()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const THERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn an_id_is_good_for_two_minutes_and_not_for_four() {
        let cookies = Cookies::default();
        for start in [0, 1, 59, 60, 1000] {
            let at = |seconds: u64| Duration::from_secs(start + seconds);
            let id = cookies.make(HERE, at(0));
            assert!(cookies.is_good(id, HERE, at(0)));
            assert!(cookies.is_good(id, HERE, at(120)));
            assert!(!cookies.is_good(id, HERE, at(240)));
        }
    }

    #[test]
    fn an_id_is_bound_to_its_address_and_server() {
        let cookies = Cookies::default();
        let id = cookies.make(HERE, Duration::ZERO);
        assert!(!cookies.is_good(id, THERE, Duration::ZERO));
        assert!(!Cookies::default().is_good(id, HERE, Duration::ZERO));
        assert!(!cookies.is_good(0, HERE, Duration::ZERO));
    }
}
