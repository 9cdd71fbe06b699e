//! `headwater show`.

use std::fmt::{self, Display, Write};
use std::path::PathBuf;

use clap::Args;
use headwater_metainfo::{FileEntry, Metainfo, PieceGeometry};
use serde::Serialize;

use crate::exit::Result;
use crate::output::{Output, printable};
use crate::{source, units};

/// Show what a torrent holds: name, info-hash, sizes, files and trackers.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The .torrent file
    #[arg(value_name = "SOURCE")]
    torrent: PathBuf,
}

impl Show {
    pub(crate) fn run(self, output: &Output) -> Result {
        let torrent = source::load(&self.torrent)?;
        if output.is_json() {
            output.event(&Json::new(&torrent));
        } else {
            let mut page = Page::new();
            page.torrent(&torrent).expect("a string takes any text");
            output.line(page.text());
        }
        Ok(())
    }
}

/// The object of `show --json`.
#[derive(Serialize)]
#[serde(tag = "event", rename = "torrent")]
struct Json<'a> {
    name: &'a str,
    info_hash_v1: Option<String>,
    info_hash_v2: Option<String>,
    size: u64,
    piece_length: u32,
    piece_count: u32,
    private: bool,
    source: Option<&'a str>,
    files: Vec<JsonFile<'a>>,
    trackers: &'a [Vec<String>],
    web_seeds: &'a [String],
    comment: Option<&'a str>,
    created_by: Option<&'a str>,
    creation_date: Option<i64>,
}

/// A file in an object of `--json`.
#[derive(Serialize)]
pub(super) struct JsonFile<'a> {
    path: &'a str,
    length: u64,
}

impl<'a> JsonFile<'a> {
    pub(super) fn of(file: &'a FileEntry) -> Self {
        Self {
            path: file.path().as_str(),
            length: file.length(),
        }
    }
}

impl<'a> Json<'a> {
    fn new(torrent: &'a Metainfo) -> Self {
        let info = torrent.info();
        let files = info.layout().files().iter().map(JsonFile::of);
        Self {
            name: info.name(),
            info_hash_v1: torrent.info_hashes().v1().map(|hash| hash.to_string()),
            info_hash_v2: torrent.info_hashes().v2().map(|hash| hash.to_string()),
            size: info.layout().total_size(),
            piece_length: info.geometry().piece_length(),
            piece_count: info.geometry().piece_count(),
            private: info.is_private(),
            source: info.source(),
            files: files.collect(),
            trackers: torrent.trackers(),
            web_seeds: torrent.web_seeds(),
            comment: torrent.comment(),
            created_by: torrent.created_by(),
            creation_date: torrent.creation_date(),
        }
    }
}

/// A torrent for human eyes.
pub(super) struct Page(String);

impl Page {
    pub(super) const fn new() -> Self {
        Self(String::new())
    }

    pub(super) fn text(&self) -> &str {
        self.0.trim_end()
    }

    fn torrent(&mut self, torrent: &Metainfo) -> fmt::Result {
        let info = torrent.info();
        self.field("name", printable(info.name()))?;
        if let Some(hash) = torrent.info_hashes().v1() {
            self.field("info-hash", hash)?;
        }
        if let Some(hash) = torrent.info_hashes().v2() {
            self.field("info-hash v2", hash)?;
        }
        self.measures(&info.geometry())?;
        if info.is_private() {
            self.field("private", "yes: peers come from its trackers only")?;
        }
        self.origin(torrent)?;
        self.addresses(torrent)?;
        self.files(info.layout().files())
    }

    /// Size and pieces.
    pub(super) fn measures(&mut self, geometry: &PieceGeometry) -> fmt::Result {
        let size = geometry.total_size();
        self.field(
            "size",
            format_args!("{} ({} bytes)", units::size(size), units::grouped(size)),
        )?;
        let count = units::grouped(geometry.piece_count().into());
        let length = units::exact_size(geometry.piece_length().into());
        self.field("pieces", format_args!("{count} of {length}"))
    }

    fn origin(&mut self, torrent: &Metainfo) -> fmt::Result {
        let texts = [
            ("source", torrent.info().source()),
            ("comment", torrent.comment()),
            ("made by", torrent.created_by()),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                self.field(name, printable(text))?;
            }
        }
        match torrent.creation_date().and_then(units::date) {
            Some(date) => self.field("made on", date),
            None => Ok(()),
        }
    }

    fn addresses(&mut self, torrent: &Metainfo) -> fmt::Result {
        let several = torrent.trackers().len() > 1;
        for (number, tier) in (1..).zip(torrent.trackers()) {
            for url in tier {
                let url = printable(url);
                if several {
                    self.field("tracker", format_args!("{url} (tier {number})"))?;
                } else {
                    self.field("tracker", url)?;
                }
            }
        }
        for url in torrent.web_seeds() {
            self.field("web seed", printable(url))?;
        }
        Ok(())
    }

    /// With the numbers that `--select` and `--file` take.
    pub(super) fn files(&mut self, files: &[FileEntry]) -> fmt::Result {
        self.field("files", units::grouped(files.len() as u64))?;
        let width = files.len().to_string().len().max(4);
        for (number, file) in (1..).zip(files) {
            let size = units::size(file.length());
            let path = printable(file.path().as_str());
            writeln!(self.0, "{number:>width$}  {size:>9}  {path}{}", Marks(file))?;
        }
        Ok(())
    }

    pub(super) fn field(&mut self, name: &str, value: impl Display) -> fmt::Result {
        writeln!(self.0, "{name:<14}{value}")
    }

    /// A line below a field.
    pub(super) fn row(&mut self, label: &str, value: impl Display) -> fmt::Result {
        writeln!(self.0, "{label:>15}  {value}")
    }
}

/// What is special about a file.
struct Marks<'a>(&'a FileEntry);

impl Display for Marks<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(file) = self;
        if let Some(target) = file.symlink_target() {
            write!(f, " -> {}", printable(target.as_str()))?;
        }
        let marks = [
            (file.is_pad(), "padding"),
            (file.is_executable(), "executable"),
            (file.is_hidden(), "hidden"),
        ];
        for (_, mark) in marks.into_iter().filter(|(is_set, _)| *is_set) {
            write!(f, " [{mark}]")?;
        }
        Ok(())
    }
}
