//! Items (BEP 44).

use std::time::{Duration, Instant};

use indexmap::IndexMap;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, RngExt, SeedableRng};

use crate::NodeId;
use crate::item::Item;
use crate::keyed::Keyed;
use crate::krpc::{ErrorCode, KrpcError};

/// How long an item is kept after it was put, or put again.
pub const ITEM_TIME: Duration = Duration::from_hours(2);

/// How often [`ItemStore::expire`] goes through everything.
const SWEEP_TIME: Duration = Duration::from_mins(5);

/// Items that are looked at in search of one that is to give way.
const CANDIDATES: usize = 8;

/// Why an item is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PutError {
    /// Whoever put it does not own the key.
    #[error("invalid signature")]
    InvalidSignature,
    /// The version to be replaced is not the one that is stored.
    #[error("the CAS hash mismatched, re-read value and try again")]
    CasMismatch,
    /// A newer version is stored, or another value under the same version.
    #[error("sequence number less than current")]
    SeqTooOld,
}

impl PutError {
    /// What its sender is told.
    pub fn refusal(self) -> KrpcError {
        let code = match self {
            Self::InvalidSignature => ErrorCode::INVALID_SIGNATURE,
            Self::CasMismatch => ErrorCode::CAS_MISMATCH,
            Self::SeqTooOld => ErrorCode::SEQ_TOO_OLD,
        };
        KrpcError {
            code,
            message: self.to_string().into(),
        }
    }
}

/// Items that were put here in the last two hours.
///
/// When there are too many, of a few random ones that which was put longest ago gives way.
///
/// ```
/// use std::time::Instant;
///
/// use headwater_dht::item::{Item, KeyPair, MutableItem, Value};
/// use headwater_dht::krpc::Salt;
/// use headwater_dht::storage::{ItemStore, PutError};
/// use rand::SeedableRng;
///
/// let now = Instant::now();
/// let mut store = ItemStore::new(700, now, &mut rand::rngs::Xoshiro256PlusPlus::seed_from_u64(1));
/// let keys = KeyPair::from_seed(&[7; 32]);
/// let version = |seq| -> Result<_, headwater_dht::item::ValueError> {
///     Ok(Item::Mutable(MutableItem::sign(&keys, Salt::default(), seq, Value::text("words")?)))
/// };
/// store.put(now, version(2)?, None)?;
/// assert_eq!(store.put(now, version(1)?, None), Err(PutError::SeqTooOld));
/// assert_eq!(store.get(now, &version(2)?.target()), Some(&version(2)?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ItemStore {
    most: usize,
    items: IndexMap<NodeId, Stored, Keyed>,
    rng: Xoshiro256PlusPlus,
    swept: Instant,
}

#[derive(Debug)]
struct Stored {
    item: Item,
    put: Instant,
}

impl Stored {
    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.put) >= ITEM_TIME
    }
}

impl ItemStore {
    /// One for `most` items of at most a kilobyte and a half each.
    pub fn new(most: usize, now: Instant, rng: &mut impl Rng) -> Self {
        Self {
            most: most.max(1),
            items: IndexMap::with_hasher(Keyed::new(rng)),
            rng: Xoshiro256PlusPlus::from_rng(rng),
            swept: now,
        }
    }

    /// Items that are kept.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// What is stored under a point.
    pub fn get(&self, now: Instant, target: &NodeId) -> Option<&Item> {
        let stored = self.items.get(target)?;
        (!stored.is_over(now)).then_some(&stored.item)
    }

    /// Stores an item for [`ITEM_TIME`]. What is stored already is kept anew, without its signature being verified again. With
    /// `cas`, a mutable item replaces only that version; where there is none yet, `cas` does not count.
    pub fn put(&mut self, now: Instant, item: Item, cas: Option<i64>) -> Result<(), PutError> {
        self.expire(now);
        let target = item.target();
        let known = self
            .items
            .get_mut(&target)
            .filter(|stored| !stored.is_over(now));
        if let Some(stored) = known {
            check_version(&stored.item, &item, cas)?;
            if stored.item == item {
                stored.put = now;
                return Ok(());
            }
        }
        check_signature(&item)?;
        self.store(target, Stored { item, put: now });
        Ok(())
    }

    /// Drops items whose time is over. To be called now and then; if it was not, nothing is given out for it.
    pub fn expire(&mut self, now: Instant) {
        if now.saturating_duration_since(self.swept) < SWEEP_TIME {
            return;
        }
        self.swept = now;
        self.items.retain(|_, stored| !stored.is_over(now));
    }

    fn store(&mut self, target: NodeId, stored: Stored) {
        if self.items.len() >= self.most && !self.items.contains_key(&target) {
            self.drop_an_old_one();
        }
        self.items.insert(target, stored);
    }

    fn drop_an_old_one(&mut self) {
        let count = self.items.len();
        let candidates = (0..CANDIDATES).map(|_| self.rng.random_range(0..count));
        let oldest = candidates.min_by_key(|&at| self.items[at].put);
        self.items.swap_remove_index(oldest.unwrap_or_default());
    }
}

fn check_version(stored: &Item, item: &Item, cas: Option<i64>) -> Result<(), PutError> {
    let (Item::Mutable(stored), Item::Mutable(item)) = (stored, item) else {
        return Ok(());
    };
    if cas.is_some_and(|cas| cas != stored.seq) {
        return Err(PutError::CasMismatch);
    }
    let is_same = item.seq == stored.seq && item.value == stored.value;
    if item.seq > stored.seq || is_same {
        Ok(())
    } else {
        Err(PutError::SeqTooOld)
    }
}

/// An immutable item's target vouches for it.
fn check_signature(item: &Item) -> Result<(), PutError> {
    match item {
        Item::Mutable(item) if !item.is_genuine() => Err(PutError::InvalidSignature),
        _ => Ok(()),
    }
}
