//! Runs every fuzz target over its committed corpus.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use headwater_tests::fuzz::TARGETS;

#[test]
fn every_corpus_passes() {
    for (name, target) in TARGETS {
        let corpus = fuzz_folder().join("corpus").join(name);
        let mut inputs = 0;
        for entry in fs::read_dir(&corpus).unwrap_or_else(|_| panic!("{name} has no corpus")) {
            let path = entry.unwrap().path();
            // Shown by the test harness when the target panics.
            println!("{}", path.display());
            target(&fs::read(path).unwrap());
            inputs += 1;
        }
        assert!(inputs > 0, "the corpus of {name} is empty");
    }
}

#[test]
fn targets_corpora_and_fuzzers_are_the_same() {
    let listed: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&fuzz_folder().join("corpus")), listed);
    assert_eq!(names(&fuzz_folder().join("fuzz_targets")), listed);
}

fn fuzz_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect()
}
