//! What must hold at all times.

use super::Picker;

impl Picker {
    /// Panics when the bookkeeping contradicts itself.
    pub(crate) fn check_invariants(&self) {
        self.rarity.check_invariants();
        for (slot, partial) in &self.partials {
            partial.check_invariants();
            assert_eq!(self.slot(partial.piece), Some(slot));
            assert!(partial.free() < partial.blocks(), "{:?}", partial.piece);
            if let Some(place) = partial.shelved {
                assert!(self.shelves.has(place), "{:?}", partial.piece);
            }
            if let Some(owner) = partial.owner {
                assert!(self.owned.contains(&(owner, slot as u32)));
            }
        }
        let partials = || self.partials.iter().map(|(_, partial)| partial);
        let open = partials().filter(|partial| partial.shelved.is_some());
        assert_eq!(open.count(), self.shelves.len());
        let owned = partials().filter(|partial| partial.owner.is_some());
        assert_eq!(owned.count(), self.owned.len());
        let mut anew = self.clone();
        anew.count_unrequested();
        anew.reshelve();
        assert_eq!(anew.unrequested, self.unrequested);
        for (slot, partial) in &self.partials {
            assert_eq!(anew.partials[slot].shelved, partial.shelved);
        }
    }
}
