//! A decoded document and the cursors into it.

use std::fmt;
use std::ops::Range;

use crate::decode::parse_int;

/// Where a value starts, and which token follows it on its level. The end of a list or dictionary is a token too.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token {
    pub(crate) start: u32,
    pub(crate) next: u32,
}

impl Token {
    pub(crate) fn new(start: usize) -> Self {
        Self {
            start: start as u32,
            next: 0,
        }
    }
}

/// A decoded value: eight bytes for each item, over the input that it was read from.
#[derive(Clone)]
pub struct Document<'a> {
    input: &'a [u8],
    tokens: Vec<Token>,
}

impl<'a> Document<'a> {
    pub(crate) fn new(input: &'a [u8], tokens: Vec<Token>) -> Self {
        Self { input, tokens }
    }

    /// The value.
    pub fn root(&self) -> Node<'_, 'a> {
        Node {
            document: self,
            index: 0,
        }
    }

    /// What stands behind the value; empty after strict decoding.
    pub fn trailing(&self) -> &'a [u8] {
        &self.input[self.root().span().end..]
    }
}

impl fmt::Debug for Document<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root().fmt(f)
    }
}

/// What kind of value a [`Node`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An integer.
    Int,
    /// A string of bytes.
    Bytes,
    /// A list.
    List,
    /// A dictionary.
    Dict,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Int => "an integer",
            Self::Bytes => "a string",
            Self::List => "a list",
            Self::Dict => "a dictionary",
        })
    }
}

/// A value inside a [`Document`].
///
/// The accessors answer `None` when the value is of another kind, so that reading a field is one chain:
///
/// ```
/// let document = headwater_bencode::decode(b"d5:filesld6:lengthi7eeee")?;
/// let files = document.root().get("files").and_then(|node| node.as_list());
/// let lengths: Vec<_> = files.into_iter().flatten().filter_map(|file| file.get("length")?.as_int()).collect();
/// assert_eq!(lengths, [7]);
/// # Ok::<(), headwater_bencode::DecodeError>(())
/// ```
#[derive(Clone, Copy)]
pub struct Node<'d, 'a> {
    document: &'d Document<'a>,
    index: u32,
}

impl<'d, 'a> Node<'d, 'a> {
    /// What kind of value it is.
    pub fn kind(&self) -> Kind {
        match self.document.input[self.start()] {
            b'i' => Kind::Int,
            b'l' => Kind::List,
            b'd' => Kind::Dict,
            _ => Kind::Bytes,
        }
    }

    /// Where in the input the value stands.
    pub fn span(&self) -> Range<usize> {
        let next = self.document.tokens[self.index as usize].next;
        self.start()..self.document.tokens[next as usize].start as usize
    }

    /// The exact bytes that the value was read from.
    pub fn raw(&self) -> &'a [u8] {
        &self.document.input[self.span()]
    }

    /// The number, if it is an integer.
    pub fn as_int(&self) -> Option<i64> {
        let text = self.raw().strip_prefix(b"i")?.strip_suffix(b"e")?;
        parse_int(text)
    }

    /// The content, if it is a string.
    pub fn as_bytes(&self) -> Option<&'a [u8]> {
        if self.kind() != Kind::Bytes {
            return None;
        }
        let raw = self.raw();
        let colon = raw.iter().position(|byte| *byte == b':')?;
        Some(&raw[colon + 1..])
    }

    /// The content, if it is a string of UTF-8.
    pub fn as_str(&self) -> Option<&'a str> {
        std::str::from_utf8(self.as_bytes()?).ok()
    }

    /// The items, if it is a list.
    pub fn as_list(&self) -> Option<ListIter<'d, 'a>> {
        (self.kind() == Kind::List).then(|| ListIter { next: self.child() })
    }

    /// The entries in their order, if it is a dictionary.
    pub fn as_dict(&self) -> Option<DictIter<'d, 'a>> {
        (self.kind() == Kind::Dict).then(|| DictIter { next: self.child() })
    }

    /// The value of the first entry under `key`, if it is a dictionary that has one.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<Node<'d, 'a>> {
        let key = key.as_ref();
        self.as_dict()?
            .find_map(|(name, value)| (name == key).then_some(value))
    }

    fn start(&self) -> usize {
        self.document.tokens[self.index as usize].start as usize
    }

    fn child(self) -> Node<'d, 'a> {
        self.at(self.index + 1)
    }

    fn sibling(self) -> Node<'d, 'a> {
        self.at(self.document.tokens[self.index as usize].next)
    }

    fn at(self, index: u32) -> Node<'d, 'a> {
        Node {
            document: self.document,
            index,
        }
    }

    fn is_end(&self) -> bool {
        self.document.input[self.start()] == b'e'
    }
}

impl fmt::Debug for Node<'_, '_> {
    /// As nested Rust values would show; deep documents are cut by the decoder's limit.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind() {
            Kind::Int => write!(f, "{}", self.as_int().unwrap_or_default()),
            Kind::Bytes => write!(
                f,
                "\"{}\"",
                self.as_bytes().unwrap_or_default().escape_ascii()
            ),
            Kind::List => f
                .debug_list()
                .entries(self.as_list().into_iter().flatten())
                .finish(),
            Kind::Dict => {
                let entries = self.as_dict().into_iter().flatten();
                let entries = entries.map(|(key, value)| (key.escape_ascii().to_string(), value));
                f.debug_map().entries(entries).finish()
            }
        }
    }
}

/// The items of a list; see [`Node::as_list`].
#[derive(Debug, Clone)]
pub struct ListIter<'d, 'a> {
    next: Node<'d, 'a>,
}

impl<'d, 'a> Iterator for ListIter<'d, 'a> {
    type Item = Node<'d, 'a>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next.is_end() {
            return None;
        }
        let item = self.next;
        self.next = item.sibling();
        Some(item)
    }
}

/// The entries of a dictionary; see [`Node::as_dict`].
#[derive(Debug, Clone)]
pub struct DictIter<'d, 'a> {
    next: Node<'d, 'a>,
}

impl<'d, 'a> Iterator for DictIter<'d, 'a> {
    type Item = (&'a [u8], Node<'d, 'a>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.next.is_end() {
            return None;
        }
        let key = self.next;
        let value = key.sibling();
        self.next = value.sibling();
        Some((key.as_bytes().unwrap_or_default(), value))
    }
}
