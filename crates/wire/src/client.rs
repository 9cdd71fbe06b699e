//! Which program a peer id belongs to (BEP 20).

use headwater_metainfo::PeerId;

use self::codes::{AZUREUS_STYLE, SHADOW_DIGITS, SHADOW_STYLE};

mod codes;

/// Name and version of the program that made `peer_id`, such as `Transmission 4.0.0`; `None` if the id follows no known
/// convention. It is a guess at what the peer claims, to be shown to people and not to be relied on.
///
/// An unknown code in Azureus style gives the code itself with its version.
///
/// ```
/// use headwater_metainfo::PeerId;
/// use headwater_wire::client_name;
///
/// assert_eq!(client_name(&PeerId(*b"-TR4000-abcdefghijkl")).as_deref(), Some("Transmission 4.0.0"));
/// assert_eq!(client_name(&PeerId([0; 20])), None);
/// ```
pub fn client_name(peer_id: &PeerId) -> Option<String> {
    let id = peer_id.as_bytes();
    special(id)
        .or_else(|| azureus_style(id))
        .or_else(|| mainline_style(id))
        .or_else(|| shadow_style(id))
}

/// `-XX1234-`: also with letters for numbers above nine.
fn azureus_style(id: &[u8; 20]) -> Option<String> {
    let code: &[u8; 2] = id[1..3].try_into().ok()?;
    let version = &id[3..7];
    if id[0] != b'-'
        || !code.iter().all(u8::is_ascii_graphic)
        || !version.iter().copied().all(is_version)
    {
        return None;
    }
    let known = AZUREUS_STYLE.iter().find(|(known, _)| *known == code);
    // FlashGet leaves out the second dash.
    if id[7] != b'-' && code != b"FG" {
        return None;
    }
    let name = known.map_or_else(
        || String::from_utf8_lossy(code).into_owned(),
        |(_, name)| (*name).to_owned(),
    );
    Some(format!("{name} {}", azureus_version(*code, version)))
}

fn is_version(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn azureus_version(code: [u8; 2], version: &[u8]) -> String {
    let [a, b, c, d] = [version[0], version[1], version[2], version[3]].map(digit);
    match &code {
        b"TR" if a == 0 => format!("0.{c}{d}"),
        b"TR" if a < 4 => format!("{a}.{b}{c}"),
        b"BC" | b"WW" | b"WD" if version.iter().all(u8::is_ascii_digit) => {
            let minor = if code == *b"BC" {
                format!("{c}{d}")
            } else {
                (c * 10 + d).to_string()
            };
            format!("{}.{minor}", a * 10 + b)
        }
        // A zero says nothing, and a letter is no number but a kind of build.
        _ if d == 0 || version[3].is_ascii_alphabetic() => format!("{a}.{b}.{c}"),
        _ => format!("{a}.{b}.{c}.{d}"),
    }
}

/// `0`-`9`, then `A` for 10 and so on.
fn digit(byte: u8) -> u32 {
    (byte as char).to_digit(36).unwrap_or(0)
}

/// `M4-20-8-`; `Q` instead of `M` is Queen Bee, and aria2 says `A2-1-36-0-`.
fn mainline_style(id: &[u8; 20]) -> Option<String> {
    match id {
        [b'M', rest @ ..] => dashed_version("Mainline", rest),
        [b'Q', rest @ ..] => dashed_version("Queen Bee", rest),
        [b'A', b'2', b'-', rest @ ..] => dashed_version("aria2", rest),
        _ => None,
    }
}

/// Three numbers, a dash behind each.
fn dashed_version(name: &str, text: &[u8]) -> Option<String> {
    let mut parts = text.split(|&byte| byte == b'-');
    let mut number = || {
        let part = parts.next()?;
        let number = std::str::from_utf8(part).ok()?;
        (part.len() <= 3 && digits(part)).then_some(number)
    };
    let [major, minor, tiny] = [number()?, number()?, number()?];
    parts.next()?;
    Some(format!("{name} {major}.{minor}.{tiny}"))
}

/// `S58B-----`: five version characters padded with dashes, then three dashes.
fn shadow_style(id: &[u8; 20]) -> Option<String> {
    let (_, name) = SHADOW_STYLE.iter().find(|(code, _)| *code == id[0])?;
    let version = &id[1..6];
    let length = version.iter().position(|&byte| byte == b'-').unwrap_or(5);
    let (digits, padding) = version.split_at(length);
    if digits.is_empty() || padding.iter().any(|&byte| byte != b'-') || &id[6..9] != b"---" {
        return None;
    }
    let numbers = digits.iter().map(|&byte| {
        let value = SHADOW_DIGITS.iter().position(|&known| known == byte)?;
        Some(value.to_string())
    });
    Some(format!(
        "{name} {}",
        numbers.collect::<Option<Vec<_>>>()?.join(".")
    ))
}

/// Conventions that only one program has.
fn special(id: &[u8; 20]) -> Option<String> {
    match id {
        [b'e', b'x', b'b', b'c', x, y, b'L', b'O', b'R', b'D', ..] => {
            Some(format!("BitLord {x}.{y:02}"))
        }
        [b'e', b'x', b'b', b'c', x, y, ..] | [b'F', b'U', b'T', b'B', x, y, ..] => {
            Some(format!("BitComet {x}.{y:02}"))
        }
        [
            b'X',
            b'B',
            b'T',
            version @ ..,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
        ] if digits(version) => {
            let [a, b, c] = [version[0], version[1], version[2]].map(digit);
            Some(format!("XBT Client {a}.{b}.{c}"))
        }
        [
            b'O',
            b'P',
            build @ ..,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
        ] if digits(build) => Some(format!("Opera build {}", String::from_utf8_lossy(build))),
        [0, 3, b'B', b'S', ..] => Some("BitSpirit 3".to_owned()),
        [0, 2, b'B', b'S', ..] => Some("BitSpirit 2".to_owned()),
        [major, minor, b'R', b'S', ..] if digits(&[*major, *minor]) => {
            Some(format!("Rufus {}.{}", digit(*major), digit(*minor)))
        }
        _ => special_text(id),
    }
}

fn special_text(id: &[u8; 20]) -> Option<String> {
    if id.starts_with(b"-ML") {
        let version = id[3..].split(|&byte| byte == b'-').next()?;
        let is_version = version
            .iter()
            .all(|&byte| byte.is_ascii_digit() || byte == b'.');
        return (is_version && version.contains(&b'.'))
            .then(|| format!("MLdonkey {}", String::from_utf8_lossy(version)));
    }
    let fixed: [(&[u8], &str); 4] = [
        (b"-BOW", "Bits on Wheels"),
        (b"AZ2500BT", "BitTyrant"),
        (b"346------", "TorrenTopia"),
        (b"-G3", "G3 Torrent"),
    ];
    let (_, name) = fixed.iter().find(|(prefix, _)| id.starts_with(prefix))?;
    Some((*name).to_owned())
}

fn digits(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(start: &[u8]) -> Option<String> {
        let mut id = [b'x'; 20];
        id[..start.len()].copy_from_slice(start);
        client_name(&PeerId(id))
    }

    #[test]
    fn each_convention_is_known() {
        let known: &[(&[u8], &str)] = &[
            (b"-TR4000-", "Transmission 4.0.0"),
            (b"-TR4060-", "Transmission 4.0.6"),
            (b"-TR3000-", "Transmission 3.00"),
            (b"-TR0072-", "Transmission 0.72"),
            (b"-LT2110-", "libtorrent 2.1.1"),
            (b"-LT20B0-", "libtorrent 2.0.11"),
            (b"-lt0D80-", "libTorrent (rTorrent) 0.13.8"),
            (b"-qB4520-", "qBittorrent 4.5.2"),
            (b"-DE211s-", "Deluge 2.1.1"),
            (b"-UT355W-", "µTorrent 3.5.5"),
            (b"-BC0158-", "BitComet 1.58"),
            (b"-WW0102-", "WebTorrent 1.2"),
            (b"-AZ5751-", "Azureus 5.7.5.1"),
            (b"-FG0180", "FlashGet 0.1.8"),
            (b"-HW0100-", "Headwater 0.1.0"),
            (b"-zz1200-", "zz 1.2.0"),
            (b"M4-20-8-", "Mainline 4.20.8"),
            (b"M4-3-6--", "Mainline 4.3.6"),
            (b"Q1-10-0-", "Queen Bee 1.10.0"),
            (b"A2-1-36-0-", "aria2 1.36.0"),
            (b"S58B-----", "Shadow's client 5.8.11"),
            (b"T03I-----", "BitTornado 0.3.18"),
            (b"exbc\x00\x38", "BitComet 0.56"),
            (b"exbc\x01\x01LORD", "BitLord 1.01"),
            (b"XBT054d-", "XBT Client 0.5.4"),
            (b"OP1234", "Opera build 1234"),
            (b"-ML2.7.2-", "MLdonkey 2.7.2"),
            (b"-BOWA0C-", "Bits on Wheels"),
            (b"\0\x03BS", "BitSpirit 3"),
            (b"10RS", "Rufus 1.0"),
        ];
        for (id, expected) in known {
            assert_eq!(
                name(id).as_deref(),
                Some(*expected),
                "{}",
                id.escape_ascii()
            );
        }
    }

    #[test]
    fn others_stay_unnamed() {
        let unknown: [&[u8]; 8] = [
            b"",
            &[0xff; 20],
            b"-TR40",
            b"-zz1200",
            b"M4-20-",
            b"S-----",
            b"T03I--x--",
            "-µ1200-".as_bytes(),
        ];
        for id in unknown {
            assert_eq!(name(id), None, "{}", id.escape_ascii());
        }
    }

    #[test]
    fn the_table_is_in_order_without_doubles() {
        assert!(AZUREUS_STYLE.is_sorted_by(|a, b| a.0 < b.0));
    }
}
