//! `headwater create`.

mod exclude;
mod faults;
mod input;
mod junk;
mod options;
mod plan;
mod walk;

use std::fs;
use std::mem;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use clap::Args;
use headwater_metainfo::Metainfo;
use headwater_metainfo::create::{CreateError, CreateOptions, Creator};

use self::exclude::Pattern;
use self::input::Input;
use self::walk::{Contents, Wish};
use crate::exit::{Failure, Result};
use crate::interrupt::Interrupt;
use crate::output::{Event, Output, Phase, Snapshot, with_progress};
use crate::source::{self, shown};
use crate::{units, write};

/// Make a torrent of a file or a folder
#[derive(Debug, Args)]
#[command(
    after_help = "What goes in: all regular files below the folder, hidden ones too, sorted by the bytes of their names. \
    Links are followed, so that the torrent has what they lead to. Left out, and told of, are empty folders, pipes, sockets \
    and devices, and junk: what file managers and systems leave behind, such as .DS_Store, Thumbs.db, desktop.ini, @eaDir, \
    lost+found or the ._NAME beside a NAME, and the marks of unfinished downloads, such as *.part, *.aria2 or .*.parts.\n\n\
    The same input and options give the same info-hash. With --no-date, or with SOURCE_DATE_EPOCH set in the environment, \
    they give the same file."
)]
pub(crate) struct Create {
    /// The file or folder
    path: PathBuf,
    /// Write the torrent here, `-` for standard output [default: the name with .torrent, in the current folder]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Announce to this tracker; repeat for another tier, separate with commas within a tier
    #[arg(short, long, value_name = "URL")]
    announce: Vec<String>,
    /// Name this web seed, where the same data is served over HTTP; repeatable
    #[arg(short, long, value_name = "URL")]
    web_seed: Vec<String>,
    /// Bytes in a piece, such as 256K or 1M: a power of two of at least 16K [default: chosen from the size]
    #[arg(long, value_name = "SIZE", value_parser = options::parse_piece_length)]
    piece_length: Option<u32>,
    /// Let peers come from the trackers only
    #[arg(long)]
    private: bool,
    /// Say this to whoever looks at the torrent
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
    /// Mark where the torrent comes from; changes the info-hash
    #[arg(long, value_name = "TEXT")]
    source: Option<String>,
    /// Leave out when the torrent was made
    #[arg(long)]
    no_date: bool,
    /// Make a torrent of version 1, which every client understands; this is the default
    #[arg(long)]
    v1: bool,
    /// Leave out what fits this pattern; repeatable. Without a slash it is for names anywhere, such as *.nfo; with one for
    /// paths below the folder, such as extras/*.jpg; with one at the end for folders, such as extras/
    #[arg(long, value_name = "GLOB", value_parser = exclude::parse)]
    exclude: Vec<Pattern>,
    /// Keep what systems leave behind and the marks of unfinished downloads
    #[arg(long)]
    include_junk: bool,
    /// Say what would go in and what would be left out; hash and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Overwrite the torrent if it is there
    #[arg(long)]
    force: bool,
}

impl Create {
    pub(crate) fn run(self, output: &Output, interrupt: &Interrupt) -> Result {
        let options = self.options()?;
        let target = self.target(&options.name);
        self.check_target(target.as_deref(), output)?;
        let wish = Wish {
            path: &self.path,
            name: &options.name,
            exclude: &self.exclude,
            include_junk: self.include_junk,
            target: target.as_deref(),
        };
        let mut contents = Contents::of(&wish, interrupt)?;
        plan::require_files(&self.path, &contents)?;
        plan::tell_oddities(output, &contents);
        let input = Input::new(mem::take(&mut contents.found));
        let fail = |error| faults::of_creator(&self.path, error);
        let creator = Creator::new(options, input.files.clone()).map_err(fail)?;
        tell_renamed(&creator, output);
        if self.dry_run {
            plan::print(output, &creator, &contents.left_out, target.as_deref());
            return Ok(());
        }
        plan::tell_left_out(output, &contents);
        let torrent = hash(&creator, &input, output, interrupt).map_err(fail)?;
        input.require_unchanged()?;
        match &target {
            Some(target) => write::file(target, &torrent, self.force)?,
            None => output.bytes(&torrent),
        }
        tell(output, &torrent, target.as_deref())
    }

    /// Refuses a target that could not be written, before the work is done. A dry run only tells of it.
    fn check_target(&self, target: Option<&Path>, output: &Output) -> Result {
        let checked = match target {
            Some(target) => write::refuse_existing(target, self.force),
            None if output.is_json() && !self.dry_run => {
                return Err(Failure::usage(
                    "standard output cannot have both the torrent and JSON; leave out --json, or name a file with -o",
                ));
            }
            None => Ok(()),
        };
        match checked {
            Err(failure) if self.dry_run => {
                output.warning(failure.message);
                Ok(())
            }
            checked => checked,
        }
    }

    fn options(&self) -> Result<CreateOptions> {
        Ok(CreateOptions {
            name: name_of(&self.path)?,
            piece_length: self.piece_length,
            private: self.private,
            comment: self.comment.clone(),
            source: self.source.clone(),
            created_by: Some(concat!("Headwater/", env!("CARGO_PKG_VERSION")).to_owned()),
            creation_date: if self.no_date {
                None
            } else {
                Some(options::date()?)
            },
            trackers: options::tiers(&self.announce)?,
            web_seeds: options::web_seeds(&self.web_seed)?,
        })
    }

    /// Where the torrent goes; `None` for standard output.
    fn target(&self, name: &str) -> Option<PathBuf> {
        match &self.output {
            Some(path) if path == Path::new("-") => None,
            Some(path) => Some(path.clone()),
            None => Some(PathBuf::from(format!("{name}.torrent"))),
        }
    }
}

/// The last component of the path, also where it ends in `.` or `..`.
fn name_of(path: &Path) -> Result<String> {
    let cannot_read = |error| Failure::io(format_args!("cannot read {}", shown(path)), &error);
    let name = match path.file_name() {
        Some(name) => name.to_owned(),
        None => fs::canonicalize(path)
            .map_err(cannot_read)?
            .file_name()
            .ok_or_else(|| {
                Failure::usage(format_args!(
                    "{} has no name that a torrent could have; name a folder in it",
                    shown(path)
                ))
            })?
            .to_owned(),
    };
    name.into_string()
        .map_err(|_| faults::not_unicode(path, ""))
}

fn tell_renamed(creator: &Creator, output: &Output) {
    for (given, saved) in creator.renamed_files() {
        output.warning(format_args!(
            "{given} will be saved as {saved} by those who download it"
        ));
    }
}

/// Hashes on as many threads as there are processors, and gives the torrent.
fn hash(
    creator: &Creator,
    input: &Input,
    output: &Output,
    interrupt: &Interrupt,
) -> Result<Vec<u8>, CreateError> {
    let done = AtomicU64::new(0);
    let count = |bytes| {
        done.fetch_add(bytes, Ordering::Relaxed);
        if interrupt.is_requested() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let snapshot = || Snapshot {
        phase: Phase::Hashing,
        done: done.load(Ordering::Relaxed),
        total: creator.geometry().total_size(),
    };
    let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let hashes = with_progress(output, snapshot, || creator.hash(input, threads, count))?;
    creator.torrent(&hashes)
}

/// What was made, read back from its own bytes. To standard error where the torrent itself went to standard output.
fn tell(output: &Output, torrent: &[u8], target: Option<&Path>) -> Result {
    let place = target.map_or_else(|| "the new torrent".to_owned(), shown);
    let torrent: Metainfo = source::parse(torrent, &place)?;
    let info = torrent.info();
    let Some(target) = target else {
        output.note(format_args!(
            "made a torrent with info-hash {}",
            torrent.info_hashes().primary()
        ));
        return Ok(());
    };
    let (count, length) = (
        info.geometry().piece_count(),
        info.geometry().piece_length(),
    );
    let noun = if count == 1 { "piece" } else { "pieces" };
    output.line(format_args!(
        "wrote {}: info-hash {}, {} in {} {noun} of {}",
        shown(target),
        torrent.info_hashes().primary(),
        units::size(info.layout().total_size()),
        units::grouped(count.into()),
        units::exact_size(length.into()),
    ));
    output.event(&Event::Created {
        path: target.to_string_lossy().into_owned(),
        info_hash_v1: torrent.info_hashes().primary().to_string(),
        size: info.layout().total_size(),
        piece_length: length,
        piece_count: count,
        files: info.layout().len(),
    });
    Ok(())
}
