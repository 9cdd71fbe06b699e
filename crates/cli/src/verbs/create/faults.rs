//! What keeps a torrent from being made, in words.

use std::io;
use std::path::Path;

use headwater_metainfo::create::CreateError;

use crate::exit::{Code, Failure, describe};
use crate::output::printable;
use crate::source::shown;

/// Why no torrent can be made of what is at `path`.
pub(super) fn of_creator(path: &Path, error: CreateError) -> Failure {
    match error {
        CreateError::Read { path, source } if source.kind() == io::ErrorKind::NotFound => {
            vanished(&printable(&path))
        }
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

/// What kept the walk from looking at something.
pub(super) fn walk(path: &Path, error: walkdir::Error) -> Failure {
    let place = shown(path);
    if error.loop_ancestor().is_some() {
        return Failure::failed(format_args!(
            "{place} is a link to a folder that holds it; remove the link, or leave it out with --exclude"
        ));
    }
    let is_link = || path.symlink_metadata().is_ok_and(|it| it.is_symlink());
    let error = io::Error::from(error);
    if error.kind() == io::ErrorKind::NotFound && is_link() {
        return Failure::failed(format_args!(
            "{place} is a link to what is not there; remove the link, or leave it out with --exclude"
        ));
    }
    unreadable(path, &error)
}

/// A file or folder that is there but cannot be read.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::NotFound {
        return vanished(&shown(path));
    }
    Failure::new(
        Code::of(error),
        format_args!(
            "cannot read {}: {}, or leave it out with --exclude",
            shown(path),
            describe(error)
        ),
    )
}

/// It was there a moment ago.
pub(super) fn vanished(place: &str) -> Failure {
    Failure::failed(format_args!(
        "{place} has vanished while the torrent was made; make it when nobody changes the files any more"
    ))
}

/// It was written to.
pub(super) fn changed(path: &Path) -> Failure {
    Failure::failed(format_args!(
        "{} has changed while it was read; make the torrent when nobody writes to it any more",
        shown(path)
    ))
}

/// A name that is no text; `advice` says what can be done beside renaming.
pub(super) fn not_unicode(path: &Path, advice: &str) -> Failure {
    Failure::failed(format_args!(
        "the name of {} is not UTF-8, which a torrent needs; rename it{advice}",
        shown(path)
    ))
}
