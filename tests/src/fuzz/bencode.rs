use headwater_bencode::{Options, Value};

/// Decode, encode, decode: what comes out the second time is what came out the first time, and what strict decoding
/// accepts is encoded to the very bytes.
pub fn bencode(data: &[u8]) {
    let Ok(document) = Options::lenient().decode(data) else {
        assert!(
            Options::strict().decode(data).is_err(),
            "strict takes more than lenient"
        );
        return;
    };
    assert_eq!(
        document.root().raw().len() + document.trailing().len(),
        data.len()
    );
    let value = Value::from(document.root());
    let encoded = value.encode();
    let again = headwater_bencode::decode(&encoded).expect("the encoder is canonical");
    assert_eq!(Value::from(again.root()), value);
    if Options::strict().decode(data).is_ok() {
        assert_eq!(encoded, data);
    }
}
