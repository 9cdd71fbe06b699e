//! The session's errors in words for the user, with the exit code that says what they mean.

use headwater_session::{
    AddError, FetchError, MetadataError, SessionError, StorageError, StorageErrorKind, TorrentError,
};

use crate::exit::{Code, Failure};
use crate::output::printable;
use crate::source::{shown, unusable};

/// Why a torrent cannot be added. `place` is where it came from.
pub(crate) fn add_failure(place: &str, error: AddError) -> Failure {
    match error {
        AddError::Read { path, error } => {
            Failure::io(format_args!("cannot read {}", shown(&path)), &error)
        }
        AddError::Fetch { url, error } => {
            let code = match error {
                FetchError::Timeout => Code::TimedOut,
                _ => Code::Failed,
            };
            let url = printable(&url);
            Failure::new(
                code,
                format_args!("cannot fetch {url}: {error}; check the address and the network"),
            )
        }
        AddError::Metainfo(error) => unusable(place, &error),
        AddError::Storage(error) => storage_failure(&error),
        AddError::AlreadyAdded(_) => Failure::usage(format_args!(
            "{place} is the same torrent as one before it; name it once"
        )),
        other => Failure::failed(format_args!("cannot add {place}: {other}")),
    }
}

/// Why a session cannot start.
pub(crate) fn session_failure(error: &SessionError) -> Failure {
    match error {
        SessionError::AddrInUse(address) => Failure::failed(format_args!(
            "cannot listen on {address}: the port is in use; choose another with --port, or 0 for any"
        )),
        SessionError::Bind { address, error } => {
            Failure::io(format_args!("cannot listen on {address}"), error)
        }
        other => Failure::failed(other),
    }
}

/// Why a torrent stopped.
pub(super) fn torrent_failure(error: &TorrentError) -> Failure {
    match (error.storage(), error.metadata()) {
        (Some(error), _) => storage_failure(error),
        (None, Some(MetadataError::Selection(error))) => Failure::usage(error),
        (None, Some(error)) => Failure::failed(format_args!(
            "{error}; the link leads to nothing that can be downloaded"
        )),
        (None, None) => Failure::failed(error),
    }
}

fn storage_failure(error: &StorageError) -> Failure {
    let (code, advice) = match error.kind() {
        StorageErrorKind::DiskFull => (
            Code::Disk,
            "make room and run the same command again to go on",
        ),
        StorageErrorKind::Permission | StorageErrorKind::ReadOnly => (
            Code::Disk,
            "choose a folder with --dir that may be written to",
        ),
        StorageErrorKind::WrongType => (Code::Failed, "choose another folder with --dir"),
        StorageErrorKind::OutsideBase => (
            Code::Failed,
            "remove the link, or choose another folder with --dir",
        ),
        _ => (Code::Failed, "run the same command again to go on"),
    };
    Failure::new(code, format_args!("{error}; {advice}"))
}
