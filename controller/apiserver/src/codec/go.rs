//! Why a text is no JSON, in the words of the reference's decoder.

use serde_json::Value;

/// How deep it is followed, by recursion: as far as it is decoded.
const DEPTH_LIMIT: usize = 128;

/// What is wrong with `text` as one JSON value; `None` for a good one, and for one that is too deep: its bound is the decoder's to tell.
pub(crate) fn go_json_error(text: &[u8]) -> Option<String> {
    if serde_json::from_slice::<Value>(text).is_ok() {
        return None;
    }
    let mut scanner = Scanner { text, at: 0 };
    match scanner.value(0).and_then(|()| scanner.end()) {
        Ok(()) | Err(Wrong::Deep) => None,
        Err(Wrong::End) => Some("unexpected end of JSON input".to_owned()),
        Err(Wrong::Sign { sign, place }) => Some(format!("invalid character {} {place}", quoted(sign))),
    }
}

enum Wrong {
    End,
    Deep,
    Sign { sign: u8, place: String },
}

/// A byte as Go quotes a character.
fn quoted(sign: u8) -> String {
    match sign {
        b'\'' => r"'\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        b'\n' => r"'\n'".to_owned(),
        b'\t' => r"'\t'".to_owned(),
        b'\r' => r"'\r'".to_owned(),
        b'\\' => r"'\\'".to_owned(),
        0..0x20 | 0x7f => format!("'\\x{sign:02x}'"),
        0x80..0xa0 => format!("'\\u{sign:04x}'"),
        _ => format!("'{}'", char::from(sign)),
    }
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Result<u8, Wrong> {
        self.text.get(self.at).copied().ok_or(Wrong::End)
    }

    fn wrong(&self, place: &str) -> Wrong {
        self.peek().map_or(Wrong::End, |sign| Wrong::Sign { sign, place: place.to_owned() })
    }

    fn skip(&mut self) {
        while self.text.get(self.at).is_some_and(|sign| matches!(sign, b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn end(&mut self) -> Result<(), Wrong> {
        self.skip();
        if self.at == self.text.len() { Ok(()) } else { Err(self.wrong("after top-level value")) }
    }

    fn value(&mut self, depth: usize) -> Result<(), Wrong> {
        self.skip();
        match self.peek()? {
            b'{' | b'[' if depth >= DEPTH_LIMIT => Err(Wrong::Deep),
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'"' => self.string(),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            b'-' | b'0'..=b'9' => self.number(),
            _ => Err(self.wrong("looking for beginning of value")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), Wrong> {
        self.at += 1;
        self.skip();
        if self.peek()? == b'}' {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.skip();
            if self.peek()? != b'"' {
                return Err(self.wrong("looking for beginning of object key string"));
            }
            self.string()?;
            self.skip();
            if self.peek()? != b':' {
                return Err(self.wrong("after object key"));
            }
            self.at += 1;
            self.value(depth + 1)?;
            self.skip();
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(self.wrong("after object key:value pair")),
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), Wrong> {
        self.at += 1;
        self.skip();
        if self.peek()? == b']' {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value(depth + 1)?;
            self.skip();
            match self.peek()? {
                b',' => self.at += 1,
                b']' => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(self.wrong("after array element")),
            }
        }
    }

    fn string(&mut self) -> Result<(), Wrong> {
        self.at += 1;
        loop {
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\\' => {
                    self.at += 1;
                    self.escape()?;
                }
                0..0x20 => return Err(self.wrong("in string literal")),
                _ => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Result<(), Wrong> {
        match self.peek()? {
            b'u' => {
                for _ in 0..4 {
                    self.at += 1;
                    if !self.peek()?.is_ascii_hexdigit() {
                        return Err(self.wrong("in \\u hexadecimal character escape"));
                    }
                }
                self.at += 1;
                Ok(())
            }
            b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"' => {
                self.at += 1;
                Ok(())
            }
            _ => Err(self.wrong("in string escape code")),
        }
    }

    fn literal(&mut self, word: &str) -> Result<(), Wrong> {
        for letter in word.bytes() {
            if self.peek()? != letter {
                return Err(self.wrong(&format!("in literal {word} (expecting {})", quoted(letter))));
            }
            self.at += 1;
        }
        Ok(())
    }

    fn digits(&mut self, place: &str) -> Result<(), Wrong> {
        if !self.peek()?.is_ascii_digit() {
            return Err(self.wrong(place));
        }
        while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Wrong> {
        if self.peek()? == b'-' {
            self.at += 1;
        }
        if self.peek()? == b'0' {
            self.at += 1;
        } else {
            self.digits("in numeric literal")?;
        }
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits("after decimal point in numeric literal")?;
        }
        if matches!(self.text.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.text.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits("in exponent of numeric literal")?;
        }
        Ok(())
    }
}

/// API-10, SEC-13: what is no JSON is refused in the reference's words.
#[test]
fn wrong_json_is_told_as_by_the_reference() {
    let told = |text: &str| go_json_error(text.as_bytes()).unwrap_or_default();
    assert_eq!(told("not json"), "invalid character 'o' in literal null (expecting 'u')");
    assert_eq!(told("{bad"), "invalid character 'b' looking for beginning of object key string");
    assert_eq!(told("[1,]"), "invalid character ']' looking for beginning of value");
    assert_eq!(told(""), "unexpected end of JSON input");
    assert_eq!(told("{\"a\":1} x"), "invalid character 'x' after top-level value");
    assert_eq!(told("{\"a\":1}"), "");
    assert_eq!(told(&"[".repeat(1_000_000)), "", "it is as deep as a stack is not");
}
