//! Moving and renaming a torrent's files.

use std::path::{Component, Path, PathBuf};

use headwater_metainfo::{FileIndex, SafePath};
use tokio::sync::oneshot;

use super::Torrent;
use crate::driver::{Command, Rearrange};
use crate::{MoveError, NoSuchFile, RenameError};

/// Where its files are.
impl Torrent {
    /// Moves all files below another directory, which is made if it is not there, also on another file system. In every
    /// state, while it downloads and serves as well; after that, everything goes on at the new place.
    ///
    /// Either all is there when it returns, or it fails and all is where it was. Nothing is written over: a file in the way is an
    /// error ([`StorageErrorKind::Exists`](crate::StorageErrorKind::Exists)), and so is moving files that are
    /// [only read](crate::Add::read_only). Old files go last, after resume data says where the new ones are, and
    /// folders that are empty then, but never the old base directory. One that cannot be removed stays, and a
    /// warning is logged.
    ///
    /// It goes on when the future is dropped. Closing the torrent ends it, and takes it back if it was not through.
    ///
    /// ```no_run
    /// # async fn example(torrent: headwater_session::Torrent) -> Result<(), Box<dyn std::error::Error>> {
    /// torrent.wait_complete().await?;
    /// torrent.move_storage("/srv/done").await?;
    /// assert!(torrent.files()[0].path.starts_with("/srv/done"));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn move_storage(&self, dir: impl Into<PathBuf>) -> Result<(), MoveError> {
        if self.info().is_none() {
            return Err(MoveError::NoMetadata);
        }
        let dir: PathBuf = dir.into();
        let dir = std::path::absolute(&dir).unwrap_or(dir);
        let (reply, answer) = oneshot::channel();
        let order = Rearrange::Move { dir, reply };
        let sent = self.0.commands.send(Command::Rearrange(order)).await;
        sent.map_err(|_| MoveError::Closed)?;
        answer.await.unwrap_or(Err(MoveError::Closed))
    }

    /// Gives a file another place below the [base directory](Self::dir): `path` is relative to that, the torrent's own folder
    /// included. All or nothing, like [`move_storage`](Self::move_storage).
    ///
    /// Resume data carries it over a restart; without that, the file is looked for under its old name.
    pub async fn rename_file(
        &self,
        file: FileIndex,
        path: impl AsRef<Path>,
    ) -> Result<(), RenameError> {
        let count = self.info().map_or(0, |info| info.layout().len()) as u32;
        if file.0 >= count {
            return Err(NoSuchFile { file, count }.into());
        }
        let path = path.as_ref();
        let path = safe(path).ok_or_else(|| RenameError::UnsafePath(path.to_path_buf()))?;
        let (reply, answer) = oneshot::channel();
        let order = Rearrange::Rename { file, path, reply };
        let sent = self.0.commands.send(Command::Rearrange(order)).await;
        sent.map_err(|_| RenameError::Closed)?;
        answer.await.unwrap_or(Err(RenameError::Closed))
    }
}

/// The same path, if it is safe as it stands.
fn safe(path: &Path) -> Option<SafePath> {
    let names: Option<Vec<&str>> = path
        .components()
        .map(|component| match component {
            Component::Normal(name) => name.to_str(),
            _ => None,
        })
        .collect();
    let names = names?;
    let safe = SafePath::new(&names);
    safe.components().eq(names).then_some(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_that_need_no_change_are_safe() {
        for good in ["a", "a/b c.bin", "ä/b"] {
            assert_eq!(safe(Path::new(good)).unwrap().as_str(), good);
        }
        for bad in ["", "/a", "../a", "a/../b", "./a", "a\u{202e}b", "a\0"] {
            assert!(safe(Path::new(bad)).is_none(), "{bad:?}");
        }
    }
}
