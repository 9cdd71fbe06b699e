//! What systems and programs leave in folders, and nobody means to share.

use std::path::Path;

/// Files, in lower case.
const FILES: &[&str] = &[
    ".apdisk",
    ".directory",
    ".ds_store",
    "desktop.ini",
    "ehthumbs.db",
    "ehthumbs_vista.db",
    "icon\r",
    "thumbs.db",
];
/// Folders, in lower case.
const FOLDERS: &[&str] = &[
    "$recycle.bin",
    ".appledouble",
    ".documentrevisions-v100",
    ".fseventsd",
    ".spotlight-v100",
    ".temporaryitems",
    ".trashes",
    "@eadir",
    "lost+found",
    "system volume information",
];
/// How the names of files end that are still being downloaded, or that a client keeps beside them; in lower case.
const UNFINISHED: &[&str] = &[
    ".!bt",
    ".!qb",
    ".!ut",
    ".aria2",
    ".bc!",
    ".crdownload",
    ".part",
];
/// How the name of a torrent begins that was never finished.
const OWN_TEMPORARY: &str = ".headwater-";

/// Whether what lies at `path` is such a thing. Other names that begin with a dot are the user's own.
pub(super) fn is_junk(path: &Path, is_folder: bool) -> bool {
    let Some(name) = path.file_name().map(|name| name.to_string_lossy()) else {
        return false;
    };
    let lower = name.to_ascii_lowercase();
    if is_folder {
        return FOLDERS.contains(&&*lower);
    }
    FILES.contains(&&*lower)
        || is_unfinished(&lower)
        || name.starts_with(OWN_TEMPORARY)
        || is_apple_double(path, &name)
}

fn is_unfinished(name: &str) -> bool {
    let part_file = name
        .strip_prefix('.')
        .and_then(|rest| rest.strip_suffix(".parts"));
    let mut stems = UNFINISHED
        .iter()
        .filter_map(|end| name.strip_suffix(end))
        .chain(part_file);
    stems.any(|stem| !stem.is_empty())
}

/// `._NAME` is where macOS keeps what other file systems cannot hold of the NAME beside it.
fn is_apple_double(path: &Path, name: &str) -> bool {
    let owner = name.strip_prefix("._").filter(|owner| !owner.is_empty());
    owner.is_some_and(|owner| path.with_file_name(owner).symlink_metadata().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(name: &str, is_folder: bool) -> bool {
        is_junk(&Path::new("nowhere").join(name), is_folder)
    }

    #[test]
    fn what_systems_leave_behind_is_junk() {
        for name in [
            ".DS_Store",
            "Thumbs.db",
            "thumbs.DB",
            "ehthumbs.db",
            "Desktop.ini",
            ".directory",
            "Icon\r",
        ] {
            assert!(is(name, false), "{name}");
            assert!(!is(name, true), "{name} as a folder");
        }
        for name in [
            ".Spotlight-V100",
            ".Trashes",
            ".fseventsd",
            "@eaDir",
            "lost+found",
            "$RECYCLE.BIN",
            "System Volume Information",
        ] {
            assert!(is(name, true), "{name}");
            assert!(!is(name, false), "{name} as a file");
        }
    }

    #[test]
    fn unfinished_downloads_are_junk() {
        for name in [
            "film.mkv.part",
            "film.mkv.!qB",
            "film.mkv.aria2",
            ".0123abcd.parts",
            ".headwater-x1y2z3",
        ] {
            assert!(is(name, false), "{name}");
        }
    }

    #[test]
    fn what_a_user_may_mean_is_kept() {
        for name in [
            ".gitignore",
            ".htaccess",
            ".part",
            ".parts",
            "spare.parts",
            "archive.part1.rar",
            "counterpart",
            "._alone",
            "._",
            "my Thumbs.db",
        ] {
            assert!(!is(name, false), "{name}");
        }
        assert!(!is(".git", true));
    }

    #[test]
    fn apple_doubles_are_junk_beside_their_file() {
        let folder = tempfile::tempdir().unwrap();
        let double = folder.path().join("._song.flac");
        assert!(!is_junk(&double, false));
        std::fs::write(folder.path().join("song.flac"), "").unwrap();
        assert!(is_junk(&double, false));
    }
}
