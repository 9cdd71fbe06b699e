//! Typed reading: from nodes to Rust's types, and fields of dictionaries by name.

use crate::{Kind, Node};

/// A value is not what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found {found} at byte {offset}")]
pub struct TypeError {
    /// What was asked for.
    pub expected: &'static str,
    /// What is there.
    pub found: Kind,
    /// Where it stands in the input.
    pub offset: usize,
}

/// A field of a dictionary is not there, or not what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// There is no such key, or no dictionary to have it.
    #[error("there is no {0:?}")]
    Missing(String),
    /// It is of another type.
    #[error("{key:?}: {error}")]
    Type {
        /// The field's key.
        key: String,
        /// What was expected and what was found.
        #[source]
        error: TypeError,
    },
}

impl<'d, 'a> Node<'d, 'a> {
    /// A field that must be there.
    ///
    /// ```
    /// let document = headwater_bencode::decode(b"d6:lengthi42e4:name3:abce")?;
    /// let file = document.root();
    /// assert_eq!(file.required::<u64>("length")?, 42);
    /// assert_eq!(file.required::<&str>("name")?, "abc");
    /// assert_eq!(file.optional::<&str>("comment")?, None);
    /// assert!(file.required::<u64>("name").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn required<T>(&self, key: &str) -> Result<T, FieldError>
    where
        T: TryFrom<Node<'d, 'a>, Error = TypeError>,
    {
        self.optional(key)?
            .ok_or_else(|| FieldError::Missing(key.to_owned()))
    }

    /// A field that may be missing, but not be of another type.
    pub fn optional<T>(&self, key: &str) -> Result<Option<T>, FieldError>
    where
        T: TryFrom<Node<'d, 'a>, Error = TypeError>,
    {
        let value = self.get(key).map(T::try_from).transpose();
        value.map_err(|error| FieldError::Type {
            key: key.to_owned(),
            error,
        })
    }

    fn type_error(self, expected: &'static str) -> TypeError {
        TypeError {
            expected,
            found: self.kind(),
            offset: self.span().start,
        }
    }
}

macro_rules! integers {
    ($($int:ty: $expected:literal;)*) => {$(
        impl TryFrom<Node<'_, '_>> for $int {
            type Error = TypeError;

            fn try_from(node: Node<'_, '_>) -> Result<Self, TypeError> {
                let value = node.as_int().and_then(|value| value.try_into().ok());
                value.ok_or_else(|| node.type_error($expected))
            }
        }
    )*};
}

integers! {
    i64: "an integer";
    u64: "an integer from 0";
    u32: "an integer of 32 bits from 0";
    u16: "an integer of 16 bits from 0";
    u8: "an integer of 8 bits from 0";
}

impl<'a> TryFrom<Node<'_, 'a>> for &'a [u8] {
    type Error = TypeError;

    fn try_from(node: Node<'_, 'a>) -> Result<Self, TypeError> {
        node.as_bytes().ok_or_else(|| node.type_error("a string"))
    }
}

impl<'a> TryFrom<Node<'_, 'a>> for &'a str {
    type Error = TypeError;

    fn try_from(node: Node<'_, 'a>) -> Result<Self, TypeError> {
        node.as_str().ok_or_else(|| node.type_error("UTF-8 text"))
    }
}

/// A string of exactly that length, such as a hash.
impl<'a, const N: usize> TryFrom<Node<'_, 'a>> for &'a [u8; N] {
    type Error = TypeError;

    fn try_from(node: Node<'_, 'a>) -> Result<Self, TypeError> {
        let bytes = node.as_bytes().and_then(|bytes| bytes.try_into().ok());
        bytes.ok_or_else(|| node.type_error("a string of a fixed length"))
    }
}

#[cfg(test)]
mod tests {
    use crate::{FieldError, Kind, decode};

    #[test]
    fn integers_keep_to_their_range() {
        let document = decode(b"d1:ai255e1:bi256e1:ci-1e1:di-9223372036854775808ee").unwrap();
        let root = document.root();
        assert_eq!(root.required::<u8>("a"), Ok(255));
        assert!(root.required::<u8>("b").is_err());
        assert_eq!(root.required::<u16>("b"), Ok(256));
        assert!(root.required::<u64>("c").is_err());
        assert_eq!(root.required::<i64>("d"), Ok(i64::MIN));
    }

    #[test]
    fn strings_are_checked_for_text_and_length() {
        let document = decode(b"d1:a2:\xff\xfe1:b2:abe").unwrap();
        let root = document.root();
        assert_eq!(root.required::<&[u8]>("a"), Ok(&b"\xff\xfe"[..]));
        assert!(root.required::<&str>("a").is_err());
        assert_eq!(root.required::<&[u8; 2]>("b"), Ok(b"ab"));
        assert!(root.required::<&[u8; 3]>("b").is_err());
    }

    #[test]
    fn fields_are_missing_or_of_another_type() {
        let document = decode(b"d1:ai1e1:blee").unwrap();
        let root = document.root();
        let missing = FieldError::Missing("c".to_owned());
        assert_eq!(root.required::<u32>("c"), Err(missing));
        assert_eq!(root.optional::<u32>("c"), Ok(None));
        let error = root.optional::<u32>("b").unwrap_err();
        let text = "\"b\": expected an integer of 32 bits from 0, found a list at byte 10";
        assert_eq!(error.to_string(), text);
        let FieldError::Type { error, .. } = error else {
            panic!("a list is no integer");
        };
        assert_eq!((error.found, error.offset), (Kind::List, 10));
    }
}
