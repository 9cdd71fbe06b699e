//! The two tokens of bencode that have a content, as nom parsers.

use nom::bytes::complete::{tag, take_while};
use nom::character::complete::{digit1, u64 as number};
use nom::combinator::{consumed, opt, recognize};
use nom::sequence::{delimited, pair, terminated};
use nom::{IResult, Parser};

/// `42:`, the length of the string behind it, and the digits it was read from.
pub(crate) fn length(input: &[u8]) -> IResult<&[u8], (&[u8], u64)> {
    terminated(consumed(number), tag(&b":"[..])).parse(input)
}

/// `i-42e`, as the text between the letters.
pub(crate) fn integer(input: &[u8]) -> IResult<&[u8], &[u8]> {
    let signed = recognize(pair(opt(tag(&b"-"[..])), digit1));
    delimited(tag(&b"i"[..]), signed, tag(&b"e"[..])).parse(input)
}

/// The digits at the start of `input`; there may be none.
pub(crate) fn digits(input: &[u8]) -> IResult<&[u8], &[u8]> {
    take_while(|byte: u8| byte.is_ascii_digit()).parse(input)
}

/// Whether `digits` is how a canonical encoder writes a number that is not negative.
pub(crate) fn is_canonical(digits: &[u8]) -> bool {
    digits == b"0" || digits.first() != Some(&b'0')
}
