//! Text from torrents: in any encoding, and never trusted.

use std::borrow::Cow;

use encoding_rs::{Encoding, REPLACEMENT};

/// Longest tracker, web seed or node address that is taken over.
const MAX_ADDRESS_BYTES: usize = 4096;

/// What texts that are not UTF-8 are encoded in.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TextEncoding(Option<&'static Encoding>);

impl TextEncoding {
    /// By the label that a torrent has under `encoding`, or else by the number that it has under `codepage`.
    pub(crate) fn new(label: Option<&[u8]>, codepage: Option<i64>) -> Self {
        let by_label = label.and_then(Encoding::for_label);
        let by_number = || Encoding::for_label(codepage_label(codepage?)?.as_bytes());
        let encoding = by_label.or_else(by_number);
        Self(encoding.filter(|&encoding| encoding != REPLACEMENT))
    }

    /// Bytes that are valid UTF-8 are taken as that, whatever the torrent says; what cannot be decoded becomes U+FFFD.
    pub(crate) fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        match (std::str::from_utf8(bytes), self.0) {
            (Ok(text), _) => Cow::Borrowed(text),
            (Err(_), Some(encoding)) => encoding.decode_without_bom_handling(bytes).0,
            (Err(_), None) => String::from_utf8_lossy(bytes),
        }
    }
}

/// The name of a Windows code page.
fn codepage_label(number: i64) -> Option<Cow<'static, str>> {
    Some(match number {
        866 => "ibm866".into(),
        874 | 1250..=1258 => format!("windows-{number}").into(),
        932 => "shift_jis".into(),
        936 => "gbk".into(),
        949 => "euc-kr".into(),
        950 => "big5".into(),
        10000 => "macintosh".into(),
        20866 => "koi8-r".into(),
        21866 => "koi8-u".into(),
        20932 | 51932 => "euc-jp".into(),
        28591..=28606 => format!("iso-8859-{}", number - 28590).into(),
        54936 => "gb18030".into(),
        _ => return None,
    })
}

/// `text` as an address that may be printed, sent and compared: trimmed, not empty, bounded, without blanks and control characters.
pub(crate) fn clean_address(text: &str) -> Option<&str> {
    let text = text.trim();
    let is_clean = !text.is_empty()
        && text.len() <= MAX_ADDRESS_BYTES
        && !text.chars().any(|c| c.is_control() || c.is_whitespace());
    is_clean.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_codepages_decode_what_is_not_utf8() {
        let gbk = b"\xd6\xd0\xce\xc4";
        for encoding in [
            TextEncoding::new(Some(b"GBK"), None),
            TextEncoding::new(None, Some(936)),
            TextEncoding::new(Some(b"no such thing"), Some(936)),
        ] {
            assert_eq!(encoding.decode(gbk), "中文");
            assert_eq!(encoding.decode("中文".as_bytes()), "中文");
        }
        assert_eq!(
            TextEncoding::new(None, Some(1251)).decode(b"\xcc\xe8\xf0"),
            "Мир"
        );
        assert_eq!(TextEncoding::default().decode(b"a\xff"), "a\u{fffd}");
    }

    #[test]
    fn a_separator_that_is_half_of_a_character_is_none() {
        // The second byte of this Shift JIS character is a backslash.
        let decoded = TextEncoding::new(Some(b"shift_jis"), None).decode(b"\x83\x5c");
        assert_eq!(decoded, "ソ");
    }

    #[test]
    fn addresses_are_trimmed_and_bounded() {
        assert_eq!(clean_address(" http://a/ \r\n"), Some("http://a/"));
        for unclean in ["", "  ", "http://a b", "http://a/\u{7f}", &"x".repeat(5000)] {
            assert_eq!(clean_address(unclean), None);
        }
    }
}
