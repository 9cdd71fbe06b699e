//! `headwater verify`.

mod check;
mod report;
mod state;

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use headwater_metainfo::{FileIndex, Info, PieceIndex};
use headwater_store::{FileOptions, FileStorage, Options, PieceStore, Pool, PoolOptions};

use self::report::Report;
use crate::args::Dir;
use crate::exit::{Code, Failure, Result, describe};
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::ranges::Ranges;
use crate::source::{self, shown};

/// Check data on disk against a torrent, without changing anything.
///
/// Prints which pieces of which files do not match.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 all checked pieces match; 3 some do not, or are missing; 5 some cannot be read for want of \
    permission; 7 interrupted; what was found until then is printed."
)]
pub(crate) struct Verify {
    /// The .torrent file
    torrent: PathBuf,
    #[command(flatten)]
    dir: Dir,
    /// Check these pieces only, counted from 0, such as 1-5,34-56
    #[arg(long, value_name = "RANGES", conflicts_with = "file")]
    pieces: Option<Ranges>,
    /// Check the pieces of these files only, by their numbers in `show`, such as 2 or 1,3-5; repeatable
    #[arg(long, value_name = "N")]
    file: Vec<Ranges>,
}

/// What is to be checked.
struct Scope {
    pieces: Vec<PieceIndex>,
    files: Vec<FileIndex>,
}

impl Verify {
    pub(crate) fn run(self, output: &Output, interrupt: &Interrupt) -> Result {
        let torrent = source::load(&self.torrent)?;
        let info = torrent.info();
        let scope = self.scope(info)?;
        let storage = Arc::new(self.storage(info)?);
        let store = PieceStore::new(
            Arc::clone(info) as _,
            Arc::clone(&storage) as _,
            Options::default(),
        );
        let findings = check::run(&store, &scope.pieces, info, output, interrupt)?;
        let report = Report::new(info, &storage, &findings);
        report.tell_oddities(&scope.files, output);
        report.tell(output)
    }

    fn scope(&self, info: &Info) -> Result<Scope> {
        let (pieces, files) = if let Some(ranges) = &self.pieces {
            (piece_numbers(ranges, info)?, Vec::new())
        } else if self.file.is_empty() {
            let files = (0..info.layout().len() as u32).map(FileIndex);
            (
                (0..info.geometry().piece_count()).collect(),
                files.collect(),
            )
        } else {
            let files = file_indices(&self.file, info)?;
            (pieces_of(&files, info), files)
        };
        Ok(Scope {
            pieces: pieces.into_iter().map(PieceIndex).collect(),
            files,
        })
    }

    /// Reads only, so links may lead anywhere.
    fn storage(&self, info: &Arc<Info>) -> Result<FileStorage> {
        let dir = &self.dir.dir;
        if dir.metadata().is_ok_and(|it| !it.is_dir()) {
            return Err(Failure::usage(format_args!(
                "{} is no folder; --dir takes the one that holds {}",
                shown(dir),
                shown(info.name().as_ref())
            )));
        }
        let options = FileOptions {
            read_only: true,
            follow_links: true,
            // More than are read side by side, and few enough for any system.
            pool: Pool::new(PoolOptions {
                max_open_files: 64,
                ..PoolOptions::default()
            }),
            ..FileOptions::default()
        };
        FileStorage::new(Arc::clone(info) as _, dir, options).map_err(|error| {
            let cause = describe(error.cause());
            Failure::new(
                Code::of(error.cause()),
                format_args!(
                    "cannot {} {}: {cause}",
                    error.operation(),
                    shown(error.path())
                ),
            )
        })
    }
}

fn piece_numbers(ranges: &Ranges, info: &Info) -> Result<Vec<u32>> {
    let last = info.geometry().piece_count() - 1;
    ranges.numbers(0..=last).map_err(|outside| {
        Failure::usage(format_args!(
            "there is no piece {outside}: the torrent's are 0 to {last}"
        ))
    })
}

/// The files with these numbers, counted from 1 as `show` does.
fn file_indices(given: &[Ranges], info: &Info) -> Result<Vec<FileIndex>> {
    let count = info.layout().len() as u32;
    let mut files = Vec::new();
    for ranges in given {
        let numbers = ranges.numbers(1..=count).map_err(|outside| {
            Failure::usage(format_args!(
                "there is no file {outside}: the torrent's are 1 to {count}; see headwater show"
            ))
        })?;
        files.extend(numbers.into_iter().map(|number| FileIndex(number - 1)));
    }
    files.sort_unstable();
    files.dedup();
    Ok(files)
}

/// Each piece once, in ascending order.
fn pieces_of(files: &[FileIndex], info: &Info) -> Vec<u32> {
    let geometry = info.geometry();
    let pieces = files
        .iter()
        .flat_map(|file| info.layout().pieces_of(*file, &geometry));
    let mut pieces: Vec<u32> = pieces.collect();
    // A piece is shared by neighbours only, and the files are in order.
    pieces.dedup();
    pieces
}
