use proptest::prelude::*;

use crate::{DecodeErrorKind as Kind, Limits, Options, Value, decode};

fn refusal(input: &[u8]) -> (Kind, usize) {
    let error = decode(input).expect_err("must be refused");
    (error.kind, error.offset)
}

#[test]
fn what_strict_refuses_and_where() {
    let cases: [(&[u8], Kind, usize); 18] = [
        (b"", Kind::UnexpectedEnd, 0),
        (b"x", Kind::UnexpectedByte(b'x'), 0),
        (b"e", Kind::UnexpectedByte(b'e'), 0),
        (b"l", Kind::UnexpectedEnd, 1),
        (b"i42", Kind::UnexpectedEnd, 0),
        (b"ie", Kind::InvalidInteger, 0),
        (b"i-0e", Kind::InvalidInteger, 0),
        (b"i03e", Kind::InvalidInteger, 0),
        (b"i9223372036854775808e", Kind::InvalidInteger, 0),
        (b"5:abc", Kind::UnexpectedEnd, 0),
        (b"03:abc", Kind::InvalidLength, 0),
        (b"3abc", Kind::InvalidLength, 0),
        (b"99999999999999999999:a", Kind::InvalidLength, 0),
        (b"di1ei2ee", Kind::KeyNotString, 1),
        (b"d1:ae", Kind::MissingValue, 4),
        (b"d1:bi1e1:ai2ee", Kind::UnsortedKeys, 7),
        (b"d1:ai1e1:ai2ee", Kind::DuplicateKey, 7),
        (b"i1ei2e", Kind::TrailingBytes, 3),
    ];
    for (input, kind, offset) in cases {
        assert_eq!(refusal(input), (kind, offset), "{}", input.escape_ascii());
    }
}

#[test]
fn lenient_takes_what_the_wild_contains() {
    let document = Options::lenient()
        .decode(b"d1:b03:abc1:ai-0e1:ai7eejunk")
        .unwrap();
    assert_eq!(
        document.root().get("b").unwrap().as_bytes(),
        Some(&b"abc"[..])
    );
    assert_eq!(document.root().get("a").unwrap().as_int(), Some(0));
    assert_eq!(document.trailing(), b"junk");
}

#[test]
fn limits_hold_to_the_item() {
    let limits = |limits| Options::strict().limits(limits);
    let deep = limits(Limits {
        max_depth: 2,
        ..Limits::default()
    });
    assert!(deep.decode(b"llee").is_ok());
    assert_eq!(deep.decode(b"llleee").unwrap_err().kind, Kind::TooDeep(2));
    let few = limits(Limits {
        max_items: 3,
        ..Limits::default()
    });
    assert!(few.decode(b"li1ee").is_ok());
    assert_eq!(
        few.decode(b"li1ei2ee").unwrap_err().kind,
        Kind::TooManyItems(3)
    );
    let short = limits(Limits {
        max_string: 3,
        ..Limits::default()
    });
    assert!(short.decode(b"3:abc").is_ok());
    assert_eq!(
        short.decode(b"4:abcd").unwrap_err().kind,
        Kind::StringTooLong(3)
    );
}

#[test]
fn a_hundred_thousand_open_lists_are_refused_without_recursion() {
    assert_eq!(refusal(&vec![b'l'; 100_000]).0, Kind::TooDeep(100));
}

#[test]
fn spans_are_the_bytes_that_were_read() {
    let document = decode(b"d1:ad1:xi1ee1:bl3:fooee").unwrap();
    let a = document.root().get("a").unwrap();
    assert_eq!((a.raw(), a.span()), (&b"d1:xi1ee"[..], 4..12));
    let foo = document
        .root()
        .get("b")
        .unwrap()
        .as_list()
        .unwrap()
        .next()
        .unwrap();
    assert_eq!((foo.raw(), foo.as_str()), (&b"3:foo"[..], Some("foo")));
}

#[test]
#[should_panic(expected = "out of order")]
fn the_encoder_refuses_keys_out_of_order() {
    crate::Encoder::dict_to_vec(|dict| {
        dict.key("b").int(1);
        dict.key("a").int(1);
    });
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Value::Int),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Value::Bytes),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::List),
            prop::collection::btree_map(prop::collection::vec(any::<u8>(), 0..6), inner, 0..6)
                .prop_map(Value::Dict),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_the_same(value in value()) {
        let bytes = value.encode();
        let document = decode(&bytes).unwrap();
        prop_assert_eq!(document.root().raw(), &bytes[..]);
        prop_assert_eq!(Value::from(document.root()), value);
    }

    #[test]
    fn what_strict_accepts_is_canonical(bytes in prop::collection::vec(prop::sample::select(b"ilde012:-a".to_vec()), 0..24)) {
        if let Ok(document) = decode(&bytes) {
            prop_assert_eq!(Value::from(document.root()).encode(), bytes);
        }
    }

    #[test]
    fn bytes_of_any_kind_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = format!("{:?}", Options::lenient().decode(&bytes));
    }

    #[test]
    fn every_cut_of_a_value_is_refused(value in value(), at in any::<prop::sample::Index>()) {
        let bytes = value.encode();
        let cut = at.index(bytes.len());
        prop_assert!(decode(&bytes[..cut]).is_err());
    }
}
