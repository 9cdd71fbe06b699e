//! Torrents that the user names.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use headwater_metainfo::{MAX_TORRENT_SIZE, Metainfo, MetainfoError};

use crate::exit::{Failure, Result};
use crate::output::printable;

/// Reads and understands a `.torrent` file.
pub(crate) fn load(path: &Path) -> Result<Metainfo> {
    if path.to_string_lossy().starts_with("magnet:") && !path.exists() {
        return Err(Failure::usage(
            "a magnet link does not hold what this takes; name a .torrent file",
        ));
    }
    let bytes = read(path)
        .map_err(|error| Failure::io(format_args!("cannot read {}", shown(path)), &error))?;
    parse(&bytes, &shown(path))
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
