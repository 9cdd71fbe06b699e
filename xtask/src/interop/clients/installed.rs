//! What is there to work with.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::interop::process::printed;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    Headwater,
    Transmission,
    Aria2,
    /// A Python that has libtorrent.
    Python,
    Opentracker,
    /// It only makes torrents, and so does the next.
    Mktorrent,
    TransmissionCreate,
}

impl Program {
    const FOREIGN: [Self; 4] = [
        Self::Transmission,
        Self::Aria2,
        Self::Python,
        Self::Opentracker,
    ];

    /// What people call it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Headwater => "headwater",
            Self::Transmission => "transmission-daemon",
            Self::Aria2 => "aria2c",
            Self::Python => "libtorrent for python3",
            Self::Opentracker => "opentracker",
            Self::Mktorrent => "mktorrent",
            Self::TransmissionCreate => "transmission-create",
        }
    }

    /// Where it is, or what is wrong with where it should be.
    fn find(self) -> Result<PathBuf, String> {
        let version: &[&str] = match self {
            Self::Python => return find_python(),
            // These know no option that shows their version.
            Self::Opentracker | Self::Mktorrent => &["-h"],
            _ => &["--version"],
        };
        let path = PathBuf::from(self.name());
        printed(&path, version).map(|_| path)
    }
}

/// The one in the path, or the one that `.ci/run` makes.
fn find_python() -> Result<PathBuf, String> {
    let own = crate::workspace_root().join("target/venv/bin/python3");
    let has_libtorrent = |path: &PathBuf| printed(path, &["-c", "import libtorrent"]);
    let candidates = [PathBuf::from("python3"), own];
    let mut tried = candidates
        .into_iter()
        .map(|path| has_libtorrent(&path).map(|_| path));
    let first = tried.next().unwrap_or_else(|| Err(String::new()));
    first.or_else(|why| tried.next().and_then(Result::ok).ok_or(why))
}

/// The programs that were found, and where.
pub(crate) struct Installed {
    found: Vec<(Program, Result<PathBuf, String>)>,
}

impl Installed {
    /// The clients and trackers that nobody here wrote.
    pub(crate) fn foreign() -> Self {
        Self::among(&Program::FOREIGN)
    }

    /// Looks for `programs`.
    pub(crate) fn among(programs: &[Program]) -> Self {
        let found = programs.iter().map(|program| (*program, program.find()));
        Self {
            found: found.collect(),
        }
    }

    /// The same with `headwater`: the given program, or a release build of the workspace's.
    pub(crate) fn and_headwater(mut self, given: Option<PathBuf>) -> anyhow::Result<Self> {
        let path = given.map_or_else(crate::program::build, Ok)?;
        self.found.push((Program::Headwater, Ok(path)));
        Ok(self)
    }

    /// Where `program` is, if it is there.
    pub(crate) fn program(&self, program: Program) -> Option<&Path> {
        let mut found = self.found.iter().filter(|(found, _)| *found == program);
        found.next()?.1.as_deref().ok()
    }

    /// The same as a result.
    pub(crate) fn require(&self, program: Program) -> anyhow::Result<&Path> {
        self.program(program)
            .with_context(|| format!("{} is not installed", program.name()))
    }

    /// A line for everything that is not there.
    pub(crate) fn missing(&self) -> Vec<String> {
        let missing = self.found.iter().filter_map(|(program, found)| {
            let why = found.as_ref().err()?;
            Some(format!("{} ({why})", program.name()))
        });
        missing.collect()
    }
}
