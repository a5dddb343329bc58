//! Durations as people read them.

use jiff::Timestamp;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY_HOURS: i64 = 24;
const YEAR_DAYS: i64 = 365;

/// A duration in seconds with two or three significant figures, for example `3m20s`, `5h`, `2d4h`.
pub fn human_duration(seconds: i64) -> String {
    let (minutes, hours) = (seconds / MINUTE, seconds / HOUR);
    let days = hours / DAY_HOURS;
    let pair = |big: i64, unit: char, small: i64, sub: char| {
        if small == 0 { format!("{big}{unit}") } else { format!("{big}{unit}{small}{sub}") }
    };
    match seconds {
        i64::MIN..-1 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        _ if minutes < 10 => pair(minutes, 'm', seconds % MINUTE, 's'),
        _ if minutes < 180 => format!("{minutes}m"),
        _ if hours < 8 => pair(hours, 'h', minutes % 60, 'm'),
        _ if hours < 48 => format!("{hours}h"),
        _ if hours < 8 * DAY_HOURS => pair(days, 'd', hours % DAY_HOURS, 'h'),
        _ if days < 2 * YEAR_DAYS => format!("{days}d"),
        _ if days < 8 * YEAR_DAYS => pair(days / YEAR_DAYS, 'y', days % YEAR_DAYS, 'd'),
        _ => format!("{}y", days / YEAR_DAYS),
    }
}

/// The age of an RFC 3339 time; `<unknown>` where there is none, `<invalid>` where it is no time.
pub fn since(time: Option<&str>, now: Timestamp) -> String {
    match time.filter(|time| !time.is_empty()) {
        None => "<unknown>".to_owned(),
        Some(time) => time
            .parse::<Timestamp>()
            .map_or_else(|_| "<invalid>".to_owned(), |time| human_duration(now.duration_since(time).as_secs())),
    }
}
