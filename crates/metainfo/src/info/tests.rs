use headwater_bencode::Value;
use proptest::prelude::*;

use super::*;
use crate::testing::{bytes, dict, file, int, list, multi, path, single, with, without};
use crate::{FieldError, FileEntry, GeometryError, InfoHash, InfoHashV2, LayoutError};

fn load(info: &Value) -> Result<Info, InfoError> {
    Info::from_bytes(&info.encode())
}

fn paths(info: &Value) -> Vec<String> {
    let info = load(info).unwrap();
    let files = info.layout().files().iter();
    files.map(|file| file.path().to_string()).collect()
}

#[test]
fn one_file() {
    let raw = with(
        single(20_000),
        [("private", int(1)), ("source", bytes("here"))],
    );
    let info = load(&raw).unwrap();
    assert_eq!((info.name(), info.raw_name()), ("name", &b"name"[..]));
    assert!(info.is_private() && !info.is_multi_file());
    assert_eq!(info.source(), Some("here"));
    assert_eq!(info.raw(), raw.encode());
    assert_eq!(info.layout().len(), 1);
    assert_eq!(info.layout().total_size(), 20_000);
    let hashes: Vec<_> = (0..3)
        .map(|piece| info.piece_hash(PieceIndex(piece)))
        .collect();
    assert_eq!(hashes, [Some([0; 20]), Some([1; 20]), None]);
}

#[test]
fn many_files() {
    let raw = multi(vec![
        file(3, &["a"]),
        file(0, &["sub", "b"]),
        file(4, &["sub", "c"]),
    ]);
    let info = load(&raw).unwrap();
    assert!(info.is_multi_file() && !info.is_private());
    assert_eq!(paths(&raw), ["name/a", "name/sub/b", "name/sub/c"]);
    let offsets: Vec<_> = info
        .layout()
        .files()
        .iter()
        .map(FileEntry::offset)
        .collect();
    assert_eq!(offsets, [0, 3, 3]);
}

#[test]
fn piece_count_at_an_exact_multiple_of_the_piece_length() {
    let info = load(&single(2 * 16_384)).unwrap();
    assert_eq!(info.geometry().piece_count(), 2);
    assert_eq!(info.geometry().piece_size(PieceIndex(1)), 16_384);
    let one_hash_more = with(single(2 * 16_384), [("pieces", bytes([0; 60]))]);
    assert_eq!(
        load(&one_hash_more),
        Err(InfoError::PieceCount {
            got: 3,
            expected: 2
        })
    );
}

#[test]
fn the_info_hash_is_of_the_bytes_read_and_not_of_a_re_encoding() {
    // Keys out of order and a length with a key that nobody knows: a re-encoding would sort them.
    let raw = b"d4:name1:x6:lengthi1e6:pieces20:aaaaaaaaaaaaaaaaaaaa12:piece lengthi16384e1:zi0ee";
    let info = Info::from_bytes(raw).unwrap();
    assert_eq!(
        info.info_hashes().v1(),
        Some(InfoHash(headwater_hash::sha1(raw)))
    );
    assert_eq!(info.raw(), raw);
}

#[test]
fn paths_leaving_the_base_are_loaded_with_safe_ones() {
    let hostile = [
        file(1, &["..", "..", "etc", "passwd"]),
        file(1, &["/etc/passwd"]),
        file(1, &["C:\\windows"]),
        file(1, &[""]),
        file(1, &[]),
        file(1, &["etc", "PASSWD"]),
    ];
    let raw = with(multi(hostile.into()), [("name", bytes("../up"))]);
    let expected = [
        "etc/passwd",
        "_etc_passwd",
        "C__windows",
        "_",
        "_ (2)",
        "etc/PASSWD (2)",
    ];
    assert_eq!(paths(&raw), expected.map(|path| format!(".._up/{path}")));
}

#[test]
fn a_torrent_without_a_name_is_named_by_its_hash() {
    for raw in [
        with(single(1), [("name", bytes(""))]),
        with(single(1), [("name", bytes(".."))]),
        without(single(1), "name"),
    ] {
        let info = load(&raw).unwrap();
        assert_eq!(info.name(), info.info_hashes().primary().to_string());
    }
}

#[test]
fn names_that_are_not_utf8() {
    let raw_path = list([b"caf\xe9".as_slice()], bytes);
    let entry = dict([("length", int(1)), ("path", raw_path.clone())]);
    let info = load(&multi(vec![entry])).unwrap();
    let file = &info.layout().files()[0];
    assert_eq!(file.path().as_str(), "name/caf\u{fffd}");
    assert_eq!(
        file.raw_path().collect::<Vec<_>>(),
        [&b"name"[..], b"caf\xe9"]
    );

    let utf8 = [
        ("length", int(1)),
        ("path", raw_path),
        ("path.utf-8", path(&["café"])),
    ];
    let named = [("name", bytes(b"\xff")), ("name.utf-8", bytes("naïve"))];
    let raw = with(multi(vec![dict(utf8)]), named);
    assert_eq!(paths(&raw), ["naïve/café"]);
}

#[test]
fn attributes_and_links() {
    let attr = |entry, letters: &str| with(entry, [("attr", bytes(letters))]);
    let link = |target: &[&str]| {
        let entry = dict([("path", path(&["link"])), ("symlink path", path(target))]);
        attr(entry, "l")
    };
    let files = vec![
        attr(file(5, &["bin"]), "xh"),
        attr(file(3, &[".pad", "3"]), "p"),
        link(&["bin"]),
        link(&["..", "bin"]),
    ];
    let info = load(&multi(files)).unwrap();
    let [bin, pad, good, bad] = info.layout().files() else {
        panic!("four files");
    };
    assert!(bin.is_executable() && bin.is_hidden() && !bin.is_pad());
    assert!(pad.is_pad());
    assert_eq!(good.symlink_target(), Some(bin.path()));
    assert_eq!((bad.symlink_target(), bad.length()), (None, 0));
}

#[test]
fn hybrids_load_as_v1_and_have_both_hashes() {
    let raw = with(
        single(1),
        [("meta version", int(2)), ("file tree", dict([]))],
    );
    let hashes = load(&raw).unwrap().info_hashes();
    assert_eq!(
        hashes.v1(),
        Some(InfoHash(headwater_hash::sha1(&raw.encode())))
    );
    assert_eq!(
        hashes.v2(),
        Some(InfoHashV2(headwater_hash::sha256(&raw.encode())))
    );
}

#[test]
fn each_fault_has_its_error() {
    let number = |field, value| InfoError::Field(FieldError::Negative { field, value });
    let missing = |field| InfoError::Field(FieldError::Missing(field));
    let mistyped = |field, expected| InfoError::Field(FieldError::Type { field, expected });
    let in_file = |number, error| InfoError::File { number, error };
    let cases = [
        (int(1), InfoError::NotDictionary),
        (without(single(1), "piece length"), missing("piece length")),
        (without(single(1), "pieces"), missing("pieces")),
        (
            with(single(1), [("pieces", int(1))]),
            mistyped("pieces", "a string"),
        ),
        (
            with(single(1), [("piece length", int(0))]),
            GeometryError::ZeroPieceLength.into(),
        ),
        (
            with(single(1), [("piece length", int(-1))]),
            number("piece length", -1),
        ),
        (
            with(single(1), [("piece length", int(1 << 40))]),
            GeometryError::PieceLengthTooLarge(1 << 40).into(),
        ),
        (single(-5), number("length", -5)),
        (
            single(1 << 60),
            GeometryError::TooManyPieces(1 << 46).into(),
        ),
        (
            with(single(1), [("length", bytes("1"))]),
            mistyped("length", "a whole number below 2^63"),
        ),
        (without(single(1), "length"), InfoError::NoFiles),
        (
            with(single(1), [("files", list([(); 0], |()| int(0)))]),
            InfoError::LengthAndFiles,
        ),
        (multi(vec![]), LayoutError::NoFiles.into()),
        (
            multi(vec![file(i64::MAX, &["a"]), file(i64::MAX, &["b"])]),
            LayoutError::TooLarge.into(),
        ),
        (
            multi(vec![file(1, &["a"]), file(-1, &["b"])]),
            in_file(
                2,
                FieldError::Negative {
                    field: "length",
                    value: -1,
                },
            ),
        ),
        (
            multi(vec![without(file(1, &["a"]), "path")]),
            in_file(1, FieldError::Missing("path")),
        ),
        (
            multi(vec![without(file(1, &["a"]), "length")]),
            in_file(1, FieldError::Missing("length")),
        ),
        (
            with(single(1), [("pieces", bytes([0; 21]))]),
            InfoError::PiecesLength(21),
        ),
        (
            with(single(1), [("pieces", bytes([0; 40]))]),
            InfoError::PieceCount {
                got: 2,
                expected: 1,
            },
        ),
        (
            without(with(single(1), [("meta version", int(2))]), "pieces"),
            InfoError::V2Only,
        ),
        (
            with(single(1), [("meta version", int(3))]),
            InfoError::UnsupportedVersion(3),
        ),
    ];
    for (raw, error) in cases {
        assert_eq!(load(&raw), Err(error.clone()));
        let message = error.to_string();
        assert!(
            !message.contains('\n') && message.starts_with(char::is_lowercase),
            "{message}"
        );
    }
}

#[test]
fn an_info_must_end_where_its_bytes_end() {
    let raw = [single(1).encode(), b"x".to_vec()].concat();
    assert_eq!(Info::from_bytes(&raw), Err(InfoError::TrailingBytes));
}

#[test]
fn numbers_beyond_64_bits_are_errors() {
    let raw = b"d6:lengthi99999999999999999999e4:name1:x12:piece lengthi16384e6:pieces0:e";
    assert!(Info::from_bytes(raw).is_err());
}

#[test]
fn more_files_than_can_be() {
    let one = file(0, &["f"]).encode();
    let count = crate::LayoutBuilder::MAX_FILES + 1;
    let raw = [
        b"d5:filesl".as_slice(),
        &one.repeat(count),
        b"e4:name1:n12:piece lengthi16384e6:pieces0:e",
    ]
    .concat();
    assert_eq!(
        Info::from_bytes(&raw),
        Err(LayoutError::TooManyFiles.into())
    );
}

#[test]
fn a_hundred_thousand_files_and_the_most_pieces_fit() {
    let files = (0..100_000).map(|n| file(1, &["some folder", &format!("file number {n}.txt")]));
    assert_eq!(
        load(&multi(files.collect())).unwrap().layout().len(),
        100_000
    );

    let pieces = PieceGeometry::MAX_PIECES;
    let raw = with(
        single(0),
        [
            ("length", int(pieces.into())),
            ("piece length", int(1)),
            ("pieces", bytes(vec![1; 20 * pieces as usize])),
        ],
    );
    assert_eq!(
        load(&raw).unwrap().piece_hash(PieceIndex(pieces - 1)),
        Some([1; 20])
    );
}

/// Dictionaries that have the right keys and sometimes the right values.
fn nearly_info() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Value::Int),
        (0i64..100_000).prop_map(Value::Int),
        prop::collection::vec(any::<u8>(), 0..60).prop_map(Value::Bytes),
        "[./\\\\a\u{202e}é]{0,8}".prop_map(bytes),
    ];
    let key = prop::sample::select(vec![
        "attr",
        "files",
        "length",
        "meta version",
        "name",
        "name.utf-8",
        "path",
        "path.utf-8",
        "piece length",
        "pieces",
        "private",
        "source",
        "symlink path",
    ]);
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::List),
            prop::collection::btree_map(
                key.clone().prop_map(|key| key.as_bytes().to_vec()),
                inner,
                0..6
            )
            .prop_map(Value::Dict),
        ]
    })
}

proptest! {
    #[test]
    fn nonsense_is_refused_or_gives_a_consistent_torrent(value in nearly_info(), length in 0i64..50_000) {
        let Value::Dict(entries) = value else { return Ok(()) };
        let Value::Dict(mut valid) = single(length) else { unreachable!() };
        valid.extend(entries);
        if let Ok(info) = load(&Value::Dict(valid)) {
            prop_assert!(!info.layout().is_empty());
            prop_assert_eq!(info.layout().total_size(), info.geometry().total_size());
            prop_assert!(info.geometry().pieces().all(|piece| info.piece_hash(piece).is_some()));
        }
    }

    #[test]
    fn any_bytes_are_refused_or_loaded(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Info::from_bytes(&bytes);
    }
}
