//! The canonical text of a quantity: `0.5` is `500m`, `1024Mi` is `1Gi`.

/// One unit in the finest part that a quantity counts, a thousand-millionth.
const UNIT: i128 = 1_000_000_000;
/// Suffixes of powers of 1000, from the finest part on.
const DECIMAL: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
/// Suffixes of powers of 1024.
const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
/// The largest power of ten that is read.
const MAX_EXPONENT: i32 = 18;

enum Form {
    Decimal,
    Binary,
    Exponent,
}

/// The canonical form of `text`; `None` for what is no quantity or is too large to count.
pub(super) fn canonical(text: &str) -> Option<String> {
    let digits = text.find(|letter: char| !(letter.is_ascii_digit() || matches!(letter, '+' | '-' | '.'))).unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let (factor, divisor, form) = scale(suffix)?;
    let value = fixed(number)?.checked_mul(factor)?;
    // What is finer than can be counted is rounded away from zero.
    let rest = value % divisor;
    let value = value / divisor + rest.signum();
    Some(match form {
        Form::Binary if value.abs() >= 1024 * UNIT => binary(value),
        Form::Binary | Form::Decimal => decimal(value),
        Form::Exponent => exponent(value),
    })
}

/// `12.5` in thousand-millionths.
fn fixed(number: &str) -> Option<i128> {
    let (sign, number) = match number.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && part.is_empty() {
        return None;
    }
    let part = part.get(..part.len().min(9))?;
    let read = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<u64>().ok().map(i128::from) };
    let places = u32::try_from(part.len()).ok()?;
    Some(sign * (read(whole)?.checked_mul(UNIT)? + read(part)? * 10_i128.pow(9 - places)))
}

/// Factor, divisor and form of a suffix.
fn scale(suffix: &str) -> Option<(i128, i128, Form)> {
    if let Some(power) = BINARY.iter().skip(1).position(|known| *known == suffix) {
        return Some((1024_i128.pow(u32::try_from(power).ok()? + 1), 1, Form::Binary));
    }
    if let Some(power) = DECIMAL.iter().position(|known| *known == suffix) {
        let thousands = |count: usize| u32::try_from(count).ok().map(|count| 1000_i128.pow(count));
        return Some((thousands(power.saturating_sub(3))?, thousands(3_usize.saturating_sub(power))?, Form::Decimal));
    }
    let power: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok().filter(|power: &i32| power.abs() <= MAX_EXPONENT)?;
    let tens = 10_i128.pow(power.unsigned_abs());
    Some(if power < 0 { (1, tens, Form::Exponent) } else { (tens, 1, Form::Exponent) })
}

/// The number without its powers of 1000, and how many there were.
fn thousands(mut value: i128) -> (i128, usize) {
    let mut power = 0;
    while value != 0 && value % 1000 == 0 && power + 1 < DECIMAL.len() {
        value /= 1000;
        power += 1;
    }
    (value, if value == 0 { 3 } else { power })
}

fn decimal(value: i128) -> String {
    let (value, power) = thousands(value);
    format!("{value}{}", DECIMAL.get(power).unwrap_or(&""))
}

fn exponent(value: i128) -> String {
    match thousands(value) {
        (value, 3) => value.to_string(),
        (value, power) => format!("{value}e{}", i32::try_from(power).map_or(0, |power| (power - 3) * 3)),
    }
}

fn binary(value: i128) -> String {
    let rest = value % UNIT;
    let mut value = value / UNIT + rest.signum();
    let mut power = 0;
    while value % 1024 == 0 && power + 1 < BINARY.len() {
        value /= 1024;
        power += 1;
    }
    format!("{value}{}", BINARY.get(power).unwrap_or(&""))
}

#[cfg(test)]
mod tests {
    use super::canonical;

    /// API-5: quantities are stored in the form that the reference gives them; what is none stays as it is.
    #[test]
    fn quantities_have_one_form() {
        for (given, wanted) in [
            ("0.5", "500m"),
            ("1024Mi", "1Gi"),
            ("1.5Gi", "1536Mi"),
            ("1000m", "1"),
            ("1000", "1k"),
            ("100", "100"),
            ("0", "0"),
            ("-2000Mi", "-2000Mi"),
            ("512", "512"),
            ("0.5Ki", "512"),
            ("1e3", "1e3"),
            ("12e6", "12e6"),
            ("0.1n", "1n"),
            (".5", "500m"),
        ] {
            assert_eq!(canonical(given).as_deref(), Some(wanted), "{given}");
        }
        for none in ["", "a", "1x", "--1", "1.2.3", "99999999999999999999999"] {
            assert_eq!(canonical(none), None, "{none}");
        }
    }
}
