//! Text from strangers, made fit to be shown.

/// No message of a tracker is shown beyond this many characters.
const MAX_CHARACTERS: usize = 200;

/// The beginning of `bytes` on one line: control and direction characters become spaces, and what is not UTF-8
/// becomes replacement characters.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let head = &bytes[..bytes.len().min(4 * MAX_CHARACTERS)];
    let text = String::from_utf8_lossy(head);
    let clean: String = text.chars().map(visible).collect();
    let mut shown: String = clean.trim_start().chars().take(MAX_CHARACTERS).collect();
    shown.truncate(shown.trim_end().len());
    shown
}

fn visible(character: char) -> char {
    let directs = matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let breaks = matches!(character, '\u{2028}' | '\u{2029}');
    if character.is_control() || directs || breaks {
        ' '
    } else {
        character
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_stays_on_one_line_and_is_short() {
        assert_eq!(shown(b"  bad\r\n\x1b[31mred\n"), "bad   [31mred");
        assert_eq!(shown("a\u{202e}b".as_bytes()), "a b");
        assert_eq!(shown(&[b'x'; 5000]).len(), MAX_CHARACTERS);
        assert_eq!(shown(b"\xff"), "\u{fffd}");
        let cut_at_a_space = [vec![b'x'; MAX_CHARACTERS - 1], b"  y".to_vec()].concat();
        assert_eq!(shown(&cut_at_a_space).len(), MAX_CHARACTERS - 1);
    }
}
