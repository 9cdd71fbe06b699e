//! Which way of hashing many messages is used.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::algorithm::{SHA1, SHA256, Sha1Digest, Sha256Digest, digest};
use crate::kernel::{Kernel, Pair};
use crate::schedule::hash_many;

/// A way of hashing many messages.
///
/// ```
/// use headwater_hash::Engine;
///
/// for engine in Engine::available() {
///     assert_eq!(engine.sha1_many(&[&[b"abc"]])[0][..4], [0xa9, 0x99, 0x3e, 0x36]);
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Engine(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Single,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512Vl,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(test)]
    Portable,
}

impl Engine {
    /// One message after the other, by the `sha1` and `sha2` crates. There on every machine.
    pub const SINGLE: Self = Self(Kind::Single);

    /// Lanes made of plain arrays: slow, but any interpreter can run them.
    #[cfg(test)]
    pub(crate) const PORTABLE: Self = Self(Kind::Portable);

    /// The fastest that this machine has, measured once.
    ///
    /// Which one that is cannot be told from the instructions alone: processors that split 512-bit operations in two
    /// are faster on 256-bit vectors with the instructions of AVX-512. A trial takes well under a millisecond.
    pub fn best() -> Self {
        static BEST: OnceLock<Engine> = OnceLock::new();
        *BEST.get_or_init(|| {
            let fastest = Self::available()
                .into_iter()
                .min_by_key(|engine| engine.trial());
            fastest.unwrap_or(Self::SINGLE)
        })
    }

    /// The shortest of a few runs over a batch that fills every lane.
    fn trial(self) -> Duration {
        let data = [0x5a; 2048];
        let message: &[&[u8]] = &[&data];
        let run = |_| {
            let start = Instant::now();
            std::hint::black_box(self.sha1_many(&[message; 16]));
            start.elapsed()
        };
        (0..5).map(run).min().unwrap_or(Duration::MAX)
    }

    /// Every engine that this machine has, narrowest first.
    pub fn available() -> Vec<Self> {
        #[allow(unused_mut)]
        let mut engines = vec![Self::SINGLE];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") {
                engines.push(Self(Kind::Avx2));
            }
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl") {
                engines.push(Self(Kind::Avx512Vl));
            }
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") {
                engines.push(Self(Kind::Avx512));
            }
        }
        engines
    }

    /// A name for tables: `single`, `avx2`, `avx512vl`, `avx512`.
    pub const fn name(self) -> &'static str {
        match self.0 {
            Kind::Single => "single",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Vl => "avx512vl",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => "avx512",
            #[cfg(test)]
            Kind::Portable => "portable",
        }
    }

    /// How many messages it hashes side by side; more in one call keep it busier.
    pub fn lanes(self) -> usize {
        self.kernels().map_or(1, |pair| pair.sha1.lanes)
    }

    /// As [`sha1_many`](crate::sha1_many).
    pub fn sha1_many(self, messages: &[&[&[u8]]]) -> Vec<Sha1Digest> {
        let kernel: Option<Kernel> = self.kernels().map(|pair| pair.sha1);
        hash_many(SHA1, kernel, messages)
            .iter()
            .map(digest)
            .collect()
    }

    /// As [`sha256_many`](crate::sha256_many).
    pub fn sha256_many(self, messages: &[&[&[u8]]]) -> Vec<Sha256Digest> {
        let kernel = self.kernels().map(|pair| pair.sha256);
        hash_many(SHA256, kernel, messages)
            .iter()
            .map(digest)
            .collect()
    }

    fn kernels(self) -> Option<Pair> {
        match self.0 {
            Kind::Single => None,
            // SAFETY: these kinds are made by `available` alone, after it saw the features.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => Some(unsafe { crate::kernel::avx2() }),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Vl => Some(unsafe { crate::kernel::avx512vl() }),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => Some(unsafe { crate::kernel::avx512() }),
            #[cfg(test)]
            Kind::Portable => Some(crate::kernel::portable()),
        }
    }
}
