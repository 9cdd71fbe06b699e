//! The format: `HWRESUME`, version u32, crc32 u32 of what follows (both big-endian), a bencoded dictionary.
//!
//! | key | value |
//! |---|---|
//! | `downloaded`, `uploaded` | bytes |
//! | `have` | bitfield |
//! | `info_hash` | 20 bytes |
//! | `metadata` | the raw info dictionary; absent if it is kept elsewhere |
//! | `partial` | list of (piece, number of blocks, bitfield of blocks) |
//! | `pieces` | number of pieces |
//! | `priorities` | a byte a file, or nothing |
//! | `renamed` | list of (file, path), ascending; absent if there is none |
//! | `stamps` | 17 bytes a file: kind (0 missing, 1 file, 2 part file, 3 no part file), size u64, time i64 |

use bytes::Bytes;
use headwater_bencode::{Encoder, Node};
use headwater_metainfo::{
    BLOCK_LENGTH, Bitfield, FileIndex, InfoHash, PieceGeometry, PieceIndex, SafePath,
};

use super::{MAX_RESUME_SIZE, ResumeData, ResumeError};
use crate::FileStamp;

const MAGIC: &[u8; 8] = b"HWRESUME";
const VERSION: u32 = 1;
const HEAD_LENGTH: usize = 16;
const STAMP_LENGTH: usize = 17;
/// Most blocks that a piece can have.
const MAX_BLOCKS: u32 = PieceGeometry::MAX_PIECE_LENGTH.div_ceil(BLOCK_LENGTH);

impl ResumeData {
    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        let body = Encoder::dict_to_vec(|dict| {
            dict.key("downloaded").int(self.downloaded);
            dict.key("have").bytes(self.have.as_bytes());
            dict.key("info_hash").bytes(self.info_hash.as_bytes());
            if let Some(metadata) = &self.metadata {
                dict.key("metadata").bytes(metadata);
            }
            dict.key("partial").list(|list| {
                for (piece, blocks) in &self.partial {
                    list.item().int(piece.0);
                    list.item().int(blocks.len());
                    list.item().bytes(blocks.as_bytes());
                }
            });
            dict.key("pieces").int(self.have.len());
            dict.key("priorities").bytes(&self.priorities);
            if !self.renamed.is_empty() {
                dict.key("renamed").list(|list| {
                    for (file, path) in &self.renamed {
                        list.item().int(file.0);
                        list.item().bytes(path.as_str());
                    }
                });
            }
            dict.key("stamps").bytes(encode_stamps(&self.stamps));
            dict.key("uploaded").int(self.uploaded);
        });
        let mut bytes = Vec::with_capacity(HEAD_LENGTH + body.len());
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_be_bytes());
        bytes.extend(crc32fast::hash(&body).to_be_bytes());
        bytes.extend(body);
        bytes
    }

    /// From bytes. Sizes are bounded, and nothing is believed that the checksum does not cover.
    pub fn decode(bytes: &[u8]) -> Result<Self, ResumeError> {
        if bytes.len() > MAX_RESUME_SIZE {
            return Err(ResumeError::TooLarge);
        }
        let (head, body) = bytes
            .split_at_checked(HEAD_LENGTH)
            .ok_or(ResumeError::NotResumeData)?;
        if head[..8] != *MAGIC {
            return Err(ResumeError::NotResumeData);
        }
        let version = number(&head[8..12]);
        if version != VERSION {
            return Err(ResumeError::Version(version));
        }
        if number(&head[12..]) != crc32fast::hash(body) {
            return Err(ResumeError::Checksum);
        }
        let malformed = |_| ResumeError::Malformed("bencode");
        let document = headwater_bencode::decode(body).map_err(malformed)?;
        decode_body(document.root())
    }
}

fn decode_body(root: Node<'_, '_>) -> Result<ResumeData, ResumeError> {
    let pieces = integer(root, "pieces")?;
    if pieces > u64::from(PieceGeometry::MAX_PIECES) {
        return Err(ResumeError::Malformed("pieces"));
    }
    let pieces = pieces as u32;
    let info_hash = string(root, "info_hash")?;
    let info_hash = info_hash.try_into();
    let stamps = decode_stamps(string(root, "stamps")?)?;
    Ok(ResumeData {
        info_hash: InfoHash(info_hash.map_err(|_| ResumeError::Malformed("info_hash"))?),
        have: bitfield(string(root, "have")?, pieces, "have")?,
        partial: decode_partial(root, pieces)?,
        priorities: string(root, "priorities")?.to_vec(),
        renamed: decode_renamed(root, stamps.len())?,
        stamps,
        uploaded: integer(root, "uploaded")?,
        downloaded: integer(root, "downloaded")?,
        metadata: root
            .get("metadata")
            .and_then(|node| node.as_bytes())
            .map(Bytes::copy_from_slice),
    })
}

fn decode_partial(
    root: Node<'_, '_>,
    pieces: u32,
) -> Result<Vec<(PieceIndex, Bitfield)>, ResumeError> {
    const KEY: &str = "partial";
    let malformed = || ResumeError::Malformed(KEY);
    let mut list = root
        .get(KEY)
        .and_then(|node| node.as_list())
        .ok_or_else(malformed)?;
    let mut partial = Vec::new();
    while let Some(piece) = list.next() {
        let piece = small(piece, pieces).ok_or_else(malformed)?;
        let count = list.next().and_then(|node| small(node, MAX_BLOCKS + 1));
        let blocks = list.next().and_then(|node| node.as_bytes());
        let (Some(count), Some(blocks)) = (count, blocks) else {
            return Err(malformed());
        };
        partial.push((PieceIndex(piece), bitfield(blocks, count, KEY)?));
    }
    Ok(partial)
}

/// A path counts only if it is safe as it stands: one that would have to be changed was not written by us.
fn decode_renamed(
    root: Node<'_, '_>,
    files: usize,
) -> Result<Vec<(FileIndex, SafePath)>, ResumeError> {
    const KEY: &str = "renamed";
    let malformed = || ResumeError::Malformed(KEY);
    let Some(node) = root.get(KEY) else {
        return Ok(Vec::new());
    };
    let mut list = node.as_list().ok_or_else(malformed)?;
    let mut renamed: Vec<(FileIndex, SafePath)> = Vec::new();
    while let Some(file) = list.next() {
        let file = small(file, files as u32).map(FileIndex);
        let text = list.next().and_then(|node| node.as_bytes());
        let text = text.and_then(|text| std::str::from_utf8(text).ok());
        let (Some(file), Some(text)) = (file, text) else {
            return Err(malformed());
        };
        let path = SafePath::new(text.split('/'));
        if path.as_str() != text || renamed.last().is_some_and(|(last, _)| *last >= file) {
            return Err(malformed());
        }
        renamed.push((file, path));
    }
    Ok(renamed)
}

fn encode_stamps(stamps: &[FileStamp]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(stamps.len() * STAMP_LENGTH);
    for stamp in stamps {
        bytes.push(match (stamp.in_part_file, stamp.size) {
            (false, None) => 0,
            (false, Some(_)) => 1,
            (true, Some(_)) => 2,
            (true, None) => 3,
        });
        bytes.extend(stamp.size.unwrap_or(0).to_be_bytes());
        bytes.extend(stamp.modified.to_be_bytes());
    }
    bytes
}

fn decode_stamps(bytes: &[u8]) -> Result<Vec<FileStamp>, ResumeError> {
    let (stamps, []) = bytes.as_chunks::<STAMP_LENGTH>() else {
        return Err(ResumeError::Malformed("stamps"));
    };
    let decode = |stamp: &[u8; STAMP_LENGTH]| {
        let (kind, rest) = (stamp[0], &stamp[1..]);
        let (numbers, _) = rest.as_chunks::<8>();
        let size = u64::from_be_bytes(numbers[0]);
        Some(FileStamp {
            size: matches!(kind, 1 | 2).then_some(size),
            modified: i64::from_be_bytes(numbers[1]),
            in_part_file: matches!(kind, 2 | 3),
        })
        .filter(|_| kind <= 3)
        .ok_or(ResumeError::Malformed("stamps"))
    };
    stamps.iter().map(decode).collect()
}

fn bitfield(bytes: &[u8], length: u32, key: &'static str) -> Result<Bitfield, ResumeError> {
    Bitfield::from_bytes(bytes, length).map_err(|_| ResumeError::Malformed(key))
}

fn string<'a>(root: Node<'_, 'a>, key: &'static str) -> Result<&'a [u8], ResumeError> {
    let node = root.get(key);
    node.and_then(|node| node.as_bytes())
        .ok_or(ResumeError::Malformed(key))
}

fn integer(root: Node<'_, '_>, key: &'static str) -> Result<u64, ResumeError> {
    let node = root.get(key);
    node.and_then(|node| node.as_int())
        .and_then(|value| u64::try_from(value).ok())
        .ok_or(ResumeError::Malformed(key))
}

/// A number below `end`.
fn small(node: Node<'_, '_>, end: u32) -> Option<u32> {
    let value = u32::try_from(node.as_int()?).ok()?;
    (value < end).then_some(value)
}

fn number(bytes: &[u8]) -> u32 {
    bytes
        .first_chunk()
        .map_or(0, |four| u32::from_be_bytes(*four))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    prop_compose! {
        fn stamps()(parts in prop::collection::vec((prop::option::of(any::<u64>()), any::<i64>(), any::<bool>()), 0..5)) -> Vec<FileStamp> {
            let stamp = |(size, modified, in_part_file)| FileStamp { size, modified, in_part_file };
            parts.into_iter().map(stamp).collect()
        }
    }

    prop_compose! {
        fn resume()(info_hash: [u8; 20], bits in prop::collection::vec(any::<bool>(), 0..40),
                    partial in prop::collection::vec((0u32..40, prop::collection::vec(any::<bool>(), 1..20)), 0..4),
                    stamps in stamps(), renamed in prop::collection::btree_map(0u32..5, "[a-z]{1,9}(/[a-z]{1,9}){0,3}", 0..3), priorities in prop::collection::vec(any::<u8>(), 0..5),
                    uploaded in 0..i64::MAX as u64, downloaded in 0..i64::MAX as u64,
                    metadata in prop::option::of(prop::collection::vec(any::<u8>(), 0..50))) -> ResumeData {
            let pieces = bits.len() as u32;
            let files = stamps.len() as u32;
            ResumeData {
                renamed: renamed.iter().filter(|(file, _)| **file < files)
                    .map(|(file, path)| (FileIndex(*file), SafePath::new(path.split('/')))).collect(),
                info_hash: InfoHash(info_hash),
                have: to_bitfield(&bits),
                partial: partial.iter().filter(|(piece, _)| *piece < pieces)
                    .map(|(piece, bits)| (PieceIndex(*piece), to_bitfield(bits))).collect(),
                stamps, priorities, uploaded, downloaded,
                metadata: metadata.map(Bytes::from),
            }
        }
    }

    fn to_bitfield(bits: &[bool]) -> Bitfield {
        let mut field = Bitfield::new(bits.len() as u32);
        for (index, _) in (0..).zip(bits).filter(|(_, bit)| **bit) {
            field.set(PieceIndex(index));
        }
        field
    }

    fn with_renamed(list: &str) -> Vec<u8> {
        let stamps = [0; STAMP_LENGTH];
        let mut body = b"d10:downloadedi0e4:have0:9:info_hash20:aaaaaaaaaaaaaaaaaaaa7:partialle6:piecesi0e10:priorities0:".to_vec();
        body.extend(list.as_bytes());
        body.extend(b"6:stamps17:");
        body.extend(stamps);
        body.extend(b"8:uploadedi0ee");
        let mut bytes = [&MAGIC[..], &VERSION.to_be_bytes()].concat();
        bytes.extend(crc32fast::hash(&body).to_be_bytes());
        bytes.extend(body);
        bytes
    }

    #[test]
    fn data_from_before_files_could_be_renamed_is_read() {
        let old = ResumeData::decode(&with_renamed("")).unwrap();
        assert!(old.renamed.is_empty() && old.stamps.len() == 1);
    }

    #[test]
    fn paths_that_are_not_safe_are_refused() {
        let good = ResumeData::decode(&with_renamed("7:renamedli0e5:a/b.ce")).unwrap();
        assert_eq!(good.renamed, [(FileIndex(0), SafePath::new(["a", "b.c"]))]);
        for bad in [
            "li0e9:../escapee",
            "li0e4:/etce",
            "li0e4:a//be",
            "li0e0:e",
            "li0e1:.e",
            "li1e1:ae",
            "li0e1:ai0e1:be",
            "li0ee",
            "i0e",
            "li0e1:\u{1}e",
        ] {
            let bad = format!("7:renamed{bad}");
            assert!(ResumeData::decode(&with_renamed(&bad)).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn it_comes_back(resume in resume()) {
            prop_assert_eq!(ResumeData::decode(&resume.encode()).unwrap(), resume);
        }

        #[test]
        fn any_change_is_noticed(resume in resume(), at: prop::sample::Index, bit in 0u8..8) {
            let mut bytes = resume.encode();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert!(ResumeData::decode(&bytes).is_err());
        }

        #[test]
        fn any_cut_is_noticed(resume in resume(), at: prop::sample::Index) {
            let bytes = resume.encode();
            prop_assert!(ResumeData::decode(&bytes[..at.index(bytes.len())]).is_err());
        }

        #[test]
        fn a_body_that_lies_is_survived(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = [&MAGIC[..], &VERSION.to_be_bytes()].concat();
            bytes.extend(crc32fast::hash(&body).to_be_bytes());
            bytes.extend(body);
            let _ = ResumeData::decode(&bytes);
        }
    }
}
