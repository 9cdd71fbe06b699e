//! Lookups of items, to read or to store them (BEP 44).

use super::walk::Keeper;
use crate::NodeId;
use crate::item::{Item, PublicKey, Value, mutable_target};
use crate::krpc::{PutArgs, QueryKind, Response, Salt};

/// What is looked for.
#[derive(Debug)]
pub(crate) struct Fetch {
    target: NodeId,
    salt: Salt,
    /// There may be a newer version elsewhere.
    mutable: bool,
    /// The newest so far.
    found: Option<i64>,
    over: bool,
}

impl Fetch {
    pub(crate) fn immutable(target: NodeId) -> Self {
        Self {
            target,
            salt: Salt::default(),
            mutable: false,
            found: None,
            over: false,
        }
    }

    pub(crate) fn mutable(key: &PublicKey, salt: Salt) -> Self {
        Self {
            target: mutable_target(key, &salt),
            salt,
            mutable: true,
            found: None,
            over: false,
        }
    }

    pub(crate) fn target(&self) -> NodeId {
        self.target
    }

    /// Whether nothing better can come.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// An item that is what was looked for, and newer than what came before.
    pub(crate) fn take(&mut self, response: &Response) -> Option<Item> {
        let claimed = response.seq;
        if self.found.is_some() && claimed <= self.found {
            return None;
        }
        let item = Item::from_response(response, self.target, &self.salt)?;
        match &item {
            Item::Immutable(_) => self.over = !self.mutable,
            Item::Mutable(item) => self.found = Some(item.seq),
        }
        Some(item)
    }
}

/// What is to be stored.
#[derive(Debug)]
pub(crate) struct Put {
    item: Item,
    target: NodeId,
    cas: Option<i64>,
}

impl Put {
    pub(crate) fn immutable(value: Value) -> Self {
        Self::new(Item::Immutable(value), None)
    }

    pub(crate) fn new(item: Item, cas: Option<i64>) -> Self {
        let target = item.target();
        Self { item, target, cas }
    }

    pub(crate) fn target(&self) -> NodeId {
        self.target
    }

    pub(crate) fn store(&self, keeper: &Keeper<'_>) -> QueryKind {
        QueryKind::Put(Box::new(PutArgs {
            token: keeper.token.clone(),
            item: self.item.clone(),
            // Of a node that has none, no version can be replaced.
            cas: self.cas.filter(|_| keeper.seq.is_some()),
        }))
    }
}
