//! Items that anybody may store and fetch (BEP 44).

mod value;

pub use value::{MAX_VALUE, Value, ValueError};
