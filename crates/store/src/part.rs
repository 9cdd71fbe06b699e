//! The part file: bytes of skipped files that share a piece with wanted ones.

mod slot;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::path::{Path, PathBuf};

use headwater_metainfo::{InfoHash, PieceGeometry};

use crate::file::id;
use crate::positioned::{Gather, read_exact_at, write_all_at};
use crate::ranges::RangeSet;
use slot::{HEAD_LENGTH, Record, SlotShape};

/// The part file of one torrent, with its index in memory. All positions are positions in the torrent.
///
/// The file is created by the first write and removed when its last byte is [forgotten](Self::forget).
#[derive(Debug)]
pub(crate) struct PartFile {
    path: PathBuf,
    info_hash: InfoHash,
    geometry: PieceGeometry,
    shape: SlotShape,
    file: Option<File>,
    slots: BTreeMap<u32, Slot>,
    /// Slots that a new piece may take.
    free: Vec<FreeSlot>,
    /// Slots that were given up since the last sync. Were they taken before the giving up is durable, a crash could
    /// leave the old record over the new data.
    given_up: Vec<FreeSlot>,
    slot_count: u32,
    portable: bool,
}

#[derive(Debug)]
struct Slot {
    index: u32,
    sequence: u32,
    /// Positions in the piece.
    ranges: RangeSet,
}

#[derive(Debug, Clone, Copy)]
struct FreeSlot {
    index: u32,
    sequence: u32,
}

impl FreeSlot {
    fn of(slot: &Slot) -> Self {
        Self {
            index: slot.index,
            sequence: slot.sequence,
        }
    }
}

impl PartFile {
    /// The part file at `path`, which need not exist. One that belongs to another torrent or is damaged counts as empty,
    /// a damaged slot as free.
    pub(crate) fn open(
        path: PathBuf,
        info_hash: InfoHash,
        geometry: PieceGeometry,
        read_only: bool,
        portable: bool,
    ) -> io::Result<Self> {
        let mut part = Self {
            path,
            info_hash,
            geometry,
            shape: SlotShape::new(geometry.piece_length()),
            file: None,
            slots: BTreeMap::new(),
            free: Vec::new(),
            given_up: Vec::new(),
            slot_count: 0,
            portable,
        };
        match open_existing(&part.path, read_only) {
            Ok(file) => part.load(file)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(part)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there is a file.
    pub(crate) fn exists(&self) -> bool {
        self.file.is_some()
    }

    /// Goes on at `path`, where the file is already, if there is one.
    pub(crate) fn moved_to(&mut self, path: PathBuf) -> io::Result<()> {
        if self.file.is_some() {
            self.file = Some(open_existing(&path, false)?);
        }
        self.path = path;
        Ok(())
    }

    /// Forgets everything: the file is gone.
    pub(crate) fn clear(&mut self) {
        self.file = None;
        self.slots.clear();
        self.free.clear();
        self.given_up.clear();
        self.slot_count = 0;
    }

    /// Whether any byte of `range` is here.
    pub(crate) fn touches(&self, range: Range<u64>) -> bool {
        !self.slots.is_empty() && self.extents(range).next().is_some()
    }

    /// What of `range` is here, in order, cut at the borders of pieces.
    pub(crate) fn extents(&self, range: Range<u64>) -> impl Iterator<Item = Range<u64>> + '_ {
        let pieces = self.geometry.pieces_touching(range.clone());
        self.slots
            .range(pieces.start..pieces.end)
            .flat_map(move |(&piece, slot)| {
                let (start, within) = self.within_piece(piece, &range);
                slot.ranges
                    .within(within)
                    .map(move |part| start + part.start..start + part.end)
            })
    }

    /// Reads bytes that are here: `offset..offset + buf.len()` must be one of the [extents](Self::extents), or part of one.
    pub(crate) fn read(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let (piece, within) = self.locate(offset);
        let slot = self.slots.get(&piece).ok_or(io::ErrorKind::NotFound)?;
        let file = self.file.as_ref().ok_or(io::ErrorKind::NotFound)?;
        read_exact_at(file, buf, self.shape.data_start(slot.index) + within)
    }

    /// Keeps `data` as the bytes from `offset` on.
    pub(crate) fn write(&mut self, offset: u64, data: &[IoSlice<'_>]) -> io::Result<()> {
        let length: usize = data.iter().map(|part| part.len()).sum();
        let range = offset..offset + length as u64;
        let mut gather = Gather::new(data);
        let mut now = Vec::new();
        for piece in self.geometry.pieces_touching(range.clone()) {
            let (_, within) = self.within_piece(piece, &range);
            gather.take(within.end - within.start, &mut now);
            self.write_in_piece(piece, within, &mut now)?;
        }
        Ok(())
    }

    /// Drops `range`, which now lies elsewhere or is worth nothing any more.
    pub(crate) fn forget(&mut self, range: Range<u64>) -> io::Result<()> {
        let pieces = self.geometry.pieces_touching(range.clone());
        let held: Vec<_> = self.slots.range(pieces).map(|(&piece, _)| piece).collect();
        for piece in held {
            let (_, within) = self.within_piece(piece, &range);
            self.forget_in_piece(piece, within)?;
        }
        if self.slots.is_empty() {
            self.remove()?;
        }
        Ok(())
    }

    /// Makes durable what was written.
    ///
    /// If it is not at its place any more, what was in it is lost: then what is there counts, and that is an error.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        if let Some(file) = &self.file {
            file.sync_all()?;
            let there = std::fs::metadata(&self.path).map(|metadata| id(&metadata));
            if there.as_ref().ok() != Some(&id(&file.metadata()?)) {
                self.look_again()?;
                let cause = "the part file was moved away or replaced";
                return Err(io::Error::new(io::ErrorKind::NotFound, cause));
            }
        }
        self.free.append(&mut self.given_up);
        Ok(())
    }

    fn look_again(&mut self) -> io::Result<()> {
        self.clear();
        match open_existing(&self.path, false) {
            Ok(file) => self.load(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn load(&mut self, file: File) -> io::Result<()> {
        let length = file.metadata()?.len();
        let mut head = vec![0; HEAD_LENGTH.min(length) as usize];
        read_exact_at(&file, &mut head, 0)?;
        if !slot::is_head_of(&head, self.info_hash, self.geometry.piece_length()) {
            tracing::warn!(path = %self.path.display(), "the part file is not this torrent's; its data is not used");
            return Ok(());
        }
        // The last slot need not reach its end: nothing is there if nothing was written.
        let slots = (length - HEAD_LENGTH.min(length)).div_ceil(self.shape.slot_length());
        self.slot_count = slots.min(u64::from(PieceGeometry::MAX_PIECES)) as u32;
        for index in 0..self.slot_count {
            self.load_slot(&file, index)?;
        }
        self.file = Some(file);
        Ok(())
    }

    fn load_slot(&mut self, file: &File, index: u32) -> io::Result<()> {
        let mut bytes = vec![0; 2 * self.shape.record_length() as usize];
        read_as_far_as_it_goes(file, &mut bytes, self.shape.slot_start(index))?;
        let (a, b) = bytes.split_at(self.shape.record_length() as usize);
        let count = self.geometry.piece_count();
        let newest = [a, b]
            .into_iter()
            .filter_map(|bytes| Record::decode(bytes, count, self.geometry.piece_length()))
            .max_by_key(|record| record.sequence);
        let sequence = newest.as_ref().map_or(0, |record| record.sequence);
        match newest {
            Some(Record {
                piece: Some(piece),
                ranges,
                ..
            }) if !ranges.is_empty() && !self.slots.contains_key(&piece) => {
                let slot = Slot {
                    index,
                    sequence,
                    ranges,
                };
                self.slots.insert(piece, slot);
            }
            _ => self.free.push(FreeSlot { index, sequence }),
        }
        Ok(())
    }

    fn write_in_piece(
        &mut self,
        piece: u32,
        within: Range<u64>,
        data: &mut [IoSlice<'_>],
    ) -> io::Result<()> {
        self.create_file()?;
        let mut slot = match self.slots.remove(&piece) {
            Some(slot) => slot,
            None => self.take_slot(),
        };
        let written = self.write_in_slot(piece, &mut slot, within, data);
        if slot.ranges.is_empty() {
            self.free.push(FreeSlot::of(&slot));
        } else {
            self.slots.insert(piece, slot);
        }
        written
    }

    fn write_in_slot(
        &self,
        piece: u32,
        slot: &mut Slot,
        within: Range<u64>,
        data: &mut [IoSlice<'_>],
    ) -> io::Result<()> {
        let file = self.file.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let start = self.shape.data_start(slot.index) + within.start;
        write_all_at(file, data, start, self.portable)?;
        if slot.ranges.covers(within.clone()) {
            return Ok(());
        }
        let mut ranges = slot.ranges.clone();
        ranges.insert(within);
        write_record(file, self.shape, slot, Some(piece), ranges, self.portable)
    }

    fn take_slot(&mut self) -> Slot {
        let free = self.free.pop().unwrap_or_else(|| {
            self.slot_count += 1;
            FreeSlot {
                index: self.slot_count - 1,
                sequence: 0,
            }
        });
        Slot {
            index: free.index,
            sequence: free.sequence,
            ranges: RangeSet::default(),
        }
    }

    fn forget_in_piece(&mut self, piece: u32, within: Range<u64>) -> io::Result<()> {
        let Some(slot) = self.slots.get_mut(&piece) else {
            return Ok(());
        };
        let mut ranges = slot.ranges.clone();
        ranges.remove(within);
        if ranges == slot.ranges {
            return Ok(());
        }
        let file = self.file.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let holder = Some(piece).filter(|_| !ranges.is_empty());
        write_record(file, self.shape, slot, holder, ranges, self.portable)?;
        if slot.ranges.is_empty() {
            self.given_up.push(FreeSlot::of(slot));
            self.slots.remove(&piece);
        }
        Ok(())
    }

    fn create_file(&mut self) -> io::Result<()> {
        if self.file.is_some() {
            return Ok(());
        }
        if let Some(parent) = self.path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        // Whatever is there is no part file of this torrent, or it would have been loaded.
        let file = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&self.path)?;
        let head = slot::encode_head(self.info_hash, self.geometry.piece_length());
        write_all_at(&file, &mut [IoSlice::new(&head)], 0, self.portable)?;
        self.file = Some(file);
        Ok(())
    }

    fn remove(&mut self) -> io::Result<()> {
        if self.file.take().is_some() {
            match std::fs::remove_file(&self.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.free.clear();
        self.given_up.clear();
        self.slot_count = 0;
        Ok(())
    }

    fn locate(&self, offset: u64) -> (u32, u64) {
        let length = u64::from(self.geometry.piece_length());
        ((offset / length) as u32, offset % length)
    }

    /// Where `piece` starts, and what of `range` lies in it, as positions in the piece.
    fn within_piece(&self, piece: u32, range: &Range<u64>) -> (u64, Range<u64>) {
        let bytes = self
            .geometry
            .piece_range(headwater_metainfo::PieceIndex(piece));
        let start = range.start.clamp(bytes.start, bytes.end);
        let end = range.end.clamp(bytes.start, bytes.end);
        (bytes.start, start - bytes.start..end - bytes.start)
    }
}

/// Writes the slot's next record, and remembers it once it stands.
fn write_record(
    file: &File,
    shape: SlotShape,
    slot: &mut Slot,
    piece: Option<u32>,
    ranges: RangeSet,
    portable: bool,
) -> io::Result<()> {
    if ranges.iter().len() > shape.max_ranges() {
        return Err(io::Error::other("too many separate ranges in one piece"));
    }
    let record = Record {
        sequence: slot.sequence.wrapping_add(1),
        piece,
        ranges,
    };
    let start = shape.record_start(slot.index, record.sequence);
    let bytes = record.encode();
    write_all_at(file, &mut [IoSlice::new(&bytes)], start, portable)?;
    slot.sequence = record.sequence;
    slot.ranges = record.ranges;
    Ok(())
}

fn open_existing(path: &Path, read_only: bool) -> io::Result<File> {
    let file = std::fs::OpenOptions::new()
        .read(true)
        .write(!read_only)
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::ErrorKind::IsADirectory.into())
    }
}

/// Reads up to the end of the file; what lies past it stays zero.
fn read_as_far_as_it_goes(file: &File, buf: &mut [u8], offset: u64) -> io::Result<()> {
    let left = file.metadata()?.len().saturating_sub(offset);
    let length = buf.len().min(usize::try_from(left).unwrap_or(usize::MAX));
    read_exact_at(file, &mut buf[..length], offset)
}
