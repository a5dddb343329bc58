//! One text in YAML: whether it needs quotes or a block, and where it is folded.

use std::fmt::Write as _;

/// The column behind which a text is folded at its next space.
const WIDTH: usize = 80;

/// How a text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Single,
    Double,
    Literal,
}

/// What a text allows.
struct Allowed {
    plain: bool,
    single: bool,
    block: bool,
}

/// The style that the reference takes for `text`.
pub(super) fn style(text: &str, key: bool) -> Style {
    let allowed = allowed(text);
    let wanted = if text.contains('\n') {
        Style::Literal
    } else if means_something_else(text) {
        Style::Double
    } else {
        Style::Plain
    };
    match wanted {
        Style::Literal if key || !allowed.block => Style::Double,
        Style::Plain if allowed.plain => Style::Plain,
        Style::Plain | Style::Single if allowed.single => Style::Single,
        Style::Plain | Style::Single | Style::Double => Style::Double,
        Style::Literal => Style::Literal,
    }
}

fn printable(letter: char) -> bool {
    matches!(letter, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}') && letter != '\u{feff}'
        || letter > '\u{ffff}'
}

fn is_break(letter: char) -> bool {
    matches!(letter, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_blank(letter: char) -> bool {
    matches!(letter, ' ' | '\t')
}

fn allowed(text: &str) -> Allowed {
    let letters: Vec<char> = text.chars().collect();
    let (Some(first), Some(last)) = (letters.first(), letters.last()) else {
        return Allowed { plain: true, single: true, block: false };
    };
    let blank_after = |at: usize| letters.get(at + 1).is_none_or(|letter| is_blank(*letter) || is_break(*letter));
    let mut indicators = text.starts_with("---") || text.starts_with("...");
    let (mut special, mut breaks, mut break_space, mut space_break) = (false, false, false, false);
    for (at, letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| letters[before]);
        indicators |= match (at, letter) {
            (0, '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`') => true,
            (0, '?' | '-') | (_, ':') => blank_after(at),
            (_, '#') => before.is_some_and(|before| is_blank(before) || is_break(before)),
            _ => false,
        };
        special |= !printable(*letter);
        breaks |= is_break(*letter);
        break_space |= *letter == ' ' && before.is_some_and(is_break);
        space_break |= is_break(*letter) && before == Some(' ');
    }
    let edge = |letter: char| letter == ' ' || is_break(letter);
    let whole = !space_break && !special;
    Allowed {
        plain: whole && !breaks && !indicators && !edge(*first) && !edge(*last),
        single: whole && !break_space,
        block: whole && *last != ' ',
    }
}

/// Whether a reader would take the bare text for something else than a text.
fn means_something_else(text: &str) -> bool {
    let word = matches!(
        text,
        "" | "~"
            | "null"
            | "Null"
            | "NULL"
            | "y"
            | "Y"
            | "n"
            | "N"
            | "<<"
            | "true"
            | "True"
            | "TRUE"
            | "false"
            | "False"
            | "FALSE"
            | "yes"
            | "Yes"
            | "YES"
            | "no"
            | "No"
            | "NO"
            | "on"
            | "On"
            | "ON"
            | "off"
            | "Off"
            | "OFF"
            | ".nan"
            | ".NaN"
            | ".NAN"
    );
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    word || matches!(unsigned, ".inf" | ".Inf" | ".INF") || is_number(unsigned) || is_sexagesimal(unsigned) || is_time(text)
}

/// A number of any base, or with a fraction or an exponent; digits may be parted by `_`.
fn is_number(unsigned: &str) -> bool {
    let plain = if unsigned.starts_with(|letter: char| letter.is_ascii_digit()) {
        unsigned.replace('_', "")
    } else {
        unsigned.to_owned()
    };
    for (mark, base) in [("0x", 16), ("0X", 16), ("0b", 2), ("0B", 2), ("0o", 8), ("0O", 8)] {
        if let Some(digits) = plain.strip_prefix(mark) {
            return !digits.is_empty() && digits.chars().all(|letter| letter.is_digit(base));
        }
    }
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (mantissa, exponent) = plain.split_once(['e', 'E']).map_or((plain.as_str(), None), |(head, tail)| (head, Some(tail)));
    let whole = match mantissa.split_once('.') {
        None => digits(mantissa),
        Some(("", fraction)) => digits(fraction),
        Some((head, fraction)) => digits(head) && (fraction.is_empty() || digits(fraction)),
    };
    whole && exponent.is_none_or(|text| digits(text.strip_prefix(['-', '+']).unwrap_or(text)))
}

/// `190:20:30`, a number to readers of YAML 1.1.
fn is_sexagesimal(unsigned: &str) -> bool {
    let mut parts = unsigned.split(':');
    let head = parts.next().unwrap_or_default();
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let rest: Vec<&str> = parts.collect();
    let Some((last, middle)) = rest.split_last() else { return false };
    let (last, fraction) = last.split_once('.').unwrap_or((last, ""));
    let minute = |text: &str| text.parse::<u8>().is_ok_and(|value| value < 60) && text.len() <= 2;
    head.starts_with(|letter: char| letter.is_ascii_digit())
        && number(head)
        && middle.iter().all(|text| minute(text))
        && minute(last)
        && number(fraction)
}

/// `2026-1-2`, alone or with a time of day.
fn is_time(text: &str) -> bool {
    let digits = |text: &str, most: usize| (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = text.splitn(3, '-');
    let (Some(year), Some(month), Some(rest)) = (parts.next(), parts.next(), parts.next()) else { return false };
    let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    let (day, time) = rest.split_at(end);
    if !(year.len() == 4 && digits(year, 4) && digits(month, 2) && digits(day, 2)) {
        return false;
    }
    let Some(time) = time.strip_prefix(['T', 't', ' ']) else { return time.is_empty() };
    let clock: Vec<&str> = time.splitn(3, ':').collect();
    let [hour, minute, second] = clock.as_slice() else { return false };
    let second = second.find(|letter: char| !letter.is_ascii_digit()).map_or(*second, |end| &second[..end]);
    digits(hour, 2) && digits(minute, 2) && digits(second, 2)
}

/// `text` in `style`, from `column` on; what follows a fold stands at column `indent`. Keys are not folded.
pub(super) fn text_of(text: &str, style: Style, column: usize, indent: usize, key: bool) -> String {
    let mut line = Line { out: String::new(), column, indent, folds: !key, spaces: false };
    let letters: Vec<char> = text.chars().collect();
    match style {
        Style::Plain => line.folded(&letters, |_| String::new()),
        Style::Single => {
            line.put('\'');
            line.folded(&letters, |letter| if letter == '\'' { "'".to_owned() } else { String::new() });
            line.put('\'');
        }
        Style::Double => {
            line.put('"');
            line.escaped(&letters);
            line.put('"');
        }
        Style::Literal => literal(&mut line, text, indent),
    }
    line.out
}

struct Line {
    out: String,
    column: usize,
    indent: usize,
    folds: bool,
    /// Whether the letter before was a space.
    spaces: bool,
}

impl Line {
    fn put(&mut self, letter: char) {
        self.out.push(letter);
        self.column += 1;
    }

    fn fold(&mut self) {
        self.out.push('\n');
        self.out.push_str(&" ".repeat(self.indent));
        self.column = self.indent;
    }

    fn is_far(&self) -> bool {
        self.folds && !self.spaces && self.column > WIDTH
    }

    /// Writes letters, each behind what `mark` puts before it, and folds at single spaces.
    fn folded(&mut self, letters: &[char], mark: impl Fn(char) -> String) {
        for (at, letter) in letters.iter().enumerate() {
            if *letter == ' ' {
                let inside = at > 0 && letters.get(at + 1).is_some_and(|next| *next != ' ');
                if self.is_far() && inside {
                    self.fold();
                } else {
                    self.put(' ');
                }
                self.spaces = true;
                continue;
            }
            mark(*letter).chars().for_each(|letter| self.put(letter));
            self.put(*letter);
            self.spaces = false;
        }
    }

    fn escaped(&mut self, letters: &[char]) {
        for (at, letter) in letters.iter().enumerate() {
            if *letter == ' ' {
                if self.is_far() && at > 0 && at + 1 < letters.len() {
                    self.fold();
                    if letters[at + 1] == ' ' {
                        self.put('\\');
                    }
                } else {
                    self.put(' ');
                }
                self.spaces = true;
                continue;
            }
            if printable(*letter) && !is_break(*letter) && !matches!(letter, '"' | '\\') {
                self.put(*letter);
            } else {
                escape(*letter).chars().for_each(|letter| self.put(letter));
            }
            self.spaces = false;
        }
    }
}

fn escape(letter: char) -> String {
    let short = match letter {
        '\0' => '0',
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\u{1b}' => 'e',
        '"' => '"',
        '\\' => '\\',
        '\u{85}' => 'N',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        other => {
            let code = u32::from(other);
            return match code {
                0..=0xff => format!("\\x{code:02X}"),
                0x100..=0xffff => format!("\\u{code:04X}"),
                _ => format!("\\U{code:08X}"),
            };
        }
    };
    format!("\\{short}")
}

/// A block: its lines as they are, each at column `indent`.
fn literal(line: &mut Line, text: &str, indent: usize) {
    let out = &mut line.out;
    out.push('|');
    if text.starts_with([' ', '\n']) {
        // Writing to a text cannot fail.
        let _ = write!(out, "{}", super::STEP);
    }
    match text.strip_suffix('\n') {
        None => out.push('-'),
        Some(rest) if rest.is_empty() || rest.ends_with('\n') => out.push('+'),
        Some(_) => {}
    }
    for part in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        out.push('\n');
        if !part.is_empty() {
            out.push_str(&" ".repeat(indent));
            out.push_str(part);
        }
    }
    if text.ends_with('\n') {
        out.push('\n');
    }
}
