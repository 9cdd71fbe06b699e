//! `cargo xtask big-test`: a torrent of very many files and one of a terabyte, opened, checked, seeded and downloaded by the
//! real program with few descriptors allowed, and within bounds on its memory.

mod many_files;
mod program;
mod report;
mod sparse;
mod wire;

use std::path::PathBuf;

use bytesize::ByteSize;
use clap::ValueEnum;

use program::Program;
use report::Report;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Which torrents; both if none is named
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Case>,
    /// Files of the torrent of many files
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    files: u32,
    /// Bytes of the sparse torrent
    #[arg(long, default_value = "1TiB")]
    sparse_size: ByteSize,
    /// Descriptors that each process is allowed
    #[arg(long, default_value_t = 256)]
    descriptors: usize,
    /// Where the files go, sparse ones too; memory (/dev/shm) where there is such a place
    #[arg(long)]
    dir: Option<PathBuf>,
    /// The headwater program to use, instead of building it
    #[arg(long, value_name = "PATH")]
    headwater: Option<PathBuf>,
    /// One JSON object a row instead of the table
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Case {
    /// Very many small files
    ManyFiles,
    /// One very large file, most of which was never written
    Sparse,
}

impl Case {
    fn is_wanted(self, args: &Args) -> bool {
        args.only.is_empty() || args.only.contains(&self)
    }
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let parent = args.dir.clone().unwrap_or_else(crate::files::memory_folder);
    let folder = tempfile::Builder::new()
        .prefix("headwater-big-")
        .tempdir_in(parent)?;
    let path = match &args.headwater {
        Some(path) => std::path::absolute(path)?,
        None => crate::program::build()?,
    };
    let program = Program {
        path,
        descriptors: args.descriptors,
    };
    let mut report = Report::new(args.descriptors);
    if Case::ManyFiles.is_wanted(args) {
        let folder = folder.path().join("many");
        many_files::run(&program, &folder, args.files, &mut report)?;
        std::fs::remove_dir_all(folder)?;
    }
    if Case::Sparse.is_wanted(args) {
        let folder = folder.path().join("sparse");
        sparse::run(&program, &folder, args.sparse_size.as_u64(), &mut report)?;
    }
    report.print(args.json);
    report.verdict()
}
