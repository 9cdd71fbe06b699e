//! Items on the command line: targets, keys, values.

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use headwater_session::InfoHash;
use headwater_session::dht::{NodeId, PublicKey, Salt, Value};

/// Where an item is stored.
pub(super) fn parse_target(text: &str) -> Result<NodeId, String> {
    let hash = text.parse::<InfoHash>();
    hash.map(NodeId::from)
        .map_err(|_| "expected 40 hexadecimal digits".to_owned())
}

/// A public key.
pub(super) fn parse_key(text: &str) -> Result<PublicKey, String> {
    parse_32(text).map(PublicKey)
}

/// 32 bytes as 64 digits.
pub(super) fn parse_32(text: &str) -> Result<[u8; 32], String> {
    let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok();
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| "expected 64 hexadecimal digits".to_owned())
}

/// A salt, as it is written.
pub(super) fn parse_salt(text: &str) -> Result<Salt, String> {
    Salt::new(text.as_bytes()).ok_or_else(|| "longer than 64 bytes".to_owned())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

/// The bytes of a value that is a string.
pub(super) fn string(value: &Value) -> Option<&[u8]> {
    let bytes = value.as_bytes();
    let colon = bytes.iter().position(|&byte| byte == b':')?;
    let is_string = bytes.first()?.is_ascii_digit();
    is_string.then(|| &bytes[colon + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_strings_are_strings() {
        let value = |bytes: &[u8]| Value::new(bytes).unwrap();
        assert_eq!(string(&value(b"3:a:b")), Some(&b"a:b"[..]));
        assert_eq!(string(&value(b"0:")), Some(&b""[..]));
        assert_eq!(string(&value(b"i5e")), None);
        assert_eq!(string(&value(b"d1:a1:be")), None);
    }

    #[test]
    fn keys_and_targets_have_their_length() {
        assert!(parse_key(&"aF".repeat(32)).is_ok());
        assert!(parse_key(&"a".repeat(63)).is_err());
        assert!(parse_target(&"0".repeat(40)).is_ok());
        assert!(parse_target(&"0".repeat(64)).is_err());
        assert!(parse_salt(&"x".repeat(64)).is_ok());
        assert!(parse_salt(&"x".repeat(65)).is_err());
    }
}
