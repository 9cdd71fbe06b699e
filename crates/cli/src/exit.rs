//! What can become of a run, and the exit code that says so.

use std::fmt;
use std::io;
use std::process::ExitCode;

/// A run that did not do what was asked, and why.
pub(crate) type Result<T = (), E = Failure> = std::result::Result<T, E>;

/// The exit codes other than 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    /// Something failed, and none of the others says it better.
    Failed = 1,
    /// The command line cannot be meant as it is.
    Usage = 2,
    /// Data does not match the torrent.
    Mismatch = 3,
    /// Nothing came for too long, or no metadata.
    TimedOut = 4,
    /// The disk is full, or the system does not permit it.
    Disk = 5,
    /// Interrupted before everything was done.
    Interrupted = 7,
}

impl Code {
    /// The code that says what an I/O error means to the user.
    pub(crate) fn of(error: &io::Error) -> Self {
        use io::ErrorKind as Kind;
        match error.kind() {
            Kind::PermissionDenied
            | Kind::ReadOnlyFilesystem
            | Kind::StorageFull
            | Kind::QuotaExceeded
            | Kind::FileTooLarge => Self::Disk,
            _ => Self::Failed,
        }
    }
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

/// Why a run ends without having done what was asked: one line for the user, and the exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(code: Code, message: impl fmt::Display) -> Self {
        Self {
            code,
            message: message.to_string(),
        }
    }

    pub(crate) fn failed(message: impl fmt::Display) -> Self {
        Self::new(Code::Failed, message)
    }

    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self::new(Code::Usage, message)
    }

    /// The failure of something that touches files: `what` names the deed and the place.
    pub(crate) fn io(what: impl fmt::Display, error: &io::Error) -> Self {
        Self::new(Code::of(error), format_args!("{what}: {}", describe(error)))
    }

    pub(crate) fn interrupted() -> Self {
        Self::new(Code::Interrupted, "interrupted before everything was done")
    }
}

/// An I/O error in words, with what can be done about it where that is known.
pub(crate) fn describe(error: &io::Error) -> String {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::NotFound => "there is no such file or folder; check the path".into(),
        Kind::PermissionDenied => "permission denied; check who owns it and its mode".into(),
        Kind::ReadOnlyFilesystem => "the file system is read-only; choose another folder".into(),
        Kind::StorageFull => "the disk is full; make room and run the same command again".into(),
        Kind::QuotaExceeded => {
            "the quota is used up; make room and run the same command again".into()
        }
        Kind::NotADirectory => "a part of the path is a file, not a folder; check the path".into(),
        Kind::IsADirectory => "this is a folder, not a file".into(),
        Kind::AddrInUse => {
            "the address is in use; choose another port or stop the other program".into()
        }
        Kind::AddrNotAvailable => "this machine does not have the address; check it".into(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disks_faults_have_a_code_of_their_own() {
        let code = |kind| Code::of(&io::Error::from(kind));
        assert_eq!(code(io::ErrorKind::StorageFull), Code::Disk);
        assert_eq!(code(io::ErrorKind::PermissionDenied), Code::Disk);
        assert_eq!(code(io::ErrorKind::NotFound), Code::Failed);
    }
}
