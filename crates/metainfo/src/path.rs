//! Relative paths that cannot leave the folder that they are joined to.

mod component;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};

pub use component::{MAX_NAME_BYTES, Platform};
pub(crate) use component::{cut_keeping_extension, split_extension};

/// Stands where nothing of a name is left.
pub(crate) const PLACEHOLDER: &str = "_";

/// Bytes that are kept free in a path for ` (n)`, which a name gets when it collides.
pub(crate) const NUMBER_ROOM: usize = 16;

/// A relative path of safe components: it can be joined to any folder and stays inside it.
///
/// No component is empty, `.` or `..`, holds a separator of any system, a control or bidirectional formatting character
/// or starts with a drive letter; none is longer than [`MAX_NAME_BYTES`]. There is at least one component, there are at
/// most [`MAX_DEPTH`](Self::MAX_DEPTH), and the whole is at most [`MAX_BYTES`](Self::MAX_BYTES) long. Names are otherwise
/// left as they are, their Unicode normalisation included.
///
/// ```
/// use headwater_metainfo::SafePath;
///
/// let path = SafePath::new(["..", "..", "etc", "pass\u{202e}wd\0"]);
/// assert_eq!(path.as_str(), "etc/passwd_");
/// assert!(path.under("/srv/data").starts_with("/srv/data/etc"));
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SafePath(Box<str>);

impl SafePath {
    /// Most components that a path has; folders past it are left out.
    pub const MAX_DEPTH: usize = 64;
    /// Most bytes that a path has, separators included; folders past it are left out.
    pub const MAX_BYTES: usize = 2048;

    /// Makes a safe path of any components, by the rules of the system that this program runs on.
    ///
    /// Components that name nothing (empty, `.` and `..`) are left out; where none is left, `_` stands.
    pub fn new<C: AsRef<str>>(components: impl IntoIterator<Item = C>) -> Self {
        Self::for_platform(components, Platform::HOST)
    }

    /// Like [`new`](Self::new), by the rules of `platform`.
    pub fn for_platform<C: AsRef<str>>(
        components: impl IntoIterator<Item = C>,
        platform: Platform,
    ) -> Self {
        let mut path = PathBuilder::new(platform);
        for component in components {
            path.push(component.as_ref());
        }
        path.finish()
    }

    /// The components joined with `/`, on every system.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The components, outermost folder first.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// The last component.
    pub fn file_name(&self) -> &str {
        self.split_name().1
    }

    /// The path in the folder `base`.
    pub fn under(&self, base: impl AsRef<Path>) -> PathBuf {
        let mut path = base.as_ref().to_path_buf();
        path.extend(self.components());
        path
    }

    /// What a symbolic link at `link` must hold to lead to this path, both in the same folder.
    ///
    /// ```
    /// use headwater_metainfo::SafePath;
    ///
    /// let link = SafePath::new(["t", "bin", "tool"]);
    /// assert_eq!(SafePath::new(["t", "lib", "tool.so"]).from_link(&link), "../lib/tool.so");
    /// ```
    pub fn from_link(&self, link: &Self) -> String {
        let shared = self
            .components()
            .zip(link.split_name().0.split('/'))
            .take_while(|(here, there)| here == there)
            .count();
        let ups = link.components().count() - 1 - shared;
        let down: Vec<_> = self.components().skip(shared).collect();
        let text = "../".repeat(ups) + &down.join("/");
        let text = text.trim_end_matches('/');
        if text.is_empty() { "." } else { text }.to_owned()
    }

    /// The folder part (empty for a lone name) and the name.
    pub(crate) fn split_name(&self) -> (&str, &str) {
        self.0.rsplit_once('/').unwrap_or(("", &self.0))
    }

    /// The path with another last component, which must be safe.
    pub(crate) fn with_safe_name(&self, name: &str) -> Self {
        let (folder, _) = self.split_name();
        let separator = if folder.is_empty() { "" } else { "/" };
        Self(format!("{folder}{separator}{name}").into())
    }
}

impl AsRef<str> for SafePath {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SafePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SafePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SafePath({:?})", &*self.0)
    }
}

/// Gathers components into one reusable buffer.
pub(crate) struct PathBuilder {
    platform: Platform,
    text: String,
    /// Where each component ends in `text`.
    ends: Vec<usize>,
}

impl PathBuilder {
    pub(crate) fn new(platform: Platform) -> Self {
        Self {
            platform,
            text: String::new(),
            ends: Vec::new(),
        }
    }

    /// Adds a component; false when it names nothing and is left out.
    pub(crate) fn push(&mut self, component: &str) -> bool {
        let Some(name) = component::sanitise(component, self.platform) else {
            return false;
        };
        if !self.ends.is_empty() {
            self.text.push('/');
        }
        self.text.push_str(&name);
        self.ends.push(self.text.len());
        true
    }

    /// Components so far.
    pub(crate) fn depth(&self) -> usize {
        self.ends.len()
    }

    /// The path so far; the builder starts over.
    pub(crate) fn finish(&mut self) -> SafePath {
        if self.ends.is_empty() {
            self.push(PLACEHOLDER);
        }
        self.leave_out_deep_folders();
        let path = SafePath(self.text.as_str().into());
        self.text.clear();
        self.ends.clear();
        path
    }

    /// Keeps as many of the outer folders as the limits allow, and the name.
    fn leave_out_deep_folders(&mut self) {
        let count = self.ends.len();
        if count <= SafePath::MAX_DEPTH && self.text.len() <= SafePath::MAX_BYTES - NUMBER_ROOM {
            return;
        }
        let name_start = if count > 1 { self.ends[count - 2] } else { 0 };
        let room = (SafePath::MAX_BYTES - NUMBER_ROOM) - (self.text.len() - name_start);
        let kept = self.ends[..count - 1]
            .iter()
            .take(SafePath::MAX_DEPTH - 1)
            .take_while(|&&end| end <= room)
            .last()
            .copied()
            .unwrap_or(0);
        self.text.drain(kept..name_start);
    }
}
