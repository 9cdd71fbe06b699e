//! Which files of a torrent are wanted.

use globset::{Glob, GlobSet, GlobSetBuilder};
use headwater_metainfo::{FileEntry, Info};

use crate::exit::{Failure, Result};
use crate::output::printable;
use crate::ranges::Ranges;

/// One priority a file: 1 for those that are selected by number or pattern, 0 for the rest.
pub(super) fn priorities(
    info: &Info,
    select: Option<&Ranges>,
    patterns: &[Glob],
) -> Result<Vec<u32>> {
    let files = info.layout().files();
    let mut priorities = vec![0; files.len()];
    if let Some(select) = select {
        let count = files.len() as u32;
        let numbers = select.numbers(1..=count).map_err(|outside| {
            Failure::usage(format_args!(
                "there is no file {outside}: the torrent's are 1 to {count}; see headwater show"
            ))
        })?;
        for number in numbers {
            priorities[number as usize - 1] = 1;
        }
    }
    let set = glob_set(patterns)?;
    for (file, priority) in files.iter().zip(&mut priorities) {
        if fits(&set, file, info.is_multi_file()) {
            *priority = 1;
        }
    }
    if priorities.contains(&1) {
        return Ok(priorities);
    }
    let name = printable(info.name());
    Err(Failure::usage(format_args!(
        "no file of {name} fits --match; see headwater show for their names"
    )))
}

fn glob_set(patterns: &[Glob]) -> Result<GlobSet> {
    let mut builder = GlobSetBuilder::new();
    for pattern in patterns {
        builder.add(pattern.clone());
    }
    builder.build().map_err(|error| {
        Failure::usage(format_args!(
            "the patterns of --match cannot be used: {error}"
        ))
    })
}

/// With the torrent's own folder in front of the path, or without it.
fn fits(set: &GlobSet, file: &FileEntry, is_multi_file: bool) -> bool {
    let path = file.path().as_str();
    let below = path.split_once('/').filter(|_| is_multi_file);
    set.is_match(path) || below.is_some_and(|(_, below)| set.is_match(below))
}

#[cfg(test)]
mod tests {
    use headwater_metainfo::Metainfo;
    use headwater_metainfo::create::{CreateOptions, Creator, InputFile};

    use super::*;

    fn torrent() -> Metainfo {
        let files = ["a.mkv", "b.nfo", "sub/c.mkv"].map(|path| InputFile::new(path.split('/'), 1));
        let creator = Creator::new(CreateOptions::new("t"), files.into()).unwrap();
        Metainfo::from_bytes(&creator.torrent(&[[0; 20]]).unwrap()).unwrap()
    }

    fn selected(select: Option<&str>, patterns: &[&str]) -> Result<Vec<u32>> {
        let select = select.map(|text| text.parse().unwrap());
        let patterns: Vec<_> = patterns
            .iter()
            .map(|text| Glob::new(text).unwrap())
            .collect();
        priorities(torrent().info(), select.as_ref(), &patterns)
    }

    #[test]
    fn by_number_by_pattern_and_both() {
        assert_eq!(selected(Some("2"), &[]).unwrap(), [0, 1, 0]);
        assert_eq!(selected(None, &["*.mkv"]).unwrap(), [1, 0, 1]);
        assert_eq!(selected(None, &["sub/*"]).unwrap(), [0, 0, 1]);
        assert_eq!(selected(None, &["t/a*"]).unwrap(), [1, 0, 0]);
        assert_eq!(selected(Some("2"), &["a.*"]).unwrap(), [1, 1, 0]);
    }

    #[test]
    fn a_selection_of_nothing_is_refused() {
        assert!(selected(Some("4"), &[]).is_err());
        assert!(selected(Some("0"), &[]).is_err());
        assert!(selected(None, &["*.iso"]).is_err());
    }
}
