//! Which way of hashing many messages is used.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::algorithm::{Hash, Sha1, Sha1Digest, Sha256, Sha256Digest};
use crate::cursor::Cursor;
use crate::kernel::{Kernel, Pair};
use crate::schedule::{self, Job};

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
    ShaNi,
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

    /// The fastest for SHA-1 that this machine has, measured once.
    ///
    /// Which one that is cannot be told from the instructions alone: some processors split 512-bit operations in two, on
    /// some the SHA instructions are faster than eight lanes. A trial takes well under a millisecond.
    pub fn best_for_sha1() -> Self {
        static BEST: OnceLock<Engine> = OnceLock::new();
        *BEST.get_or_init(Self::fastest::<Sha1>)
    }

    /// The fastest for SHA-256 that this machine has, measured once.
    pub fn best_for_sha256() -> Self {
        static BEST: OnceLock<Engine> = OnceLock::new();
        *BEST.get_or_init(Self::fastest::<Sha256>)
    }

    fn fastest<H: Hash>() -> Self {
        let engines = Self::available().into_iter();
        let fastest = engines.min_by_key(|engine| engine.trial::<H>());
        fastest.unwrap_or(Self::SINGLE)
    }

    /// The shortest of a few runs over a batch that fills every lane.
    fn trial<H: Hash>(self) -> Duration {
        let data = [0x5a; 2048];
        let message: &[&[u8]] = &[&data];
        let run = |_| {
            let start = Instant::now();
            std::hint::black_box(self.hash_many::<H>(&[message; 16]));
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
            let kinds = [Kind::ShaNi, Kind::Avx2, Kind::Avx512Vl, Kind::Avx512];
            let there = kinds.into_iter().filter(|kind| kind.is_there());
            engines.extend(there.map(Self));
        }
        engines
    }

    /// A name for tables: `single`, `sha-ni`, `avx2`, `avx512vl`, `avx512`.
    pub const fn name(self) -> &'static str {
        match self.0 {
            Kind::Single => "single",
            #[cfg(target_arch = "x86_64")]
            Kind::ShaNi => "sha-ni",
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
        let widest = self.kernels().next();
        widest.map_or(1, |pair| pair.sha1.lanes.max(pair.sha256.lanes))
    }

    /// As [`sha1_many`](crate::sha1_many).
    pub fn sha1_many(self, messages: &[&[&[u8]]]) -> Vec<Sha1Digest> {
        self.hash_many::<Sha1>(messages)
    }

    /// As [`sha256_many`](crate::sha256_many).
    pub fn sha256_many(self, messages: &[&[&[u8]]]) -> Vec<Sha256Digest> {
        self.hash_many::<Sha256>(messages)
    }

    fn hash_many<H: Hash>(self, messages: &[&[&[u8]]]) -> Vec<H::Digest> {
        let mut digests = vec![H::digest(&H::INITIAL); messages.len()];
        let jobs = messages.iter().enumerate().map(|(index, message)| Job {
            index,
            state: H::INITIAL,
            cursor: Cursor::new(message),
        });
        self.run::<H>(jobs, |index, state| digests[index] = H::digest(state));
        digests
    }

    /// Works off `jobs`; `done` gets each one's number and final chaining value.
    pub(crate) fn run<'a, H: Hash>(
        self,
        jobs: impl Iterator<Item = Job<'a>>,
        done: impl FnMut(usize, &crate::algorithm::State),
    ) {
        let kernels: Vec<Kernel> = self.kernels().map(|pair| pair.kernel::<H>()).collect();
        schedule::run::<H>(&kernels, jobs, done);
    }

    /// Widest first: the narrow ones take what is too little for the wide ones.
    fn kernels(self) -> impl Iterator<Item = Pair> {
        let mut pairs = [None, None];
        match self.0 {
            Kind::Single => {}
            #[cfg(test)]
            Kind::Portable => pairs[0] = Some(crate::kernel::portable()),
            #[cfg(target_arch = "x86_64")]
            kind => pairs = kind.kernels(),
        }
        pairs.into_iter().flatten()
    }
}

impl Kind {
    /// Whether the machine has the instructions.
    #[cfg(target_arch = "x86_64")]
    fn is_there(self) -> bool {
        let has_512 = is_x86_feature_detected!("avx512f");
        match self {
            Self::ShaNi => {
                is_x86_feature_detected!("sha")
                    && is_x86_feature_detected!("ssse3")
                    && is_x86_feature_detected!("sse4.1")
            }
            Self::Avx2 => is_x86_feature_detected!("avx2"),
            Self::Avx512Vl => {
                has_512 && is_x86_feature_detected!("avx512vl") && is_x86_feature_detected!("avx2")
            }
            Self::Avx512 => has_512 && is_x86_feature_detected!("avx512bw"),
            Self::Single => true,
            #[cfg(test)]
            Self::Portable => true,
        }
    }
    /// # Panics
    /// When the kind is none of vectors or the machine lacks its instructions.
    #[cfg(target_arch = "x86_64")]
    fn kernels(self) -> [Option<Pair>; 2] {
        use crate::kernel::{avx2, avx512, avx512vl, sha_ni};
        assert!(self.is_there());
        let beside = self != Self::ShaNi && Self::ShaNi.is_there();
        // SAFETY: the machine was just asked for the instructions.
        unsafe {
            let own = match self {
                Self::Avx2 => avx2(beside),
                Self::Avx512Vl => avx512vl(beside),
                Self::Avx512 => avx512(beside),
                _ => sha_ni(),
            };
            [Some(own), beside.then(|| sha_ni())]
        }
    }
}
