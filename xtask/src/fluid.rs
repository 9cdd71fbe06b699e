//! How fast a swarm can be at best: the fluid bound.

use crate::rate::Rate;

/// Bytes of a packet's IPv4 and TCP headers, and of what a full one of 1,500 bytes carries beside them.
const HEADERS: u64 = 40;
const SEGMENT: u64 = 1_460;

/// Peers that start with nothing, seeds that have everything, and what each of them can move.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Swarm {
    /// Bytes that everybody wants.
    pub(crate) size: u64,
    pub(crate) seeds: u64,
    pub(crate) leeches: u64,
    /// What each of them, seeds included, can send.
    pub(crate) up: Option<Rate>,
    /// What each of them can receive.
    pub(crate) down: Option<Rate>,
}

impl Swarm {
    /// Seconds after which the last leech can be done at the earliest, if the data flowed like water: every byte has to leave the
    /// seeds once, has to reach the slowest peer, and has to be sent once for every leech. None without any limit.
    pub(crate) fn bound(&self) -> Option<f64> {
        let size = self.size as f64;
        let up = self.up.map(|rate| rate.bytes_per_second() as f64);
        let once = up.map(|up| size / (up * self.seeds as f64));
        let everywhere =
            up.map(|up| size * self.leeches as f64 / (up * (self.seeds + self.leeches) as f64));
        let down = self.down.map(|rate| size / rate.bytes_per_second() as f64);
        [once, everywhere, down]
            .into_iter()
            .flatten()
            .reduce(f64::max)
    }
}

/// What is left of a rate for the stream of bytes, if the headers of full packets count in it.
pub(crate) fn without_headers(rate: Rate) -> Rate {
    Rate::new(rate.bytes_per_second() * SEGMENT / (SEGMENT + HEADERS))
}

/// How much longer a transfer takes if the headers of full packets count in the limit.
pub(crate) fn headers_factor() -> f64 {
    (SEGMENT + HEADERS) as f64 / SEGMENT as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate::new(2 << 20);

    const SWARM: Swarm = Swarm {
        size: 64 << 20,
        seeds: 1,
        leeches: 10,
        up: Some(RATE),
        down: None,
    };

    #[test]
    fn a_lone_seed_has_to_send_everything_once() {
        assert_eq!(SWARM.bound(), Some(32.0));
    }

    #[test]
    fn with_many_seeds_the_sum_of_all_decides() {
        let swarm = Swarm { seeds: 6, ..SWARM };
        assert_eq!(swarm.bound(), Some(20.0));
    }

    #[test]
    fn what_a_peer_can_receive_is_a_bound_too() {
        let slow = Some(Rate::new(1 << 20));
        let swarm = Swarm {
            down: slow,
            ..SWARM
        };
        assert_eq!(swarm.bound(), Some(64.0));
        let swarm = Swarm { up: None, ..swarm };
        assert_eq!(swarm.bound(), Some(64.0));
        let swarm = Swarm {
            down: None,
            ..swarm
        };
        assert_eq!(swarm.bound(), None);
    }

    #[test]
    fn headers_take_less_than_three_in_a_hundred() {
        assert_eq!(without_headers(Rate::new(1_500)), Rate::new(1_460));
        assert!((headers_factor() - 1.0274).abs() < 0.0001);
    }
}
