//! The `format` keyword: which ones are enforced, and how.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::node::{Node, Pattern, Type};
use super::problem::Problem;
use super::validate::Walk;

const TEXT_FORMATS: [&str; 28] = [
    "bsonobjectid",
    "uri",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "cidr",
    "mac",
    "uuid",
    "uuid3",
    "uuid4",
    "uuid5",
    "isbn",
    "isbn10",
    "isbn13",
    "creditcard",
    "ssn",
    "hexcolor",
    "rgbcolor",
    "byte",
    "password",
    "date",
    "duration",
    "datetime",
    "k8sshortname",
    "k8slongname",
    "bsonobjectID",
    "date-time",
];
/// Host names as the reference takes them: one label, or several that end in a top-level domain of letters.
static HOSTNAME: LazyLock<Pattern> = LazyLock::new(|| {
    let label = r"[a-zA-Z0-9\p{S}\p{L}]";
    let inner = r"[a-zA-Z0-9\p{S}\p{L}-]";
    Pattern::new(&format!(
        r"^({label}((-?{label}{{0,62}})?)|({label}(({inner}{{0,61}}{label})?)(\.)){{1,}}([a-zA-Z\p{{L}}]){{2,63}})$"
    ))
});
const LABEL_LENGTH: usize = 63;
const NAME_LENGTH: usize = 253;

/// Whether the reference knows `format` for a value of the type that is named so.
pub(crate) fn is_known(format: &str, kind: &str) -> bool {
    is_supported(format, Type::parse(kind))
}

/// Whether the reference knows `format` for a value of this type; it ignores all others.
pub(super) fn is_supported(format: &str, kind: Option<Type>) -> bool {
    match kind {
        None | Some(Type::String) => TEXT_FORMATS.contains(&format.replace('-', "").as_str()),
        Some(Type::Integer) => matches!(format, "int32" | "int64"),
        Some(Type::Number) => matches!(format, "float" | "double"),
        Some(Type::Object | Type::Array | Type::Boolean) => false,
    }
}

pub(super) fn check(node: &Node, text: &str, walk: &mut Walk) {
    let Some(format) = &node.bounds.format else {
        return;
    };
    if matches!(node.kind, Some(Type::Integer | Type::Number)) || fits(&format.replace('-', ""), text) {
        return;
    }
    let detail = format!("{} in body must be of type {format}: {}", walk.path, super::render::go_quote(text));
    walk.problems.push(Problem::type_invalid(&walk.path, text.into(), &detail));
}

fn fits(format: &str, text: &str) -> bool {
    match format {
        "datetime" => is_date_time(text),
        "date" => text.parse::<jiff::civil::Date>().is_ok() && text.len() == 10,
        "duration" => is_duration(text),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "cidr" => is_cidr(text),
        "mac" => is_mac(text),
        "uuid" | "uuid3" | "uuid4" | "uuid5" => is_uuid(text, format.strip_prefix("uuid").and_then(|digit| digit.chars().next())),
        "uri" => text.starts_with('/') || text.split_once(':').is_some_and(|(scheme, _)| is_scheme(scheme)),
        "email" => text.split_once('@').is_some_and(|(local, host)| !local.is_empty() && !host.is_empty()),
        "hostname" => text.len() <= NAME_LENGTH && HOSTNAME.regex().is_ok_and(|regex| regex.is_match(text)),

        "byte" => STANDARD.decode(text).is_ok(),
        "bsonobjectid" => text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "hexcolor" => {
            let digits = text.strip_prefix('#').unwrap_or(text);
            matches!(digits.len(), 3 | 6) && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        }
        "k8sshortname" => is_label(text),
        "k8slongname" => text.len() <= NAME_LENGTH && text.split('.').all(is_long_part),
        _ => true,
    }
}

fn is_date_time(text: &str) -> bool {
    let upper = text.to_ascii_uppercase();
    upper.contains('T') && upper.parse::<jiff::Timestamp>().is_ok()
}

/// Go's `time.ParseDuration`, and the long form `22 seconds`.
fn is_duration(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if unsigned == "0" {
        return true;
    }
    let mut rest = unsigned;
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(rest.len());
        if digits == 0 {
            return false;
        }
        let tail = rest[digits..].trim_start();
        let unit = tail.find(|character: char| character.is_ascii_digit()).unwrap_or(tail.len());
        let name = tail[..unit].trim();
        let known = [
            "ns", "us", "µs", "ms", "s", "m", "h", "d", "w", "second", "seconds", "minute", "minutes", "hour", "hours", "day",
            "days", "week", "weeks",
        ];
        if !known.contains(&name) {
            return false;
        }
        rest = &tail[unit..];
    }
    !unsigned.is_empty()
}

fn is_cidr(text: &str) -> bool {
    text.split_once('/').is_some_and(|(address, bits)| match (address.parse::<IpAddr>(), bits.parse::<u8>()) {
        (Ok(IpAddr::V4(_)), Ok(bits)) => bits <= 32,
        (Ok(IpAddr::V6(_)), Ok(bits)) => bits <= 128,
        (Ok(_), Err(_)) | (Err(_), _) => false,
    })
}

fn is_mac(text: &str) -> bool {
    let parts: Vec<&str> = text.split([':', '-']).collect();
    matches!(parts.len(), 6 | 8 | 20)
        && parts.iter().all(|part| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn is_uuid(text: &str, version: Option<char>) -> bool {
    let digits: Vec<char> = text.chars().filter(|character| *character != '-').collect();
    let shape = digits.len() == 32 && digits.iter().all(char::is_ascii_hexdigit);
    shape && version.is_none_or(|version| digits[12] == version)
}

fn is_scheme(scheme: &str) -> bool {
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.chars().all(|character| character.is_ascii_alphanumeric() || matches!(character, '+' | '-' | '.'))
}

fn is_label(text: &str) -> bool {
    text.len() <= LABEL_LENGTH && is_long_part(text)
}

fn is_long_part(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}
