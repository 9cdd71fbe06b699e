//! Hand-made torrents for tests.

use headwater_bencode::Value;

pub(crate) fn int(value: i64) -> Value {
    Value::Int(value)
}

pub(crate) fn bytes(value: impl AsRef<[u8]>) -> Value {
    Value::Bytes(value.as_ref().to_vec())
}

pub(crate) fn list<V>(items: impl IntoIterator<Item = V>, value: impl FnMut(V) -> Value) -> Value {
    Value::List(items.into_iter().map(value).collect())
}

/// A list of strings.
pub(crate) fn path(components: &[&str]) -> Value {
    list(components, bytes)
}

pub(crate) fn dict<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Dict(
        entries
            .into_iter()
            .map(|(key, value)| (key.into(), value))
            .collect(),
    )
}

/// `value`, a dictionary, with `entries` put in or replaced.
pub(crate) fn with<const N: usize>(value: Value, entries: [(&str, Value); N]) -> Value {
    let Value::Dict(mut dict) = value else {
        panic!("not a dictionary");
    };
    dict.extend(entries.into_iter().map(|(key, value)| (key.into(), value)));
    Value::Dict(dict)
}

pub(crate) fn without(value: Value, key: &str) -> Value {
    let Value::Dict(mut dict) = value else {
        panic!("not a dictionary");
    };
    dict.remove(key.as_bytes()).expect("the key is there");
    Value::Dict(dict)
}

/// An `info` of one file, `length` bytes in pieces of 16 KiB.
pub(crate) fn single(length: i64) -> Value {
    dict([
        ("length", int(length)),
        ("name", bytes("name")),
        ("piece length", int(16_384)),
        ("pieces", hashes(length)),
    ])
}

/// An `info` with these files.
pub(crate) fn multi(files: Vec<Value>) -> Value {
    let lengths = files.iter().map(|file| match file {
        Value::Dict(dict) => match dict.get(&b"length"[..]) {
            Some(Value::Int(length)) => *length,
            _ => 0,
        },
        _ => 0,
    });
    let total = lengths.fold(0, i64::saturating_add);
    with(
        without(single(total), "length"),
        [("files", Value::List(files))],
    )
}

pub(crate) fn file(length: i64, components: &[&str]) -> Value {
    dict([("length", int(length)), ("path", path(components))])
}

/// Piece hashes as they belong to `length` bytes: the first byte of each is its number.
pub(crate) fn hashes(length: i64) -> Value {
    let length = length.clamp(0, 1 << 24);
    let count = length / 16_384 + i64::from(length % 16_384 > 0);
    bytes(
        (0..count)
            .flat_map(|piece| [piece as u8; 20])
            .collect::<Vec<_>>(),
    )
}
