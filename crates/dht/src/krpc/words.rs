//! Short strings of bytes that others choose and that are given back as they came.

use std::fmt;

use arrayvec::ArrayVec;

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident: $max:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, Default)]
        pub struct $name(ArrayVec<u8, $max>);

        impl $name {
            /// The most bytes it may have.
            pub const MAX: usize = $max;

            /// Takes the bytes, if there are no more than [`Self::MAX`].
            pub fn new(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }

            /// The bytes.
            pub fn as_bytes(&self) -> &[u8] {
                &self.0
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0.escape_ascii())
            }
        }
    )*};
}

words! {
    /// What a response has in common with its query (`t`). Clients send 2 to 8 bytes; some testers more.
    Transaction: 20;
    /// What a node wants back before it stores something (`token`). Nodes send 4 to 20 bytes.
    Token: 64;
    /// Tells items under one key apart (`salt`, BEP 44); empty is the same as none.
    Salt: 64;
    /// The name of a query that nobody here knows.
    Method: 32;
}

/// Eight bytes, as this node gives out.
impl From<u64> for Token {
    fn from(number: u64) -> Self {
        Self(number.to_be_bytes().into_iter().collect())
    }
}

/// Two bytes, as most clients send.
impl From<u16> for Transaction {
    fn from(number: u16) -> Self {
        Self(number.to_be_bytes().into_iter().collect())
    }
}

impl Transaction {
    /// The number, if it has two bytes.
    pub fn as_u16(&self) -> Option<u16> {
        Some(u16::from_be_bytes(self.0.as_slice().try_into().ok()?))
    }
}
