//! What the user wants to leave out.

use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};

/// A pattern of `--exclude`. Without a slash it is for names at any depth, with one for paths below the folder.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    text: String,
    matcher: GlobMatcher,
    is_for_paths: bool,
    is_for_folders: bool,
}

impl Pattern {
    /// As the user wrote it.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it fits what lies at `below` in the folder called `root`. What is in a folder that fits is not asked for.
    pub(super) fn fits(&self, root: &str, below: &Path, is_folder: bool) -> bool {
        if self.is_for_folders && !is_folder {
            return false;
        }
        if self.is_for_paths {
            return self.matcher.is_match(below)
                || self.matcher.is_match(Path::new(root).join(below));
        }
        below
            .file_name()
            .is_some_and(|name| self.matcher.is_match(name))
    }
}

/// Reads a pattern from the command line.
pub(super) fn parse(text: &str) -> Result<Pattern, String> {
    let from_root = text.strip_prefix("./").or(text.strip_prefix('/'));
    let glob = from_root.unwrap_or(text).trim_end_matches('/');
    if glob.is_empty() {
        return Err("fits nothing; write for example *.nfo or extras/".to_owned());
    }
    let built = GlobBuilder::new(glob).literal_separator(true).build();
    let built = built.map_err(|error| error.kind().to_string())?;
    Ok(Pattern {
        text: text.to_owned(),
        matcher: built.compile_matcher(),
        is_for_paths: from_root.is_some() || glob.contains('/'),
        is_for_folders: text.ends_with('/'),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, path: &str) -> bool {
        let is_folder = path.ends_with('/');
        parse(pattern)
            .unwrap()
            .fits("album", Path::new(path.trim_end_matches('/')), is_folder)
    }

    #[test]
    fn names_fit_at_any_depth() {
        for path in ["a.nfo", "b/a.nfo", "b/c/a.nfo"] {
            assert!(fits("*.nfo", path), "{path}");
            assert!(fits("a.nfo", path), "{path}");
        }
        assert!(!fits("*.nfo", "a.nfo.txt"));
        assert!(!fits("a", "b/a.nfo"));
        assert!(fits("*.{nfo,txt}", "b/x.txt"));
    }

    #[test]
    fn paths_fit_from_the_folder_on() {
        assert!(fits("b/*.txt", "b/x.txt"));
        assert!(fits("./b/*.txt", "b/x.txt"));
        assert!(fits("album/b/*.txt", "b/x.txt"));
        assert!(!fits("b/*.txt", "a/b/x.txt"));
        assert!(!fits("b/*.txt", "b/c/x.txt"));
        assert!(fits("b/**/*.txt", "b/c/d/x.txt"));
        assert!(fits("/x.txt", "x.txt"));
        assert!(!fits("/x.txt", "b/x.txt"));
        assert!(fits("./x.txt", "x.txt"));
        assert!(!fits("./x.txt", "b/x.txt"));
    }

    #[test]
    fn a_slash_at_the_end_means_folders() {
        assert!(fits("extras/", "extras/"));
        assert!(fits("extras/", "a/extras/"));
        assert!(!fits("extras/", "extras"));
        assert!(fits("extras", "extras/"));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in ["", "/", "./", "[a", "{a"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
