use proptest::prelude::*;

use super::*;

fn layout_of(lengths: &[u64]) -> FileLayout {
    let files = lengths.iter().enumerate();
    FileLayout::new(files.map(|(index, &length)| (format!("t/{index}"), length))).unwrap()
}

/// One entry for each byte: which file holds it, and where.
fn naive_bytes(lengths: &[u64]) -> Vec<(u32, u64)> {
    let files = (0u32..).zip(lengths);
    files
        .flat_map(|(file, &length)| (0..length).map(move |offset| (file, offset)))
        .collect()
}

fn paths(files: &[&str]) -> Vec<String> {
    let layout = FileLayout::new(files.iter().map(|path| (path, 1))).unwrap();
    let paths = layout.files().iter().map(|file| file.path().to_string());
    paths.collect()
}

#[test]
fn files_that_collide_are_numbered_in_order() {
    assert_eq!(
        paths(&["t/a.txt", "t/A.TXT", "t/a.txt", "t/a (2).txt", "t/b"]),
        [
            "t/a.txt",
            "t/A (2).TXT",
            "t/a (3).txt",
            "t/a (2) (2).txt",
            "t/b"
        ]
    );
}

#[test]
fn a_file_where_a_folder_is_needed_gives_way() {
    assert_eq!(
        paths(&["t/x", "t/X/y", "t/x/y"]),
        ["t/x (2)", "t/X/y", "t/x/y (2)"]
    );
}

#[test]
fn normalisation_and_case_beyond_ascii_collide() {
    assert_eq!(
        paths(&["é", "e\u{301}", "É", "Σ", "ς", "ı", "i"]),
        ["é", "e\u{301} (2)", "É (3)", "Σ", "ς (2)", "ı", "i"]
    );
}

#[test]
fn a_renamed_file_keeps_its_raw_path() {
    let layout = FileLayout::new([("t/a", 1), ("t/a", 1)]).unwrap();
    let raw: Vec<_> = layout.files()[1].raw_path().collect();
    assert_eq!(raw, [b"t", b"a"]);
}

#[test]
fn a_path_leaving_the_base_is_kept_inside() {
    for hostile in [
        "../../etc/passwd",
        "/etc/passwd",
        "..",
        "",
        "C:\\x",
        "a/../../b",
        "\\\\host\\share",
    ] {
        let mut builder = LayoutBuilder::in_folder("..", b"..");
        let components: Vec<_> = hostile.split('/').collect();
        builder
            .push(&components, 1, &Attributes::default())
            .unwrap();
        let layout = builder.finish().unwrap();
        let path = layout.files()[0].path();
        assert!(path.as_str().starts_with("_/"), "{hostile:?} became {path}");
        assert!(
            path.components().all(|c| !matches!(c, "" | "." | "..")),
            "{path}"
        );
    }
}

#[test]
fn pad_files_share_names() {
    let pad = Attributes {
        pad: true,
        ..Attributes::default()
    };
    let mut builder = LayoutBuilder::in_folder("t", b"t");
    for _ in 0..2 {
        builder.push(&["f"], 1, &Attributes::default()).unwrap();
        builder.push(&[".pad", "9"], 9, &pad).unwrap();
    }
    let layout = builder.finish().unwrap();
    let names: Vec<_> = layout.files().iter().map(|f| f.path().as_str()).collect();
    assert_eq!(names, ["t/f", "t/.pad/9", "t/f (2)", "t/.pad/9"]);
    assert!(layout.files()[1].is_pad());
}

fn link_target(target: &[&str]) -> Option<String> {
    let link = Attributes {
        symlink: Some(target),
        ..Attributes::default()
    };
    let mut builder = LayoutBuilder::in_folder("t", b"t");
    builder
        .push(&["dir", "file"], 5, &Attributes::default())
        .unwrap();
    builder.push(&["link"], 0, &link).unwrap();
    builder.push(&["dir"], 5, &Attributes::default()).unwrap();
    let layout = builder.finish().unwrap();
    layout.files()[1].symlink_target().map(SafePath::to_string)
}

#[test]
fn links_lead_only_to_what_the_torrent_holds() {
    assert_eq!(link_target(&["dir", "file"]).as_deref(), Some("t/dir/file"));
    assert_eq!(link_target(&["dir"]).as_deref(), Some("t/dir (2)"));
    for outside in [
        &["..", "x"][..],
        &["/etc/passwd"],
        &["dir", "..", "file"],
        &["nothing"],
        &["link"],
        &[],
    ] {
        assert_eq!(link_target(outside), None, "{outside:?}");
    }
}

#[test]
fn sums_that_overflow_and_empty_lists_are_errors() {
    assert_eq!(
        FileLayout::new([("a", u64::MAX)]),
        Err(LayoutError::TooLarge)
    );
    let half = u64::try_from(i64::MAX).unwrap();
    assert_eq!(
        FileLayout::new([("a", half), ("b", 1)]),
        Err(LayoutError::TooLarge)
    );
    assert_eq!(FileLayout::new::<&str>([]), Err(LayoutError::NoFiles));
}

#[test]
fn many_files_of_one_name_are_settled_without_trying_every_number_again() {
    let long = "x".repeat(300);
    let names = (0..50_000).map(|index| (format!("{long}{}.bin", index / 2), 1));
    let layout = FileLayout::new(names).unwrap();
    let distinct: std::collections::HashSet<_> =
        layout.files().iter().map(FileEntry::path).collect();
    assert_eq!(distinct.len(), 50_000);
}

#[test]
fn pieces_of_a_file() {
    let layout = layout_of(&[10, 0, 10, 12]);
    let geometry = PieceGeometry::new(32, 16).unwrap();
    let pieces: Vec<_> = (0..5)
        .map(|file| layout.pieces_of(FileIndex(file), &geometry))
        .collect();
    assert_eq!(pieces, [0..1, 0..0, 0..2, 1..2, 0..0]);
}

proptest! {
    #[test]
    fn spans_agree_with_a_naive_model(lengths in prop::collection::vec(prop_oneof![Just(0u64), 0u64..20], 1..40),
                                      offset in 0u64..300, length in 0u64..300) {
        let layout = layout_of(&lengths);
        let bytes = naive_bytes(&lengths);
        prop_assert_eq!(layout.total_size(), bytes.len() as u64);

        let spans: Vec<_> = layout.spans(offset, length).collect();
        prop_assert!(spans.iter().all(|span| span.length > 0));
        prop_assert!(spans.windows(2).all(|pair| pair[0].file < pair[1].file));
        let covered: Vec<_> = spans
            .iter()
            .flat_map(|span| (span.offset..span.offset + span.length).map(|offset| (span.file.0, offset)))
            .collect();
        let expected: Vec<_> = bytes.iter().copied().skip(offset as usize).take(length as usize).collect();
        prop_assert_eq!(covered, expected);

        let at = bytes.get(offset as usize).map(|&(file, _)| FileIndex(file));
        prop_assert_eq!(layout.file_at(offset), at);
    }

    #[test]
    fn no_two_files_meet_on_any_file_system(files in prop::collection::vec("[aAéÉ.:/ ()2\u{301}\\\\]{0,8}", 1..30)) {
        let layout = FileLayout::new(files.iter().map(|path| (path, 1))).unwrap();
        let folded: Vec<String> = layout.files().iter().map(|file| file.path().as_str().to_lowercase()).collect();
        for (index, one) in folded.iter().enumerate() {
            for other in &folded[index + 1..] {
                prop_assert_ne!(one, other);
                prop_assert!(!other.starts_with(&(one.clone() + "/")));
                prop_assert!(!one.starts_with(&(other.clone() + "/")));
            }
        }
    }
}
