//! Reads label selectors token by token, as the reference does, so that what it refuses is refused in its words.

use std::collections::VecDeque;

use super::label::{Operator, Requirement};
use super::names::{label_key_problems, label_value_problems};

/// The signs, longest first.
const SIGNS: [&str; 9] = ["!=", "==", "=", "!", "(", ")", ",", ">", "<"];
/// The operators between a key and its values.
const OPERATORS: &str = "in, notin, =, ==, !=, gt, lt";

/// A sign, a word, or what comes after the last of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Sign(&'a str),
    Word(&'a str),
    End,
}

impl<'a> Token<'a> {
    fn text(self) -> &'a str {
        match self {
            Self::Sign(text) | Self::Word(text) => text,
            Self::End => "",
        }
    }
}

/// The tokens of a selector, read from the front.
struct Reader<'a>(VecDeque<Token<'a>>);

/// The requirements of a selector.
///
/// # Errors
/// What cannot be read, and what was expected there.
pub(super) fn requirements(text: &str) -> Result<Vec<Requirement>, String> {
    let mut reader = Reader(tokens(text));
    let mut found = Vec::new();
    loop {
        match reader.peek() {
            Token::Word(_) | Token::Sign("!") => {}
            Token::End => return Ok(found),
            Token::Sign(sign) => return Err(format!("found '{sign}', expected: !, identifier, or 'end of string'")),
        }
        found.push(reader.requirement().map_err(|problem| format!("unable to parse requirement: {problem}"))?);
        match reader.next() {
            Token::End => return Ok(found),
            Token::Sign(",") => match reader.peek() {
                Token::Word(_) | Token::Sign("!") => {}
                other => return Err(format!("found '{}', expected: identifier after ','", other.text())),
            },
            other => return Err(format!("found '{}', expected: ',' or 'end of string'", other.text())),
        }
    }
}

fn tokens(text: &str) -> VecDeque<Token<'_>> {
    let mut tokens = VecDeque::new();
    let mut rest = text.trim_start_matches([' ', '\t', '\r', '\n']);
    while !rest.is_empty() {
        let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign)).map(|sign| sign.len());
        let word = || rest.find(|letter: char| " \t\r\n=!(),><".contains(letter)).unwrap_or(rest.len());
        let (token, after) = rest.split_at(sign.unwrap_or_else(word));
        tokens.push_back(if sign.is_some() { Token::Sign(token) } else { Token::Word(token) });
        rest = after.trim_start_matches([' ', '\t', '\r', '\n']);
    }
    tokens
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Token<'a> {
        self.0.front().copied().unwrap_or(Token::End)
    }

    fn next(&mut self) -> Token<'a> {
        self.0.pop_front().unwrap_or(Token::End)
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let absent = self.peek() == Token::Sign("!");
        if absent {
            self.next();
        }
        let key = match self.next() {
            Token::Word(key) => key,
            other => return Err(format!("found '{}', expected: identifier", other.text())),
        };
        let problems = label_key_problems(key);
        if !problems.is_empty() {
            return Err(format!("<nil>: Invalid value: {key:?}: {}", problems.join("; ")));
        }
        let operator = match self.peek() {
            Token::End | Token::Sign(",") if absent => Operator::Absent,
            Token::End | Token::Sign(",") => Operator::Exists,
            Token::Sign(_) | Token::Word(_) => self.operator(key)?,
        };
        Ok(Requirement { key: key.to_owned(), operator })
    }

    fn operator(&mut self, key: &str) -> Result<Operator, String> {
        match self.next() {
            Token::Word("in") => Ok(Operator::In(self.set(key)?)),
            Token::Word("notin") => Ok(Operator::NotIn(self.set(key)?)),
            Token::Sign("=" | "==") => Ok(Operator::In(vec![self.value(key)?])),
            Token::Sign("!=") => Ok(Operator::NotIn(vec![self.value(key)?])),
            Token::Sign(">") => Ok(Operator::Greater(self.bound(key)?)),
            Token::Sign("<") => Ok(Operator::Less(self.bound(key)?)),
            other => Err(format!("found '{}', expected: {OPERATORS}", other.text())),
        }
    }

    /// `(a, b,)`: an empty place is the empty value.
    fn set(&mut self, key: &str) -> Result<Vec<String>, String> {
        match self.next() {
            Token::Sign("(") => {}
            other => return Err(format!("found '{}' expected: '('", other.text())),
        }
        match self.peek() {
            Token::Word(_) | Token::Sign("," | ")") => {}
            other => return Err(format!("found '{}', expected: ',', ')' or identifier", other.text())),
        }
        let (mut values, mut place) = (Vec::new(), "");
        loop {
            match self.next() {
                Token::Word(word) => {
                    place = word;
                    match self.peek() {
                        Token::Sign("," | ")") => {}
                        other => return Err(format!("found '{}', expected: ',' or ')'", other.text())),
                    }
                }
                Token::Sign(",") => values.push(checked(key, values.len(), std::mem::take(&mut place))?),
                Token::Sign(")") => {
                    values.push(checked(key, values.len(), place)?);
                    return Ok(values);
                }
                other => return Err(format!("found '{}', expected: ',', or identifier", other.text())),
            }
        }
    }

    fn value(&mut self, key: &str) -> Result<String, String> {
        match self.peek() {
            Token::End | Token::Sign(",") => Ok(String::new()),
            Token::Word(word) => {
                self.next();
                checked(key, 0, word)
            }
            Token::Sign(sign) => Err(format!("found '{sign}', expected: identifier")),
        }
    }

    fn bound(&mut self, key: &str) -> Result<i64, String> {
        let value = self.value(key)?;
        let refused = "for 'Gt', 'Lt' operators, the value must be an integer";
        value.parse().map_err(|_| format!("values[0]: Invalid value: {value:?}: {refused}"))
    }
}

fn checked(key: &str, index: usize, value: &str) -> Result<String, String> {
    let problems = label_value_problems(value);
    if problems.is_empty() {
        return Ok(value.to_owned());
    }
    Err(format!("values[{index}][{key}]: Invalid value: {value:?}: {}", problems.join("; ")))
}
