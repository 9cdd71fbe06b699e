//! Builds the token list of a document.

use crate::document::{Document, Token};
use crate::error::{DecodeError, DecodeErrorKind as Kind};
use crate::{Options, token};

pub(crate) fn document(options: Options, input: &[u8]) -> Result<Document<'_>, DecodeError> {
    if input.len() >= u32::MAX as usize {
        return Err(DecodeError {
            kind: Kind::InputTooLong,
            offset: 0,
        });
    }
    Tokenizer {
        options,
        input,
        position: 0,
        tokens: Vec::new(),
        open: Vec::new(),
    }
    .run()
}

/// A list or dictionary whose end has not been seen.
struct Open {
    token: usize,
    /// Of a dictionary: what comes next, and the last key.
    keys: Option<Keys>,
}

#[derive(Clone, Copy)]
struct Keys {
    last: Option<(usize, usize)>,
    value_next: bool,
}

struct Tokenizer<'a> {
    options: Options,
    input: &'a [u8],
    position: usize,
    tokens: Vec<Token>,
    open: Vec<Open>,
}

impl<'a> Tokenizer<'a> {
    fn run(mut self) -> Result<Document<'a>, DecodeError> {
        loop {
            self.step()?;
            if self.open.is_empty() {
                break;
            }
        }
        let end = self.position;
        if end < self.input.len() && !self.options.lenient {
            return Err(self.error(Kind::TrailingBytes));
        }
        // Where the value ends; what `Node::raw` of the root looks at.
        self.tokens.push(Token::new(end));
        Ok(Document::new(self.input, self.tokens))
    }

    /// Reads one token.
    fn step(&mut self) -> Result<(), DecodeError> {
        let byte = *self
            .input
            .get(self.position)
            .ok_or_else(|| self.error(Kind::UnexpectedEnd))?;
        if byte == b'e' && !self.open.is_empty() {
            return self.close();
        }
        if self.at_key() {
            return self.key(byte);
        }
        self.push_token()?;
        match byte {
            b'0'..=b'9' => {
                self.position = self.string_end()?.1;
            }
            b'i' => self.position = self.integer_end()?,
            b'l' | b'd' => return self.open(byte == b'd'),
            other => return Err(self.error(Kind::UnexpectedByte(other))),
        }
        self.value_done();
        Ok(())
    }

    fn at_key(&self) -> bool {
        let innermost = self.open.last().and_then(|open| open.keys);
        innermost.is_some_and(|keys| !keys.value_next)
    }

    fn key(&mut self, byte: u8) -> Result<(), DecodeError> {
        if !byte.is_ascii_digit() {
            return Err(self.error(Kind::KeyNotString));
        }
        let key = self.string_end()?;
        let last = self.open.last().and_then(|open| open.keys?.last);
        if let (false, Some(last)) = (self.options.lenient, last) {
            self.check_order(last, key)?;
        }
        self.push_token()?;
        self.position = key.1;
        if let Some(Open {
            keys: Some(keys), ..
        }) = self.open.last_mut()
        {
            *keys = Keys {
                last: Some(key),
                value_next: true,
            };
        }
        Ok(())
    }

    fn check_order(&self, last: (usize, usize), key: (usize, usize)) -> Result<(), DecodeError> {
        match self.input[last.0..last.1].cmp(&self.input[key.0..key.1]) {
            std::cmp::Ordering::Less => Ok(()),
            std::cmp::Ordering::Equal => Err(self.error(Kind::DuplicateKey)),
            std::cmp::Ordering::Greater => Err(self.error(Kind::UnsortedKeys)),
        }
    }

    fn open(&mut self, dictionary: bool) -> Result<(), DecodeError> {
        if self.open.len() >= self.options.limits.max_depth {
            return Err(self.error(Kind::TooDeep(self.options.limits.max_depth)));
        }
        self.position += 1;
        self.open.push(Open {
            token: self.tokens.len() - 1,
            keys: dictionary.then_some(Keys {
                last: None,
                value_next: false,
            }),
        });
        Ok(())
    }

    fn close(&mut self) -> Result<(), DecodeError> {
        let innermost = self.open.last().and_then(|open| open.keys);
        if innermost.is_some_and(|keys| keys.value_next) {
            return Err(self.error(Kind::MissingValue));
        }
        let Some(open) = self.open.pop() else {
            return Err(self.error(Kind::UnexpectedByte(b'e')));
        };
        self.push_token()?;
        self.tokens[open.token].next = self.tokens.len() as u32;
        self.position += 1;
        self.value_done();
        Ok(())
    }

    /// After a value in a dictionary comes a key.
    fn value_done(&mut self) {
        if let Some(Open {
            keys: Some(keys), ..
        }) = self.open.last_mut()
        {
            keys.value_next = false;
        }
    }

    /// A token at the position whose next sibling is the token behind it, as long as nobody says otherwise.
    fn push_token(&mut self) -> Result<(), DecodeError> {
        if self.tokens.len() >= self.options.limits.max_items {
            return Err(self.error(Kind::TooManyItems(self.options.limits.max_items)));
        }
        let mut token = Token::new(self.position);
        token.next = self.tokens.len() as u32 + 1;
        self.tokens.push(token);
        Ok(())
    }

    /// Where the content of the string at the position starts and ends.
    fn string_end(&self) -> Result<(usize, usize), DecodeError> {
        let rest = &self.input[self.position..];
        let Ok((content, (digits, length))) = token::length(rest) else {
            return Err(self.bad_length(rest));
        };
        if !self.options.lenient && !token::is_canonical(digits) {
            return Err(self.error(Kind::InvalidLength));
        }
        let limit = self.options.limits.max_string;
        if length > limit as u64 {
            return Err(self.error(Kind::StringTooLong(limit)));
        }
        if length > content.len() as u64 {
            return Err(self.error(Kind::UnexpectedEnd));
        }
        let start = self.input.len() - content.len();
        Ok((start, start + length as usize))
    }

    /// Digits that the input's end cuts short are another matter than digits followed by something else.
    fn bad_length(&self, rest: &[u8]) -> DecodeError {
        let cut = token::digits(rest).is_ok_and(|(behind, _)| behind.is_empty());
        self.error(if cut {
            Kind::UnexpectedEnd
        } else {
            Kind::InvalidLength
        })
    }

    fn integer_end(&self) -> Result<usize, DecodeError> {
        let rest = &self.input[self.position..];
        let Ok((behind, text)) = token::integer(rest) else {
            let ended = rest[1..]
                .iter()
                .all(|byte| byte.is_ascii_digit() || *byte == b'-');
            return Err(self.error(if ended {
                Kind::UnexpectedEnd
            } else {
                Kind::InvalidInteger
            }));
        };
        let digits = text.strip_prefix(b"-").unwrap_or(text);
        let canonical = token::is_canonical(digits) && text != b"-0";
        if parse_int(text).is_none() || !(canonical || self.options.lenient) {
            return Err(self.error(Kind::InvalidInteger));
        }
        Ok(self.input.len() - behind.len())
    }

    fn error(&self, kind: Kind) -> DecodeError {
        DecodeError {
            kind,
            offset: self.position,
        }
    }
}

/// The number that `text`, a sign and digits, stands for.
pub(crate) fn parse_int(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
