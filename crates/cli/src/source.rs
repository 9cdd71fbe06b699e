//! Torrents that the user names.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use headwater_metainfo::{InfoHash, InfoHashes, MAX_TORRENT_SIZE, Magnet, Metainfo, MetainfoError};

use crate::exit::{Failure, Result};
use crate::output::printable;

/// Reads and understands a `.torrent` file.
pub(crate) fn load(path: &Path) -> Result<Metainfo> {
    if path.to_string_lossy().starts_with("magnet:") && !path.exists() {
        return Err(Failure::usage(
            "a magnet link does not hold what this takes; get the .torrent file with headwater magnet --fetch",
        ));
    }
    let bytes = read(path)
        .map_err(|error| Failure::io(format_args!("cannot read {}", shown(path)), &error))?;
    parse(&bytes, &shown(path))
}

/// The magnet link that a text is, or that an info-hash is as good as; `None` if it is neither.
pub(crate) fn link(text: &str) -> Result<Option<Magnet>> {
    let head = text.get(.."magnet:".len());
    if head.is_some_and(|head| head.eq_ignore_ascii_case("magnet:")) {
        return text.parse().map(Some).map_err(Failure::usage);
    }
    let hash = text.parse::<InfoHash>().ok();
    let hash = hash.filter(|_| !Path::new(text).exists());
    Ok(hash.map(|hash| Magnet::new(InfoHashes::v1_only(hash))))
}

/// Understands a torrent that came from `place`.
pub(crate) fn parse(bytes: &[u8], place: &str) -> Result<Metainfo> {
    Metainfo::from_bytes(bytes).map_err(|error| unusable(place, &error))
}

/// What came from `place` is no torrent.
pub(crate) fn unusable(place: &str, error: &MetainfoError) -> Failure {
    Failure::failed(format_args!(
        "cannot use {place}: {error}; get the .torrent file again"
    ))
}

/// A path for messages.
pub(crate) fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy()).into_owned()
}

/// No more than a torrent may have, and a byte to tell that there was more.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let mut bytes = Vec::new();
    file.take(MAX_TORRENT_SIZE as u64 + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}
