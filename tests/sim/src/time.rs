//! Virtual time, and rates in it.

use std::time::Duration;

/// Nanoseconds since the simulation began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(pub u64);

impl Time {
    /// When the simulation begins.
    pub const ZERO: Self = Self(0);

    /// So many seconds after the beginning.
    pub fn from_secs_f64(seconds: f64) -> Self {
        Self((seconds * 1e9) as u64)
    }

    /// Seconds since the beginning.
    pub const fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// How much later this is than `earlier`; zero if it is not.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl std::ops::Add<Duration> for Time {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.as_nanos() as u64))
    }
}

impl std::ops::Sub<Duration> for Time {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration.as_nanos() as u64))
    }
}

/// Bytes a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(pub u64);

impl Rate {
    /// No limit.
    pub const UNLIMITED: Self = Self(u64::MAX);

    /// `n` KiB a second.
    pub const fn kib(n: u64) -> Self {
        Self(n * 1024)
    }

    /// `n` times this rate.
    pub fn times(self, n: f64) -> Self {
        match self {
            Self::UNLIMITED => self,
            Self(rate) => Self((rate as f64 * n) as u64),
        }
    }

    /// How long so many bytes take.
    pub fn time_for(self, bytes: u64) -> Duration {
        match self {
            Self::UNLIMITED => Duration::ZERO,
            Self(rate) => Duration::from_nanos(
                (u128::from(bytes) * 1_000_000_000 / u128::from(rate.max(1))) as u64,
            ),
        }
    }
}
