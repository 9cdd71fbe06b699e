//! Rate limits: buckets for the session and for each torrent, asked together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

/// What may go out at once after a pause, as a time at the full rate.
const BURST: Duration = Duration::from_millis(100);
/// The part of a rate that may pass without being asked for, as one in so many.
const UNASKED: u64 = 4;
/// The least and the most that one grant gives.
const GRANT: std::ops::RangeInclusive<u64> = 16..=256 * 1024;

/// Bytes a second that may pass; 0 means no limit.
///
/// Whoever wants to move bytes asks for some, waits until they are due, and gives back what it did not need. Grants are
/// due in the order in which they were asked for, so that many connections share a small rate fairly, and a rate far below
/// the size of a block is kept as exactly as a large one.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    /// Bytes a second; 0 for no limit. Read without the lock, so that no limit costs nothing.
    rate: AtomicU64,
    /// When everything granted so far will have passed.
    booked_until: Mutex<Option<Instant>>,
    /// When everything that passed unasked would have, at its part of the rate.
    unasked_until: Mutex<Option<Instant>>,
    /// The rate has changed.
    changed: Notify,
}

impl Bucket {
    pub(crate) fn new(rate: u64) -> Self {
        let bucket = Self::default();
        bucket.rate.store(rate, Ordering::Relaxed);
        bucket
    }

    pub(crate) fn rate(&self) -> u64 {
        self.rate.load(Ordering::Relaxed)
    }

    /// Changes the rate; whoever waits goes on at once.
    pub(crate) fn set_rate(&self, rate: u64) {
        let mut booked = self.booked_until.lock();
        self.rate.store(rate, Ordering::Relaxed);
        *booked = None;
        *self.unasked_until.lock() = None;
        drop(booked);
        self.changed.notify_waiters();
    }

    /// The most that should be asked for at once, so that others get their turn.
    fn quantum(&self) -> u64 {
        match self.rate() {
            0 => u64::MAX,
            rate => (rate / 16).clamp(*GRANT.start(), *GRANT.end()),
        }
    }

    /// Books `bytes`; gives the time at which they may pass.
    fn book(&self, now: Instant, bytes: u64) -> Option<Instant> {
        book(&self.booked_until, now, bytes, self.rate())
    }

    /// Whether something may pass unasked.
    fn has_room_unasked(&self, now: Instant) -> bool {
        self.rate() == 0 || self.unasked_until.lock().is_none_or(|until| until <= now)
    }

    /// Books `bytes` that pass unasked.
    fn book_unasked(&self, now: Instant, bytes: u64) {
        let part = self.rate().div_ceil(UNASKED);
        book(&self.unasked_until, now, bytes, part);
        self.book(now, bytes);
    }

    /// Gives back what was booked and did not pass.
    fn refund(&self, bytes: u64) {
        let rate = self.rate();
        if rate == 0 || bytes == 0 {
            return;
        }
        let mut booked = self.booked_until.lock();
        *booked = booked.and_then(|until| until.checked_sub(duration_of(bytes, rate)));
    }
}

/// Books `bytes` behind what was booked before; gives the time at which they may pass.
fn book(
    booked_until: &Mutex<Option<Instant>>,
    now: Instant,
    bytes: u64,
    rate: u64,
) -> Option<Instant> {
    if rate == 0 {
        return None;
    }
    let mut booked = booked_until.lock();
    let earliest = now.checked_sub(BURST).unwrap_or(now);
    let start = booked.map_or(earliest, |until| until.max(earliest));
    *booked = Some(start + duration_of(bytes, rate));
    (start > now).then_some(start)
}

fn duration_of(bytes: u64, rate: u64) -> Duration {
    Duration::from_nanos((u128::from(bytes) * 1_000_000_000 / u128::from(rate)) as u64)
}

/// The buckets that one connection's bytes of one direction have to pass: its torrent's and its session's.
#[derive(Debug, Clone)]
pub(crate) struct Limiter {
    torrent: Arc<Bucket>,
    session: Arc<Bucket>,
}

impl Limiter {
    pub(crate) fn new(torrent: Arc<Bucket>, session: Arc<Bucket>) -> Self {
        Self { torrent, session }
    }

    /// Whether nothing is limited.
    pub(crate) fn is_unlimited(&self) -> bool {
        self.torrent.rate() == 0 && self.session.rate() == 0
    }

    /// Waits until some of `wanted` bytes may pass, and says how many: at least 1 unless `wanted` is 0.
    ///
    /// With no limit it does not wait. Dropped while it waits, it has used up what it asked for.
    pub(crate) async fn acquire(&self, wanted: usize) -> usize {
        if self.is_unlimited() || wanted == 0 {
            return wanted;
        }
        let bytes = (wanted as u64)
            .min(self.torrent.quantum())
            .min(self.session.quantum());
        let now = Instant::now();
        for bucket in [&self.torrent, &self.session] {
            let changed = bucket.changed.notified();
            if let Some(due) = bucket.book(now, bytes) {
                tokio::select! {
                    () = tokio::time::sleep_until(due) => {}
                    () = changed => {}
                }
            }
        }
        bytes as usize
    }

    /// Lets `bytes` pass without waiting for a turn, if what passes so takes no more than its part of the rates. They
    /// count all the same: others wait the longer.
    pub(crate) fn pass_unasked(&self, bytes: usize) -> bool {
        let now = Instant::now();
        let buckets = [&self.torrent, &self.session];
        let may_pass = buckets.iter().all(|bucket| bucket.has_room_unasked(now));
        if may_pass {
            for bucket in buckets {
                bucket.book_unasked(now, bytes as u64);
            }
        }
        may_pass
    }

    /// Acquires `bytes` more without a wait, right after a grant: whoever comes next waits for them too.
    pub(crate) fn extend(&self, bytes: usize) {
        let now = Instant::now();
        for bucket in [&self.torrent, &self.session] {
            bucket.book(now, bytes as u64);
        }
    }

    /// Gives back what was acquired and did not pass.
    pub(crate) fn refund(&self, bytes: usize) {
        self.torrent.refund(bytes as u64);
        self.session.refund(bytes as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(torrent: u64, session: u64) -> Limiter {
        Limiter::new(
            Arc::new(Bucket::new(torrent)),
            Arc::new(Bucket::new(session)),
        )
    }

    async fn time_for(limiter: &Limiter, bytes: usize, chunk: usize) -> Duration {
        let start = Instant::now();
        let mut left = bytes;
        while left > 0 {
            left -= limiter.acquire(left.min(chunk)).await;
        }
        start.elapsed()
    }

    fn assert_near(got: Duration, want: f64) {
        let got = got.as_secs_f64();
        assert!(
            (got - want).abs() < 0.03 * want + 0.12,
            "{got} s instead of {want} s"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn no_limit_takes_no_time() {
        assert_eq!(
            time_for(&limiter(0, 0), 1 << 30, 1 << 20).await,
            Duration::ZERO
        );
        assert_eq!(limiter(0, 0).acquire(1 << 20).await, 1 << 20);
    }

    #[tokio::test(start_paused = true)]
    async fn rates_below_a_block_are_kept() {
        assert_near(time_for(&limiter(1_000, 0), 16_384, 16_384).await, 16.4);
        assert_near(time_for(&limiter(100, 0), 2_000, 16_384).await, 20.0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_tighter_bucket_decides() {
        assert_near(
            time_for(&limiter(10_000, 1_000_000), 100_000, 16_384).await,
            10.0,
        );
        assert_near(
            time_for(&limiter(1_000_000, 10_000), 100_000, 16_384).await,
            10.0,
        );
    }

    #[tokio::test(start_paused = true)]
    async fn torrents_share_the_session() {
        let session = Arc::new(Bucket::new(100_000));
        let torrents: Vec<_> = (0..4)
            .map(|_| Limiter::new(Arc::new(Bucket::new(0)), session.clone()))
            .collect();
        let times = torrents
            .iter()
            .map(|limiter| time_for(limiter, 100_000, 16_384));
        let times = futures_util::future::join_all(times).await;
        assert_near(*times.iter().max().unwrap(), 4.0);
        for time in times {
            assert!(
                time.as_secs_f64() > 3.0,
                "one was served before the others: {time:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_given_back_is_granted_again() {
        let limiter = limiter(10_000, 0);
        let start = Instant::now();
        for _ in 0..1_000 {
            let granted = limiter.acquire(16_384).await;
            limiter.refund(granted);
        }
        assert!(start.elapsed() < Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn what_passes_unasked_does_not_wait_and_counts() {
        let limiter = limiter(0, 100_000);
        limiter.extend(1_000_000);
        assert!(limiter.pass_unasked(100_000));
        let time = time_for(&limiter, 100_000, 16_384).await;
        assert_near(time, 11.9);
        assert!(time > Duration::from_secs(11), "{time:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_a_quarter_passes_unasked() {
        let limiter = limiter(100_000, 0);
        let (start, mut passed) = (Instant::now(), 0);
        while start.elapsed() < Duration::from_secs(10) {
            passed += if limiter.pass_unasked(1_000) {
                1_000
            } else {
                0
            };
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!((200_000..260_000).contains(&passed), "{passed}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_rate_counts_at_once() {
        let limiter = limiter(10, 0);
        limiter.acquire(10_000).await;
        let start = Instant::now();
        let waiting = tokio::spawn({
            let limiter = limiter.clone();
            async move { limiter.acquire(10_000).await }
        });
        tokio::task::yield_now().await;
        limiter.torrent.set_rate(0);
        waiting.await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
