//! One component of a path, made safe.

use std::borrow::Cow;

use super::PLACEHOLDER;

/// Most bytes that one name has: what nearly every file system allows.
pub const MAX_NAME_BYTES: usize = 255;

/// Longest ending, dot included, that is kept when a name is cut.
const MAX_EXTENSION_BYTES: usize = 32;

/// Whose rules a name must obey beyond the ones that hold everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// Only the rules that hold everywhere. A name such as `What?.` stays, so that data which another client put there is found.
    Unix,
    /// Also: no `< > : " | ? *`, no dots or spaces at the end, no device names such as `CON`.
    Windows,
}

impl Platform {
    /// The system that this program was built for.
    pub const HOST: Self = if cfg!(windows) {
        Self::Windows
    } else {
        Self::Unix
    };
}

/// `name` as a safe component; `None` when it names nothing (empty, `.` or `..`).
///
/// Applying it to its own result changes nothing.
pub(super) fn sanitise(name: &str, platform: Platform) -> Option<Cow<'_, str>> {
    match name {
        "" | "." | ".." => None,
        _ if is_plain(name, platform) => Some(Cow::Borrowed(name)),
        _ => Some(Cow::Owned(repair(name, platform))),
    }
}

/// Quickly recognises most of the names that need no change.
fn is_plain(name: &str, platform: Platform) -> bool {
    let bytes = name.as_bytes();
    platform == Platform::Unix
        && bytes.len() <= MAX_NAME_BYTES
        && bytes
            .iter()
            .all(|&byte| matches!(byte, b' '..=b'~') && byte != b'/' && byte != b'\\')
        && bytes[0].is_ascii_alphanumeric()
        && bytes.get(1) != Some(&b':')
}

/// Repeats the rules until none applies: cutting may uncover what another rule forbids.
///
/// It ends: characters are only removed or replaced by `_`, and a device name gets its `_` at most once, after which it is none.
fn repair(name: &str, platform: Platform) -> String {
    let mut name: String = name
        .chars()
        .filter(|&char| !is_bidi_control(char))
        .map(|char| {
            if is_forbidden(char, platform) {
                '_'
            } else {
                char
            }
        })
        .collect();
    loop {
        let next = repair_once(&name, platform);
        if next == name {
            return next;
        }
        name = next;
    }
}

fn repair_once(name: &str, platform: Platform) -> String {
    let mut name = without_drive(name);
    if platform == Platform::Windows {
        name.truncate(name.trim_end_matches(['.', ' ']).len());
        if is_device_name(&name) {
            name.insert(0, '_');
        }
    }
    if name.chars().all(|char| char == '.' || char.is_whitespace()) {
        return PLACEHOLDER.to_owned();
    }
    cut_keeping_extension(&name, MAX_NAME_BYTES)
}

/// `C:` at the start would make a path absolute on Windows.
fn without_drive(name: &str) -> String {
    let mut chars = name.chars();
    match (chars.next(), chars.next()) {
        (Some(letter), Some(':')) if letter.is_ascii_alphabetic() => {
            format!("{letter}_{}", chars.as_str())
        }
        _ => name.to_owned(),
    }
}

/// `name` in at most `limit` bytes, cut before its ending and between characters.
pub(crate) fn cut_keeping_extension(name: &str, limit: usize) -> String {
    if name.len() <= limit {
        return name.to_owned();
    }
    let (stem, extension) = split_extension(name);
    let end = stem.floor_char_boundary(limit - extension.len());
    format!("{}{extension}", &stem[..end])
}

/// The name without its ending, and the ending with its dot; the ending is empty when it is no plausible one.
pub(crate) fn split_extension(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(dot) if dot > 0 && (2..=MAX_EXTENSION_BYTES).contains(&(name.len() - dot)) => {
            name.split_at(dot)
        }
        _ => (name, ""),
    }
}

/// Characters that change the order in which others are shown, so that a name reads as another.
fn is_bidi_control(char: char) -> bool {
    matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn is_forbidden(char: char, platform: Platform) -> bool {
    char.is_control()
        || matches!(char, '/' | '\\' | '\u{2028}' | '\u{2029}')
        || platform == Platform::Windows && matches!(char, '<' | '>' | ':' | '"' | '|' | '?' | '*')
}

/// Names that mean a device on Windows, whatever ending they have.
fn is_device_name(name: &str) -> bool {
    let base = name.split('.').next().unwrap_or(name).trim_end();
    let base = base.to_uppercase();
    if matches!(&*base, "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$") {
        return true;
    }
    let number = base
        .strip_prefix("COM")
        .or_else(|| base.strip_prefix("LPT"));
    number.is_some_and(|number| {
        matches!(
            number,
            "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "¹" | "²" | "³"
        )
    })
}
