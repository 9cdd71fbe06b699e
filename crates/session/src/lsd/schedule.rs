//! When which torrents are announced, sans-IO.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use headwater_metainfo::InfoHash;

use super::message::Announce;

/// Time between two announces of a torrent.
const INTERVAL: Duration = Duration::from_mins(5);
/// The least of it: a torrent that is stopped and started again waits so long.
const LEAST: Duration = Duration::from_mins(1);
/// Datagrams at most in one round, on each interface.
const ROUND: usize = 8;
/// Time between two rounds.
const PAUSE: Duration = Duration::from_secs(2);

/// The torrents that are announced, and when. A stopped one is remembered for as long as it must wait.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    torrents: HashMap<InfoHash, Entry>,
    due: BTreeSet<(Instant, InfoHash)>,
    /// No round comes before this.
    next_round: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    due: Instant,
    is_active: bool,
}

impl Schedule {
    /// A torrent is to be announced from now on.
    pub(super) fn join(&mut self, now: Instant, info_hash: InfoHash) {
        let entry = self.torrents.entry(info_hash).or_insert(Entry {
            due: now,
            is_active: true,
        });
        entry.is_active = true;
        self.due.insert((entry.due, info_hash));
    }

    /// A torrent is not to be announced any more.
    pub(super) fn leave(&mut self, info_hash: InfoHash) {
        let active = self.torrents.get_mut(&info_hash);
        let Some(entry) = active.filter(|entry| entry.is_active) else {
            return;
        };
        self.due.remove(&(entry.due, info_hash));
        let early = entry.due.checked_sub(INTERVAL.saturating_sub(LEAST));
        entry.due = early.unwrap_or(entry.due);
        entry.is_active = false;
        self.due.insert((entry.due, info_hash));
    }

    /// When there is something to do.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let &(due, _) = self.due.first()?;
        Some(self.next_round.map_or(due, |round| round.max(due)))
    }

    /// The torrents to announce now, a list for each datagram.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<Vec<InfoHash>> {
        let mut round = Vec::new();
        while let Some(&(due, info_hash)) = self.due.first()
            && self.next_due().is_some_and(|due| due <= now)
            && round.len() < ROUND * Announce::MAX_INFO_HASHES
        {
            self.due.remove(&(due, info_hash));
            if self.torrents[&info_hash].is_active {
                let due = now + INTERVAL;
                self.torrents.insert(
                    info_hash,
                    Entry {
                        due,
                        is_active: true,
                    },
                );
                self.due.insert((due, info_hash));
                round.push(info_hash);
            } else {
                self.torrents.remove(&info_hash);
            }
        }
        if !round.is_empty() {
            self.next_round = Some(now + PAUSE);
        }
        let datagrams = round.chunks(Announce::MAX_INFO_HASHES);
        datagrams.map(<[InfoHash]>::to_vec).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn hash(number: u16) -> InfoHash {
        let mut bytes = [0; 20];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        InfoHash(bytes)
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn at_once_and_then_every_five_minutes() {
        let (mut schedule, start) = (Schedule::default(), origin());
        schedule.join(start, hash(1));
        assert_eq!(schedule.next_due(), Some(start));
        assert_eq!(schedule.take_due(start), [[hash(1)]]);
        assert_eq!(schedule.next_due(), Some(start + INTERVAL));
        let due = start + INTERVAL;
        schedule
            .torrents
            .values()
            .for_each(|it| assert_eq!(it.due, due));
        assert!(schedule.take_due(start + 299 * SECOND).is_empty());
        assert_eq!(schedule.take_due(due), [[hash(1)]]);
    }

    #[test]
    fn stopped_is_not_announced_and_started_again_no_more_than_once_a_minute() {
        let (mut schedule, start) = (Schedule::default(), origin());
        schedule.join(start, hash(1));
        schedule.take_due(start);
        schedule.leave(hash(1));
        schedule.join(start + SECOND, hash(1));
        assert_eq!(schedule.next_due(), Some(start + LEAST));
        assert_eq!(schedule.take_due(start + LEAST).len(), 1);
        schedule.leave(hash(1));
        assert!(schedule.take_due(start + 2 * INTERVAL).is_empty());
        assert_eq!((schedule.next_due(), schedule.torrents.len()), (None, 0));
    }

    #[test]
    fn many_are_told_in_few_datagrams_and_several_rounds() {
        let (mut schedule, start) = (Schedule::default(), origin());
        (0..500).for_each(|number| schedule.join(start, hash(number)));
        let mut told = BTreeSet::new();
        let mut now = start;
        for _ in 0..3 {
            let datagrams = schedule.take_due(now);
            assert!(datagrams.len() <= ROUND);
            assert!(
                datagrams
                    .iter()
                    .all(|datagram| datagram.len() <= Announce::MAX_INFO_HASHES)
            );
            told.extend(datagrams.into_iter().flatten());
            assert!(schedule.take_due(now).is_empty(), "a round at a time");
            now += PAUSE;
        }
        assert_eq!(told.len(), 500);
    }
}
