//! `headwater create`.

mod input;
mod write;

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use headwater_metainfo::create::{CreateError, CreateOptions, Creator};
use headwater_metainfo::{Metainfo, PieceGeometry};
use headwater_tracker::TrackerUrl;

use self::input::Input;
use crate::exit::{Code, Failure, Result};
use crate::interrupt::Interrupt;
use crate::output::{Event, Output, Phase, Snapshot, printable, with_progress};
use crate::source::{self, shown};
use crate::units;

/// Says when the torrent was made, for builds that have to come out the same.
const DATE_VARIABLE: &str = "SOURCE_DATE_EPOCH";

/// Make a torrent of a file or a folder
#[derive(Debug, Args)]
#[command(
    after_help = "The same input and options give the same info-hash. With --no-date, or with SOURCE_DATE_EPOCH set \
    in the environment, they give the same file."
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
    #[arg(long, value_name = "SIZE", value_parser = parse_piece_length)]
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
    /// Overwrite the torrent if it is there
    #[arg(long)]
    force: bool,
}

impl Create {
    pub(crate) fn run(self, output: &Output, interrupt: &Interrupt) -> Result {
        let options = self.options()?;
        let target = self.target(&options.name);
        if let Some(target) = &target {
            write::refuse_existing(target, self.force)?;
        }
        let input = Input::find(&self.path, target.as_deref(), output)?;
        let fail = |error| failure(&self.path, error);
        let creator = Creator::new(options, input.files.clone()).map_err(fail)?;
        for (given, saved) in creator.renamed_files() {
            output.warning(format_args!(
                "{given} will be saved as {saved} by those who download it"
            ));
        }
        let torrent = hash(&creator, &input, output, interrupt).map_err(fail)?;
        match &target {
            Some(target) => write::file(target, &torrent, self.force)?,
            None => output.bytes(&torrent),
        }
        tell(output, &torrent, target.as_deref())
    }

    fn options(&self) -> Result<CreateOptions> {
        Ok(CreateOptions {
            name: input::name_of(&self.path)?,
            piece_length: self.piece_length,
            private: self.private,
            comment: self.comment.clone(),
            source: self.source.clone(),
            created_by: Some(concat!("Headwater/", env!("CARGO_PKG_VERSION")).to_owned()),
            creation_date: if self.no_date { None } else { Some(date()?) },
            trackers: tiers(&self.announce)?,
            web_seeds: web_seeds(&self.web_seed)?,
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
    output.line(format_args!(
        "wrote {}: info-hash {}, {} in {} pieces of {}",
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

fn failure(path: &Path, error: CreateError) -> Failure {
    match error {
        CreateError::Read { path, source } => {
            Failure::io(format_args!("cannot read {}", printable(&path)), &source)
        }
        CreateError::Interrupted => Failure::interrupted(),
        CreateError::Shorter(_) | CreateError::Longer(_) => Failure::failed(format_args!(
            "{error}; make the torrent when nobody writes to it any more"
        )),
        other => Failure::new(
            Code::Failed,
            format_args!("cannot make a torrent of {}: {other}", shown(path)),
        ),
    }
}

/// Seconds since 1970: now, unless the environment says otherwise.
fn date() -> Result<i64> {
    let Some(value) = std::env::var_os(DATE_VARIABLE) else {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        return Ok(now.map_or(0, |time| time.as_secs().cast_signed()));
    };
    let seconds = value.to_str().and_then(|text| text.parse().ok());
    seconds.ok_or_else(|| {
        Failure::usage(format_args!(
            "{DATE_VARIABLE} is not a number of seconds; set it right or unset it"
        ))
    })
}

fn tiers(announce: &[String]) -> Result<Vec<Vec<String>>> {
    let tiers = announce.iter().map(|tier| {
        let urls = tier.split(',').map(str::trim).filter(|url| !url.is_empty());
        urls.map(tracker_url).collect()
    });
    tiers.collect()
}

fn tracker_url(url: &str) -> Result<String> {
    match url.parse::<TrackerUrl>() {
        Ok(_) => Ok(url.to_owned()),
        Err(error) => Err(Failure::usage(format_args!(
            "`{url}` is no tracker's URL: {error}"
        ))),
    }
}

fn web_seeds(urls: &[String]) -> Result<Vec<String>> {
    let is_http = |url: &str| url.starts_with("http://") || url.starts_with("https://");
    match urls.iter().find(|url| !is_http(url)) {
        None => Ok(urls.to_vec()),
        Some(url) => Err(Failure::usage(format_args!(
            "`{url}` is no web seed: it begins with neither http:// nor https://"
        ))),
    }
}

fn parse_piece_length(text: &str) -> Result<u32, String> {
    let bytes = units::parse_size(text)?;
    let length = u32::try_from(bytes).unwrap_or(u32::MAX);
    let is_good =
        length.is_power_of_two() && (16 << 10..=PieceGeometry::MAX_PIECE_LENGTH).contains(&length);
    is_good.then_some(length).ok_or_else(|| {
        let longest = units::exact_size(PieceGeometry::MAX_PIECE_LENGTH.into());
        format!("a piece has a power of two of bytes, from 16 KiB to {longest}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn piece_lengths_are_powers_of_two() {
        assert_eq!(parse_piece_length("256K"), Ok(256 << 10));
        assert_eq!(parse_piece_length("512M"), Ok(512 << 20));
        for wrong in ["8K", "1G", "20000", "0", "3M", "99999T"] {
            assert!(parse_piece_length(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn commas_stay_in_a_tier_and_repetition_makes_tiers() {
        let given = ["http://a/x,udp://b:1".to_owned(), "http://c".to_owned()];
        let tiers = tiers(&given).unwrap();
        assert_eq!(tiers, [vec!["http://a/x", "udp://b:1"], vec!["http://c"]]);
        assert!(super::tiers(&["ftp://x".to_owned()]).is_err());
        assert!(web_seeds(&["ftp://x".to_owned()]).is_err());
    }
}
