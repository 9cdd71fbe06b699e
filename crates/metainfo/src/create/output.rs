//! Writing the torrent.

use headwater_bencode::Value;
use headwater_hash::Sha1Digest;

use super::{CreateError, Creator, InputFile};
use crate::MAX_TORRENT_SIZE;

/// More bytes than the length of the piece hashes takes in decimal.
const LENGTH_DIGITS: usize = 16;

impl Creator {
    /// The torrent as bytes, canonically encoded, with one hash for each piece.
    pub fn torrent(&self, hashes: &[Sha1Digest]) -> Result<Vec<u8>, CreateError> {
        let expected = self.geometry.piece_count() as usize;
        if hashes.len() != expected {
            let got = hashes.len();
            return Err(CreateError::HashCount { got, expected });
        }
        Ok(self.root(hashes).encode())
    }

    /// Whether the torrent can be loaded again, asked before hours are spent on hashing.
    pub(super) fn check_size(&self) -> Result<(), CreateError> {
        let hashes = self.geometry.piece_count() as usize * size_of::<Sha1Digest>();
        if self.root(&[]).encode().len() + hashes > MAX_TORRENT_SIZE - LENGTH_DIGITS {
            return Err(CreateError::TooLarge);
        }
        Ok(())
    }

    fn root(&self, hashes: &[Sha1Digest]) -> Value {
        let options = &self.options;
        let tiers: Vec<_> = options
            .trackers
            .iter()
            .filter(|tier| !tier.is_empty())
            .collect();
        let has_list = tiers.len() > 1 || tiers.first().is_some_and(|tier| tier.len() > 1);
        dict([
            ("announce", tiers.first().map(|tier| text(&tier[0]))),
            (
                "announce-list",
                has_list.then(|| list(tiers, |tier| texts(tier))),
            ),
            ("comment", options.comment.as_deref().map(text)),
            ("created by", options.created_by.as_deref().map(text)),
            ("creation date", options.creation_date.map(Value::Int)),
            ("encoding", Some(text("UTF-8"))),
            ("info", Some(self.info(hashes))),
            (
                "url-list",
                (!options.web_seeds.is_empty()).then(|| texts(&options.web_seeds)),
            ),
        ])
    }

    fn info(&self, hashes: &[Sha1Digest]) -> Value {
        let single = match &*self.files {
            [file] if file.path.is_empty() => Some(file),
            _ => None,
        };
        dict([
            ("attr", single.and_then(attr)),
            (
                "files",
                single.is_none().then(|| list(&self.files, file_entry)),
            ),
            ("length", single.map(|file| number(file.length))),
            ("name", Some(text(&self.options.name))),
            (
                "piece length",
                Some(Value::Int(self.geometry.piece_length().into())),
            ),
            ("pieces", Some(Value::Bytes(hashes.concat()))),
            ("private", self.options.private.then_some(Value::Int(1))),
            ("source", self.options.source.as_deref().map(text)),
        ])
    }
}

fn file_entry(file: &InputFile) -> Value {
    dict([
        ("attr", attr(file)),
        ("length", Some(number(file.length))),
        ("path", Some(texts(&file.path))),
    ])
}

fn attr(file: &InputFile) -> Option<Value> {
    file.executable.then(|| text("x"))
}

/// The layout has made sure that no length is above `i64::MAX`.
fn number(length: u64) -> Value {
    Value::Int(length.cast_signed())
}

fn text(text: &str) -> Value {
    Value::Bytes(text.into())
}

fn texts(items: &[String]) -> Value {
    list(items, |item| text(item))
}

fn list<T>(items: impl IntoIterator<Item = T>, value: impl FnMut(T) -> Value) -> Value {
    Value::List(items.into_iter().map(value).collect())
}

fn dict<const N: usize>(entries: [(&str, Option<Value>); N]) -> Value {
    let entries = entries.into_iter();
    let present = entries.filter_map(|(key, value)| Some((key.into(), value?)));
    Value::Dict(present.collect())
}
