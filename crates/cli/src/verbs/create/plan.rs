//! What a torrent would be, for `--dry-run`, and what it leaves out.

use std::fmt;
use std::path::Path;

use headwater_metainfo::create::Creator;
use serde::Serialize;

use super::walk::{Contents, LeftOut, Reason};
use crate::exit::{Failure, Result};
use crate::output::{Output, printable};
use crate::source::shown;
use crate::units;
use crate::verbs::show::{JsonFile, Page};

/// Something was found that a torrent can be made of.
pub(super) fn require_files(path: &Path, contents: &Contents) -> Result {
    if !contents.found.is_empty() || contents.left_out.is_empty() {
        return Ok(());
    }
    Err(Failure::failed(format_args!(
        "cannot make a torrent of {}: all that is there is left out: {}",
        shown(path),
        summary(&contents.left_out)
    )))
}

/// Says what may surprise: patterns that may be misspelt, and data that cannot be seeded from where it lies.
pub(super) fn tell_oddities(output: &Output, contents: &Contents) {
    if let [first, more @ ..] = &*contents.far_links {
        let lead = match more.len() {
            0 => "leads".to_owned(),
            more => format!("and {more} more lead"),
        };
        output.warning(format_args!(
            "{} {lead} elsewhere; the data goes in, but headwater seed follows no link out of its --dir",
            shown(first)
        ));
    }
    for pattern in &contents.idle_patterns {
        output.warning(format_args!("nothing fits --exclude {pattern}"));
    }
}

/// Says in a line how much is left out.
pub(super) fn tell_left_out(output: &Output, contents: &Contents) {
    if !contents.left_out.is_empty() {
        output.note(format_args!(
            "left out: {}; --dry-run lists it",
            summary(&contents.left_out)
        ));
    }
}

/// Prints what the torrent would be.
pub(super) fn print(
    output: &Output,
    creator: &Creator,
    left_out: &[LeftOut],
    target: Option<&Path>,
) {
    if output.is_json() {
        output.event(&Planned::new(creator, left_out, target));
    } else {
        output.line(page(creator, left_out, target).text());
    }
}

/// `junk 2 (--include-junk keeps it), empty folders 1`.
fn summary(left_out: &[LeftOut]) -> String {
    let kinds = [
        (Reason::Junk, "junk", " (--include-junk keeps it)"),
        (Reason::Excluded, "excluded", ""),
        (Reason::Special, "special files", ""),
        (Reason::EmptyFolder, "empty folders", ""),
    ];
    let texts = kinds.into_iter().filter_map(|(reason, name, advice)| {
        let count = left_out.iter().filter(|it| it.reason == reason).count();
        (count > 0).then(|| format!("{name} {}{advice}", units::grouped(count as u64)))
    });
    let texts: Vec<_> = texts.collect();
    texts.join(", ")
}

fn page(creator: &Creator, left_out: &[LeftOut], target: Option<&Path>) -> Page {
    let mut page = Page::new();
    let written = write_page(&mut page, creator, left_out, target);
    written.expect("a string takes any text");
    page
}

fn write_page(
    page: &mut Page,
    creator: &Creator,
    left_out: &[LeftOut],
    target: Option<&Path>,
) -> fmt::Result {
    let target = target.map_or_else(|| "standard output".to_owned(), shown);
    page.field("would write", target)?;
    page.measures(&creator.geometry())?;
    page.files(creator.layout().files())?;
    if !left_out.is_empty() {
        page.field("left out", units::grouped(left_out.len() as u64))?;
    }
    for it in left_out {
        page.row(it.reason.word(), printable(&it.path))?;
    }
    Ok(())
}

impl Reason {
    const fn word(self) -> &'static str {
        match self {
            Self::Junk => "junk",
            Self::Excluded => "excluded",
            Self::Special => "no regular file",
            Self::EmptyFolder => "empty folder",
        }
    }
}

/// The object of `create --dry-run --json`.
#[derive(Serialize)]
#[serde(tag = "event", rename = "planned")]
struct Planned<'a> {
    path: Option<String>,
    size: u64,
    piece_length: u32,
    piece_count: u32,
    files: Vec<JsonFile<'a>>,
    left_out: &'a [LeftOut],
}

impl<'a> Planned<'a> {
    fn new(creator: &'a Creator, left_out: &'a [LeftOut], target: Option<&Path>) -> Self {
        let geometry = creator.geometry();
        Self {
            path: target.map(|target| target.to_string_lossy().into_owned()),
            size: geometry.total_size(),
            piece_length: geometry.piece_length(),
            piece_count: geometry.piece_count(),
            files: creator.layout().files().iter().map(JsonFile::of).collect(),
            left_out,
        }
    }
}
