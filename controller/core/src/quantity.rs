//! Kubernetes quantities as whole numbers: bytes, thousandths of a CPU, counts.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// Thousandths of the quantity, rounded up; `None` where the text is no quantity or does not fit.
pub fn millis(quantity: &IntOrString) -> Option<u64> {
    match quantity {
        IntOrString::Int(number) => u64::try_from(*number).ok()?.checked_mul(1_000),
        IntOrString::String(text) => parse_millis(text),
    }
}

/// The quantity as a whole number, rounded up.
pub fn whole(quantity: &IntOrString) -> Option<u64> {
    millis(quantity).map(|millis| millis.div_ceil(1_000))
}

fn parse_millis(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let decimal =
        !whole.is_empty() && whole.len() + fraction.len() <= MAX_DIGITS && !(number.contains('.') && fraction.is_empty());
    if !decimal {
        return None;
    }
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    let divisor = 10u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let thousandths = digits.checked_mul(scale(suffix)?)?.div_ceil(divisor);
    u64::try_from(thousandths).ok()
}

/// Most digits of a quantity; more would not fit 128 bits with a suffix.
const MAX_DIGITS: usize = 18;

/// Thousandths of one unit of this suffix.
fn scale(suffix: &str) -> Option<u128> {
    let power = |exponent: u32| Some(1_000u128 << exponent);
    match suffix {
        "" => Some(1_000),
        "m" => Some(1),
        "k" => Some(1_000_000),
        "M" => Some(1_000_000_000),
        "G" => Some(1_000_000_000_000),
        "T" => Some(1_000_000_000_000_000),
        "P" => Some(1_000_000_000_000_000_000),
        "E" => Some(1_000_000_000_000_000_000_000),
        "Ki" => power(10),
        "Mi" => power(20),
        "Gi" => power(30),
        "Ti" => power(40),
        "Pi" => power(50),
        "Ei" => power(60),
        _ => {
            let exponent: u32 = suffix.strip_prefix('e')?.parse().ok()?;
            10u128.checked_pow(exponent)?.checked_mul(1_000)
        }
    }
}
