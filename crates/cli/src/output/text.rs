//! Text that comes from others, and the last words of a broken program.

use std::borrow::Cow;
use std::io::{self, Write};
use std::panic;

/// The text without what could move the cursor, colour the terminal or turn the order of letters about; torrents and
/// trackers come from strangers.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let replace = |c| {
        if is_unsafe(c) {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        }
    };
    Cow::Owned(text.chars().map(replace).collect())
}

/// A message in one line, without the numbers of the system's errors, which the standard library puts behind their words.
pub(super) fn one_line(message: &str) -> String {
    let mut text = printable(message).into_owned();
    while let Some(start) = text.find(" (os error ") {
        let length = text[start..]
            .find(')')
            .map_or(text.len() - start, |end| end + 1);
        text.replace_range(start..start + length, "");
    }
    text
}

fn is_unsafe(c: char) -> bool {
    let is_bidi = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || is_bidi || matches!(c, '\u{2028}' | '\u{2029}')
}

/// A bug is told in one line too, without a trace of the stack.
pub(crate) fn report_panics_in_one_line() {
    panic::set_hook(Box::new(|info| {
        let payload = info.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(
            io::stderr(),
            "error: this is a bug in headwater ({place}): {}; please report it",
            printable(text.unwrap_or("panic"))
        );
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_are_safe_from_names() {
        assert_eq!(printable("plain, ünïcödé, 字"), "plain, ünïcödé, 字");
        assert_eq!(
            printable("a\x1b[31mb\nc\u{202e}d"),
            "a\u{fffd}[31mb\u{fffd}c\u{fffd}d"
        );
    }

    #[test]
    fn system_numbers_are_left_out() {
        let error = io::Error::from_raw_os_error(40);
        let line = one_line(&format!("cannot x: {error}, {error}; do y\n"));
        assert!(
            !line.contains("os error") && line.contains("; do y"),
            "{line}"
        );
        assert_eq!(one_line("a (os error 5"), "a");
    }
}
