//! The tests that `tests/KNOWN_FAULTS.md` names are there.

use std::path::Path;

use super::{Complaints, read};

pub(super) fn check(root: &Path) -> anyhow::Result<Complaints> {
    let list = root.join("tests/KNOWN_FAULTS.md");
    if !list.is_file() {
        return Ok(vec!["tests/KNOWN_FAULTS.md is missing".to_owned()]);
    }
    let mut complaints = Complaints::new();
    for line in read(&list)?
        .lines()
        .filter(|line| line.starts_with('|'))
        .skip(2)
    {
        // A row names a file and a test in it, each between backticks at its end.
        let mut quoted = line
            .trim_end_matches([' ', '|'])
            .rsplit('`')
            .filter(|part| !part.trim().is_empty());
        let (Some(test), Some(file)) = (quoted.next(), quoted.next()) else {
            complaints.push(format!("tests/KNOWN_FAULTS.md: no test in {line}"));
            continue;
        };
        let source = root.join(file);
        if !source.is_file() || !read(&source)?.contains(&format!("fn {test}(")) {
            complaints.push(format!("tests/KNOWN_FAULTS.md: {file} has no test {test}"));
        }
    }
    Ok(complaints)
}
