//! Times as Go reads them, and why it cannot: element by element of the layout.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use crate::schema::go_quote;

/// How a time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Whole seconds; more places are read and dropped.
    Seconds,
    /// Six places, neither more nor less.
    Micros,
}

/// What stands at a place of a layout.
#[derive(Clone, Copy)]
enum Element {
    Sign(&'static str),
    Year,
    /// Two digits: how the layout writes them, what they count, whether one digit will do, the least and the most.
    Number(&'static str, &'static str, bool, i8, i8),
    Places(&'static str),
    Zone,
}

const DATE: [Element; 11] = [
    Element::Year,
    Element::Sign("-"),
    Element::Number("01", "month", false, 1, 12),
    Element::Sign("-"),
    Element::Number("02", "", false, i8::MIN, i8::MAX),
    Element::Sign("T"),
    Element::Number("15", "hour", true, 0, 23),
    Element::Sign(":"),
    Element::Number("04", "minute", false, 0, 59),
    Element::Sign(":"),
    Element::Number("05", "second", false, 0, 59),
];

impl Layout {
    fn text(self) -> &'static str {
        match self {
            Self::Seconds => "2006-01-02T15:04:05Z07:00",
            Self::Micros => "2006-01-02T15:04:05.000000Z07:00",
        }
    }

    /// The time as this layout writes it, in UTC; a text that is none stays as it is.
    pub(super) fn canonical(self, text: &str) -> String {
        match (self.read(text), self) {
            (Ok(time), Self::Seconds) => time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            (Ok(time), Self::Micros) => time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string(),
            (Err(_), _) => text.to_owned(),
        }
    }

    /// Reads a time.
    ///
    /// # Errors
    /// The element that is wrong, in Go's words.
    pub(super) fn read(self, text: &str) -> Result<Timestamp, String> {
        let mut reading = Reading { text, rest: text, layout: self.text(), numbers: Vec::new(), nanos: 0, offset: 0 };
        for element in DATE {
            reading.element(element)?;
        }
        match self {
            Self::Micros => reading.element(Element::Places(".000000"))?,
            Self::Seconds => reading.fraction(),
        }
        reading.element(Element::Zone)?;
        if !reading.rest.is_empty() {
            return Err(reading.told(&format!(": extra text: {}", go_quote(reading.rest))));
        }
        reading.time().ok_or_else(|| reading.told(": day out of range"))
    }
}

struct Reading<'a> {
    text: &'a str,
    rest: &'a str,
    layout: &'static str,
    /// Year, month, day, hour, minute, second.
    numbers: Vec<i16>,
    nanos: i32,
    offset: i32,
}

impl<'a> Reading<'a> {
    fn told(&self, why: &str) -> String {
        format!("parsing time {}{why}", go_quote(self.text))
    }

    fn unread(&self, element: &str) -> String {
        let why = format!(" as {}: cannot parse {} as {}", go_quote(self.layout), go_quote(self.rest), go_quote(element));
        self.told(&why)
    }

    fn element(&mut self, element: Element) -> Result<(), String> {
        match element {
            Element::Sign(sign) => {
                self.rest = self.rest.strip_prefix(sign).ok_or_else(|| self.unread(sign))?;
            }
            Element::Year => {
                let digits = self.rest.get(..4).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()));
                let year = digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| self.unread("2006"))?;
                self.numbers.push(year);
                self.rest = &self.rest[4..];
            }
            Element::Number(written, counts, one, least, most) => {
                let (number, rest) = two_digits(self.rest, one).ok_or_else(|| self.unread(written))?;
                if !(least..=most).contains(&number) {
                    return Err(self.told(&format!(": {counts} out of range")));
                }
                self.numbers.push(i16::from(number));
                self.rest = rest;
            }
            Element::Places(written) => {
                let places = self.rest.get(..written.len()).filter(|places| is_fraction(places));
                let places = places.ok_or_else(|| self.unread(written))?;
                self.nanos = nanos(&places[1..]);
                self.rest = &self.rest[written.len()..];
            }
            Element::Zone => self.zone()?,
        }
        Ok(())
    }

    /// A part of a second that the layout does not ask for.
    fn fraction(&mut self) {
        let digits = self.rest.bytes().skip(1).take_while(u8::is_ascii_digit).count();
        if let Some(places) = self.rest.get(..=digits).filter(|places| digits > 0 && is_fraction(places)) {
            self.nanos = nanos(&places[1..]);
            self.rest = &self.rest[places.len()..];
        }
    }

    fn zone(&mut self) -> Result<(), String> {
        const WRITTEN: &str = "Z07:00";
        if let Some(rest) = self.rest.strip_prefix('Z') {
            self.rest = rest;
            return Ok(());
        }
        let bad = || self.unread(WRITTEN);
        let (zone, rest) = self.rest.split_at_checked(WRITTEN.len()).ok_or_else(bad)?;
        let sign = match zone.as_bytes().first() {
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => return Err(bad()),
        };
        let (hours, minutes) = zone[1..].split_once(':').ok_or_else(bad)?;
        let (hours, _) = two_digits(hours, false).ok_or_else(bad)?;
        let (minutes, _) = two_digits(minutes, false).ok_or_else(bad)?;
        for (found, most, counts) in [(hours, 24, "hour"), (minutes, 60, "minute")] {
            if found > most {
                return Err(self.told(&format!(": time zone offset {counts} out of range")));
            }
        }
        self.offset = sign * (i32::from(hours) * 60 + i32::from(minutes)) * 60;
        self.rest = rest;
        Ok(())
    }

    fn time(&self) -> Option<Timestamp> {
        let [year, month, day, hour, minute, second] = self.numbers[..] else { return None };
        let small = |number: i16| i8::try_from(number).ok();
        let time =
            DateTime::new(year, small(month)?, small(day)?, small(hour)?, small(minute)?, small(second)?, self.nanos).ok()?;
        Offset::from_seconds(self.offset).ok()?.to_timestamp(time).ok()
    }
}

/// One or two digits, and what follows; `one` says whether one will do.
fn two_digits(text: &str, one: bool) -> Option<(i8, &str)> {
    let digits = text.bytes().take(2).take_while(u8::is_ascii_digit).count();
    if digits == 0 || (digits == 1 && !one) {
        return None;
    }
    let (number, rest) = text.split_at(digits);
    Some((number.parse().ok()?, rest))
}

fn is_fraction(places: &str) -> bool {
    places.strip_prefix(['.', ',']).is_some_and(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))
}

/// Digits after the point as thousand-millionths of a second.
fn nanos(digits: &str) -> i32 {
    let digits = &digits[..digits.len().min(9)];
    digits.bytes().chain(std::iter::repeat(b'0')).take(9).fold(0, |sum, digit| sum * 10 + i32::from(digit - b'0'))
}

/// API-10: a time is read and refused as the reference reads and refuses it.
#[test]
fn times_are_read_as_by_go() {
    let told = |layout: Layout, text: &str| layout.read(text).unwrap_err();
    assert!(told(Layout::Seconds, "x").ends_with("cannot parse \"x\" as \"2006\""));
    assert!(told(Layout::Micros, "2026-01-02T03:04:05Z").ends_with("cannot parse \"Z\" as \".000000\""));
    assert!(told(Layout::Micros, "2026-01-02T03:04:05.1234567Z").ends_with("cannot parse \"7Z\" as \"Z07:00\""));
    assert!(told(Layout::Seconds, "2026-01-02 03:04:05Z").ends_with("cannot parse \" 03:04:05Z\" as \"T\""));
    assert_eq!(told(Layout::Seconds, "2026-13-02T03:04:05Z"), "parsing time \"2026-13-02T03:04:05Z\": month out of range");
    assert_eq!(told(Layout::Seconds, "2026-02-30T03:04:05Z"), "parsing time \"2026-02-30T03:04:05Z\": day out of range");
    assert!(told(Layout::Seconds, "2026-01-02T03:04:05Zx").ends_with(": extra text: \"x\""));
    assert_eq!(Layout::Seconds.canonical("2026-01-02T03:04:05.5+02:00"), "2026-01-02T01:04:05Z");
    assert_eq!(Layout::Micros.canonical("2026-01-02T03:04:05.000001Z"), "2026-01-02T03:04:05.000001Z");
}
