//! What other nodes say our address is (BEP 42).

use std::collections::VecDeque;
use std::net::IpAddr;

use crate::table::Range;

/// Votes that are kept: the latest.
const MAX_VOTES: usize = 32;

/// Votes that an address needs, and more than half of all that there are.
const QUORUM: usize = 8;

/// The latest votes. Each range of addresses has one, so that one owner of many nodes cannot decide.
#[derive(Debug, Default)]
pub(super) struct Votes {
    votes: VecDeque<(Range, IpAddr)>,
}

impl Votes {
    /// Adds what `voter`, which we had asked something, says. Gives the address that has won, if there is one.
    pub(super) fn add(&mut self, voter: IpAddr, says: IpAddr) -> Option<IpAddr> {
        let voter = Range::of(voter);
        self.votes.retain(|(other, _)| *other != voter);
        if self.votes.len() == MAX_VOTES {
            self.votes.pop_front();
        }
        self.votes.push_back((voter, says));
        let votes = self
            .votes
            .iter()
            .filter(|(_, other)| *other == says)
            .count();
        (votes >= QUORUM && 2 * votes > self.votes.len()).then_some(says)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voter(number: u8) -> IpAddr {
        [198, 51, number, 1].into()
    }

    #[test]
    fn a_majority_of_many_decides() {
        let (ours, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let mut votes = Votes::default();
        for number in 0..5 {
            assert_eq!(votes.add(voter(100 + number), other), None);
        }
        for number in 0..7 {
            assert_eq!(votes.add(voter(number), ours), None);
        }
        assert_eq!(votes.add(voter(7), ours), Some(ours));
    }

    #[test]
    fn each_range_has_one_vote_and_few_are_kept() {
        let says = IpAddr::from([192, 0, 2, 1]);
        let mut votes = Votes::default();
        for host in 0..=255 {
            assert_eq!(votes.add([198, 51, 100, host].into(), says), None);
        }
        for number in 0..=255 {
            votes.add(voter(number), says);
        }
        assert_eq!(votes.votes.len(), MAX_VOTES);
    }
}
