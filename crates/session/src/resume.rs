//! Where resume data is kept, and what it says at the start.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use headwater_metainfo::{Bitfield, FileIndex, FileLayout, Info, InfoHash, PieceIndex, SafePath};
use headwater_store::{FileStamp, ResumeData, ResumeError, Storage, StorageError};

use crate::torrent::Transferred;

/// Where a torrent keeps its resume data by itself.
///
/// It is saved when the torrent completes, pauses, stops, moves or is shut down, and while it downloads as
/// [`SyncPolicy`](crate::SyncPolicy) says; always after what it claims was made durable. Files that have changed since are checked at the next start, and
/// only those, so that a process that was killed goes on from what it had.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ResumePolicy {
    /// Nowhere: the program uses [`Torrent::resume_data`](crate::Torrent::resume_data), or everything is checked at each start.
    #[default]
    Off,
    /// In this file.
    File(PathBuf),
    /// In this folder, which is made if needed; the file is named after the info-hash and the base directory, so that two
    /// copies of a torrent do not meet. Keeps the directory of the download clean.
    Folder(PathBuf),
}

impl ResumePolicy {
    /// The file for a torrent whose base directory is `dir`.
    pub(crate) fn path(&self, info_hash: InfoHash, dir: &Path) -> Option<PathBuf> {
        match self {
            Self::Off => None,
            Self::File(path) => Some(path.clone()),
            Self::Folder(folder) => {
                let place = headwater_hash::sha1(dir.as_os_str().as_encoded_bytes());
                let [a, b, c, d, ..] = place;
                let place = u32::from_be_bytes([a, b, c, d]);
                Some(folder.join(format!("{info_hash}-{place:08x}.resume")))
            }
        }
    }
}

/// Where programs keep such things on this system: `$XDG_STATE_HOME/headwater`, `~/.local/state/headwater`,
/// `~/Library/Application Support/headwater` or `%LOCALAPPDATA%\headwater`. `None` where there is no home.
///
/// Good for [`ResumePolicy::Folder`].
pub fn default_state_dir() -> Option<PathBuf> {
    let absolute = |name: &str| {
        let path = PathBuf::from(std::env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    let base = if cfg!(windows) {
        absolute("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        absolute("HOME").map(|home| home.join("Library/Application Support"))
    } else {
        absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))
    };
    base.map(|base| base.join("headwater"))
}

/// Saves resume data; makes the folder if there is none.
pub(crate) fn save(data: &ResumeData, path: &Path) -> Result<(), ResumeError> {
    if let Some(folder) = path.parent() {
        // If that fails, saving does, and says why.
        let _ = std::fs::create_dir_all(folder);
    }
    data.save(path)
}

/// What a torrent starts with.
#[derive(Debug)]
pub(crate) struct Beginning {
    /// Pieces that need no check.
    pub(crate) have: Bitfield,
    /// Blocks on disk of pieces that are not had.
    pub(crate) partial: Vec<(PieceIndex, Bitfield)>,
    /// Pieces that may be on disk; nobody knows.
    pub(crate) to_check: Vec<PieceIndex>,
    /// Files that are not as the resume data has them.
    pub(crate) changed: Vec<FileIndex>,
    /// Why the resume data is not used.
    pub(crate) refused: Option<Arc<ResumeError>>,
    /// Payload bytes of earlier runs.
    pub(crate) earlier: Transferred,
    /// The resume data has the metadata, and has to go on having it.
    pub(crate) keeps_metadata: bool,
}

impl Beginning {
    /// When nothing could be found out: everything is to be checked.
    pub(crate) fn unknown(info: &Info) -> Self {
        Self {
            have: Bitfield::new(info.geometry().piece_count()),
            partial: Vec::new(),
            to_check: info.geometry().pieces().collect(),
            changed: Vec::new(),
            refused: None,
            earlier: Transferred::default(),
            keeps_metadata: false,
        }
    }
}

/// How a torrent is to start.
#[derive(Debug, Default)]
pub(crate) struct Start {
    /// Resume data that the user gave.
    pub(crate) given: Option<ResumeData>,
    /// Where resume data is kept.
    pub(crate) path: Option<PathBuf>,
    /// Take every file that has its full length for right.
    pub(crate) trust: bool,
}

impl Start {
    /// Reads the resume data. Blocks.
    pub(crate) fn load(self, info: &Info) -> Loaded {
        let resume = match self.given {
            Some(given) => Some(Ok(given)),
            None => self
                .path
                .as_deref()
                .filter(|path| path.exists())
                .map(ResumeData::load),
        };
        let resume = resume.map(|resume| {
            let resume = resume?;
            resume.check_torrent(info)?;
            Ok::<_, ResumeError>(resume)
        });
        let (resume, refused) = match resume {
            Some(Ok(resume)) => (Some(resume), None),
            Some(Err(error)) => (None, Some(Arc::new(error))),
            None => (None, None),
        };
        Loaded {
            resume,
            refused,
            path: self.path,
            trust: self.trust,
        }
    }
}

/// How a torrent starts, with the resume data read.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    resume: Option<ResumeData>,
    refused: Option<Arc<ResumeError>>,
    pub(crate) path: Option<PathBuf>,
    trust: bool,
}

impl Loaded {
    /// Files that lie elsewhere than the torrent says.
    pub(crate) fn renamed(&self) -> Vec<(FileIndex, SafePath)> {
        let resume = self.resume.as_ref();
        resume.map_or_else(Vec::new, |resume| resume.renamed.clone())
    }

    /// Looks at what is there. Blocks, but reads no data.
    pub(crate) fn look(
        &mut self,
        info: &Info,
        storage: &dyn Storage,
    ) -> Result<Beginning, StorageError> {
        let resume = self.resume.as_ref();
        let keeps_metadata = resume.is_some_and(|resume| resume.metadata.is_some());
        let beginning = self.compare(info, storage)?;
        Ok(Beginning {
            keeps_metadata,
            ..beginning
        })
    }

    fn compare(&mut self, info: &Info, storage: &dyn Storage) -> Result<Beginning, StorageError> {
        let stamps = storage.stamps()?;
        let disk = Disk {
            info,
            stamps: &stamps,
        };
        let earlier = self.resume.as_ref().map(|resume| Transferred {
            uploaded: resume.uploaded,
            downloaded: resume.downloaded,
        });
        let earlier = earlier.unwrap_or_default();
        if self.trust {
            return Ok(disk.trusted(earlier));
        }
        let trusted = self
            .resume
            .take()
            .map(|resume| resume.validate(info, &stamps));
        Ok(match trusted {
            Some(Ok(trusted)) => Beginning {
                to_check: disk.plausible(trusted.to_check(info).ones()),
                have: trusted.have,
                partial: trusted.partial,
                changed: trusted.changed,
                refused: None,
                earlier,
                keeps_metadata: false,
            },
            Some(Err(error)) => disk.unknown(earlier, Some(Arc::new(error))),
            None => disk.unknown(earlier, self.refused.take()),
        })
    }
}

/// Files as they are.
struct Disk<'a> {
    info: &'a Info,
    stamps: &'a [FileStamp],
}

impl Disk<'_> {
    fn unknown(&self, earlier: Transferred, refused: Option<Arc<ResumeError>>) -> Beginning {
        let geometry = self.info.geometry();
        Beginning {
            have: Bitfield::new(geometry.piece_count()),
            partial: Vec::new(),
            to_check: self.plausible(geometry.pieces()),
            changed: Vec::new(),
            refused,
            earlier,
            keeps_metadata: false,
        }
    }

    fn trusted(&self, earlier: Transferred) -> Beginning {
        let geometry = self.info.geometry();
        let mut have = Bitfield::new(geometry.piece_count());
        for piece in self.plausible(geometry.pieces()) {
            have.set(piece);
        }
        Beginning {
            have,
            partial: Vec::new(),
            to_check: Vec::new(),
            changed: Vec::new(),
            refused: None,
            earlier,
            keeps_metadata: false,
        }
    }

    /// Those pieces whose files are long enough to hold them.
    fn plausible(&self, pieces: impl Iterator<Item = PieceIndex>) -> Vec<PieceIndex> {
        if self
            .stamps
            .iter()
            .all(|stamp| stamp.size.is_none_or(|size| size == 0))
        {
            return Vec::new();
        }
        pieces.filter(|&piece| self.is_plausible(piece)).collect()
    }

    fn is_plausible(&self, piece: PieceIndex) -> bool {
        let range = self.info.geometry().piece_range(piece);
        let layout: &FileLayout = self.info.layout();
        let mut spans = layout.spans(range.start, range.end - range.start);
        spans.all(|span| self.reaches(span.file, span.offset + span.length))
    }

    /// Whether a file may hold its bytes up to `end`.
    fn reaches(&self, file: FileIndex, end: u64) -> bool {
        let is_pad = self.info.layout().files()[file.as_usize()].is_pad();
        let stamp = self.stamps[file.as_usize()];
        is_pad || stamp.in_part_file || stamp.size.is_some_and(|size| size >= end)
    }
}
