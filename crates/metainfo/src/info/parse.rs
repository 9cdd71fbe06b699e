//! From a decoded dictionary to an [`Info`].

use std::borrow::Cow;
use std::ops::Range;

use headwater_bencode::Node;
use headwater_hash::{sha1, sha256};

use super::{HASH_LENGTH, Info};
use crate::text::TextEncoding;
use crate::{
    Attributes, FieldError, FileLayout, InfoError, InfoHash, InfoHashV2, InfoHashes, LayoutBuilder,
    PieceGeometry,
};

const WHOLE_NUMBER: &str = "a whole number below 2^63";

pub(super) fn parse(info: Node<'_, '_>, encoding: TextEncoding) -> Result<Info, InfoError> {
    if info.as_dict().is_none() {
        return Err(InfoError::NotDictionary);
    }
    let is_v2 = check_version(info)?;
    let hashes = hash(info.raw(), is_v2);
    let piece_length = natural(info, "piece length")?;
    let pieces = bytes(info, "pieces")?;
    let name = Name::new(info, encoding, hashes);
    let (layout, is_multi_file) = lay_out(info, &name, encoding)?;
    let geometry = PieceGeometry::new(layout.total_size(), piece_length)?;
    check_hash_count(pieces, &geometry)?;
    let source = info.get("source").and_then(|source| source.as_bytes());
    Ok(Info {
        raw: info.raw().into(),
        hashes,
        raw_name: range_within(info.raw(), name.raw),
        is_private: info
            .get("private")
            .and_then(|n| n.as_int())
            .is_some_and(|n| n != 0),
        is_multi_file,
        source: source.map(|source| encoding.decode(source).into()),
        geometry,
        layout,
        pieces: range_within(info.raw(), pieces),
    })
}

/// Whether there is v2 data, which may stand beside v1 data (BEP 52).
fn check_version(info: Node<'_, '_>) -> Result<bool, InfoError> {
    match info
        .get("meta version")
        .and_then(|version| version.as_int())
    {
        None => Ok(false),
        Some(2) if info.get("pieces").is_none() => Err(InfoError::V2Only),
        Some(2) => Ok(true),
        Some(other) => Err(InfoError::UnsupportedVersion(other)),
    }
}

fn hash(raw: &[u8], is_v2: bool) -> InfoHashes {
    let v1 = InfoHash(sha1(raw));
    if is_v2 {
        InfoHashes::hybrid(v1, InfoHashV2(sha256(raw)))
    } else {
        InfoHashes::v1_only(v1)
    }
}

fn check_hash_count(pieces: &[u8], geometry: &PieceGeometry) -> Result<(), InfoError> {
    if !pieces.len().is_multiple_of(HASH_LENGTH) {
        return Err(InfoError::PiecesLength(pieces.len()));
    }
    let (got, expected) = (pieces.len() / HASH_LENGTH, geometry.piece_count());
    if got != expected as usize {
        return Err(InfoError::PieceCount { got, expected });
    }
    Ok(())
}

/// Where `part` lies in `whole`, of which it is a slice; an empty range if it is none.
fn range_within(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr().wrapping_sub(whole.as_ptr().addr());
    let range = start..start.saturating_add(part.len());
    if whole.get(range.clone()).is_some() {
        range
    } else {
        0..0
    }
}

/// The torrent's name, decoded and raw.
struct Name<'a> {
    text: Cow<'a, str>,
    raw: &'a [u8],
}

impl<'a> Name<'a> {
    /// A name that names nothing is replaced by the info-hash, so that two such torrents do not meet in one folder.
    fn new(info: Node<'_, 'a>, encoding: TextEncoding, hashes: InfoHashes) -> Self {
        let raw = info.get("name").and_then(|name| name.as_bytes());
        let raw = raw.unwrap_or_default();
        let utf8 = info.get("name.utf-8").and_then(|name| name.as_str());
        let text = utf8.map_or_else(|| encoding.decode(raw), Cow::Borrowed);
        let text = match &*text {
            "" | "." | ".." => hashes.primary().to_string().into(),
            _ => text,
        };
        Self { text, raw }
    }
}

fn lay_out(
    info: Node<'_, '_>,
    name: &Name<'_>,
    encoding: TextEncoding,
) -> Result<(FileLayout, bool), InfoError> {
    match (info.get("length"), info.get("files")) {
        (None, None) => Err(InfoError::NoFiles),
        (Some(_), Some(_)) => Err(InfoError::LengthAndFiles),
        (Some(_), None) => Ok((lay_out_one(info, name)?, false)),
        (None, Some(files)) => Ok((lay_out_many(files, name, encoding)?, true)),
    }
}

fn lay_out_one(info: Node<'_, '_>, name: &Name<'_>) -> Result<FileLayout, InfoError> {
    let length = natural(info, "length")?;
    let mut builder = LayoutBuilder::new();
    let attributes = Attributes {
        // A torrent of one pad file or link would hold nothing.
        pad: false,
        symlink: None,
        ..attributes(info)
    };
    builder.push_raw(&[&*name.text], &[name.raw], length, &attributes)?;
    Ok(builder.finish()?)
}

fn lay_out_many<'a>(
    files: Node<'_, 'a>,
    name: &Name<'a>,
    encoding: TextEncoding,
) -> Result<FileLayout, InfoError> {
    let files = files.as_list().ok_or(FieldError::Type {
        field: "files",
        expected: "a list",
    })?;
    let mut builder = LayoutBuilder::in_folder(&name.text, name.raw);
    let mut parsed = ParsedFile::default();
    for (index, file) in files.enumerate() {
        parsed
            .read(file, encoding)
            .map_err(|error| InfoError::File {
                number: index + 1,
                error,
            })?;
        parsed.push_to(&mut builder)?;
    }
    Ok(builder.finish()?)
}

/// One entry of `files`; reused for the next, because there may be many.
#[derive(Default)]
struct ParsedFile<'a> {
    raw_path: Vec<&'a [u8]>,
    path: Vec<Cow<'a, str>>,
    length: u64,
    attributes: Attributes<'static>,
    symlink: Option<Vec<Cow<'a, str>>>,
}

impl<'a> ParsedFile<'a> {
    fn read(&mut self, file: Node<'_, 'a>, encoding: TextEncoding) -> Result<(), FieldError> {
        if file.as_dict().is_none() {
            return Err(FieldError::Type {
                field: "files",
                expected: "a list of dictionaries",
            });
        }
        self.attributes = attributes(file);
        self.symlink = symlink(file, encoding);
        self.length = match file.get("length") {
            None if self.symlink.is_some() => 0,
            _ => natural(file, "length")?,
        };
        self.read_path(file, encoding)
    }

    fn read_path(&mut self, file: Node<'_, 'a>, encoding: TextEncoding) -> Result<(), FieldError> {
        let wrong_type = FieldError::Type {
            field: "path",
            expected: "a list of names",
        };
        let path = file.get("path").ok_or(FieldError::Missing("path"))?;
        self.raw_path.clear();
        for component in path.as_list().ok_or(wrong_type)? {
            self.raw_path.push(component.as_bytes().ok_or(wrong_type)?);
        }
        self.path.clear();
        match utf8_path(file) {
            Some(path) => self.path.extend(path.into_iter().map(Cow::Borrowed)),
            None => self
                .path
                .extend(self.raw_path.iter().map(|raw| encoding.decode(raw))),
        }
        Ok(())
    }

    fn push_to(&self, builder: &mut LayoutBuilder) -> Result<(), InfoError> {
        let target = self.symlink.as_ref();
        let target: Option<Vec<&str>> = target.map(|path| path.iter().map(|c| &**c).collect());
        let attributes = Attributes {
            symlink: target.as_deref(),
            ..self.attributes
        };
        Ok(builder.push_raw(&self.path, &self.raw_path, self.length, &attributes)?)
    }
}

/// `path.utf-8`, which some clients write beside a `path` in another encoding.
fn utf8_path<'a>(file: Node<'_, 'a>) -> Option<Vec<&'a str>> {
    let path = file.get("path.utf-8")?.as_list()?;
    path.map(|component| component.as_str()).collect()
}

/// The letters of `attr` (BEP 47), links aside.
fn attributes(file: Node<'_, '_>) -> Attributes<'static> {
    let letters = file.get("attr").and_then(|attr| attr.as_bytes());
    let has = |letter| letters.is_some_and(|letters| letters.contains(&letter));
    Attributes {
        pad: has(b'p'),
        executable: has(b'x'),
        hidden: has(b'h'),
        symlink: None,
    }
}

/// Where a link leads; no components when it says so itself but gives no path that can be read.
fn symlink<'a>(file: Node<'_, 'a>, encoding: TextEncoding) -> Option<Vec<Cow<'a, str>>> {
    let letters = file.get("attr")?.as_bytes()?;
    letters.contains(&b'l').then_some(())?;
    let target = file.get("symlink path").and_then(|path| path.as_list());
    let components = target
        .into_iter()
        .flatten()
        .map(|component| component.as_bytes());
    let components: Option<Vec<_>> = components.collect();
    let decoded = components
        .unwrap_or_default()
        .into_iter()
        .map(|raw| encoding.decode(raw));
    Some(decoded.collect())
}

/// A number that is there and not negative.
fn natural(dict: Node<'_, '_>, field: &'static str) -> Result<u64, FieldError> {
    let node = dict.get(field).ok_or(FieldError::Missing(field))?;
    let value = node.as_int().ok_or(FieldError::Type {
        field,
        expected: WHOLE_NUMBER,
    })?;
    u64::try_from(value).map_err(|_| FieldError::Negative { field, value })
}

fn bytes<'a>(dict: Node<'_, 'a>, field: &'static str) -> Result<&'a [u8], FieldError> {
    let node = dict.get(field).ok_or(FieldError::Missing(field))?;
    node.as_bytes().ok_or(FieldError::Type {
        field,
        expected: "a string",
    })
}
