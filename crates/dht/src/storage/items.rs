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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::{KeyPair, MutableItem, Value};
    use crate::krpc::Salt;

    fn store(most: usize, now: Instant) -> ItemStore {
        ItemStore::new(most, now, &mut Xoshiro256PlusPlus::seed_from_u64(1))
    }

    fn version(seq: i64, text: &str) -> Item {
        let keys = KeyPair::from_seed(&[7; 32]);
        let value = Value::text(text).unwrap();
        Item::Mutable(MutableItem::sign(&keys, Salt::default(), seq, value))
    }

    fn immutable(number: usize) -> Item {
        Item::Immutable(Value::text(number.to_string()).unwrap())
    }

    #[test]
    fn an_item_replaces_only_older_ones() {
        let now = Instant::now();
        let mut store = store(10, now);
        let target = version(1, "").target();
        store.put(now, version(2, "two"), None).unwrap();
        assert_eq!(
            store.put(now, version(1, "one"), None),
            Err(PutError::SeqTooOld)
        );
        assert_eq!(
            store.put(now, version(2, "other"), None),
            Err(PutError::SeqTooOld)
        );
        assert_eq!(store.put(now, version(2, "two"), None), Ok(()));
        assert_eq!(store.get(now, &target), Some(&version(2, "two")));
        assert_eq!(store.put(now, version(3, "three"), None), Ok(()));
        assert_eq!(store.get(now, &target), Some(&version(3, "three")));
        assert_eq!(store.len(), 1);
    }

    #[test]
    fn a_compared_version_must_be_the_one_that_is_stored() {
        let now = Instant::now();
        let mut store = store(10, now);
        // There is nothing to compare with.
        store.put(now, version(1, "one"), Some(7)).unwrap();
        assert_eq!(
            store.put(now, version(2, "two"), Some(0)),
            Err(PutError::CasMismatch)
        );
        assert_eq!(store.put(now, version(2, "two"), Some(1)), Ok(()));
        let late = store.put(now, version(1, "one"), Some(1));
        assert_eq!(late.unwrap_err().refusal().code, ErrorCode::CAS_MISMATCH);
    }

    #[test]
    fn what_the_owner_did_not_sign_is_not_stored() {
        let now = Instant::now();
        let mut store = store(10, now);
        let forged = |seq| {
            let Item::Mutable(item) = version(1, "one") else {
                panic!("it is mutable");
            };
            Item::Mutable(MutableItem { seq, ..item })
        };
        assert_eq!(
            store.put(now, forged(2), None),
            Err(PutError::InvalidSignature)
        );
        assert!(store.is_empty());
        store.put(now, version(1, "one"), None).unwrap();
        let error = store.put(now, forged(2), None).unwrap_err();
        assert_eq!(error.refusal().code, ErrorCode::INVALID_SIGNATURE);
        assert_eq!(
            store.get(now, &forged(2).target()),
            Some(&version(1, "one"))
        );
    }

    #[test]
    fn items_live_for_two_hours_after_the_last_put() {
        let start = Instant::now();
        let mut store = store(10, start);
        store.put(start, immutable(1), None).unwrap();
        store.put(start, immutable(2), None).unwrap();
        let hour = Duration::from_hours(1);
        store.put(start + hour, immutable(1), None).unwrap();
        let later = start + ITEM_TIME;
        assert_eq!(
            store.get(later, &immutable(1).target()),
            Some(&immutable(1))
        );
        assert_eq!(store.get(later, &immutable(2).target()), None);
        store.expire(later);
        assert_eq!(store.len(), 1);
        store.expire(later + hour);
        assert!(store.is_empty());
    }

    #[test]
    fn an_item_whose_time_is_over_holds_nobody_up() {
        let start = Instant::now();
        let mut store = store(10, start);
        store
            .put(start + Duration::from_secs(1), version(5, "five"), None)
            .unwrap();
        // The sweep is not due, but the item is over.
        store.expire(start + ITEM_TIME);
        let later = start + ITEM_TIME + Duration::from_secs(1);
        assert_eq!(store.put(later, version(1, "one"), Some(9)), Ok(()));
        assert_eq!(
            store.get(later, &version(1, "").target()),
            Some(&version(1, "one"))
        );
    }

    #[test]
    fn when_there_are_too_many_an_old_one_gives_way() {
        let start = Instant::now();
        let mut store = store(100, start);
        for number in 0..1000 {
            let now = start + Duration::from_millis(number as u64);
            store.put(now, immutable(number), None).unwrap();
        }
        assert_eq!(store.len(), 100);
        let now = start + Duration::from_secs(1);
        let recent = (900..1000).filter(|n| store.get(now, &immutable(*n).target()).is_some());
        assert!(recent.count() > 50);
    }
}
