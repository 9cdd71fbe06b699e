//! Whether resume data tells the truth.

use headwater_metainfo::{Bitfield, PieceIndex};
use headwater_store::{ResumeData, Storage};

use super::sample::Sample;

/// What resume data claimed, and what of it was wrong.
#[derive(Default)]
pub(super) struct Findings {
    /// Pieces that it claims.
    pub(super) pieces: u64,
    /// Those of them that a restart takes for granted, because no file has changed since.
    pub(super) trusted: u64,
    /// Blocks of incomplete pieces that it claims.
    pub(super) blocks: u64,
    pub(super) lies: Vec<String>,
}

/// Compares everything that `resume` claims with the bytes that `storage` has: also what a restart would check again
/// because a file has changed since.
pub(super) fn check(
    sample: &Sample,
    resume: &ResumeData,
    storage: &dyn Storage,
) -> anyhow::Result<Findings> {
    let info = sample.metainfo.info();
    let trusted = resume.validate(&**info, &storage.stamps()?)?;
    let mut findings = Findings {
        trusted: trusted.have.count().into(),
        ..Findings::default()
    };
    for piece in resume.have.ones() {
        findings.pieces += 1;
        let range = info.geometry().piece_range(piece);
        if !is_right(sample, storage, range) {
            findings.lies.push(format!("piece {piece} is claimed"));
        }
    }
    for (piece, blocks) in &resume.partial {
        findings.check_blocks(sample, storage, *piece, blocks);
    }
    Ok(findings)
}

impl Findings {
    fn check_blocks(
        &mut self,
        sample: &Sample,
        storage: &dyn Storage,
        piece: PieceIndex,
        blocks: &Bitfield,
    ) {
        let geometry = sample.metainfo.info().geometry();
        for block in blocks.ones() {
            self.blocks += 1;
            let Some(span) = geometry.block(piece, block.0) else {
                self.lies
                    .push(format!("piece {piece} has no block {block}"));
                continue;
            };
            let start = geometry.span_start(span);
            if !is_right(sample, storage, start..start + u64::from(span.length)) {
                let lie = format!("block {block} of piece {piece} is claimed");
                self.lies.push(lie);
            }
        }
    }
}

fn is_right(sample: &Sample, storage: &dyn Storage, range: std::ops::Range<u64>) -> bool {
    let expected = &sample.data[range.start as usize..range.end as usize];
    let mut there = vec![0; expected.len()];
    storage.read_at(range.start, &mut there).is_ok() && there == expected
}
