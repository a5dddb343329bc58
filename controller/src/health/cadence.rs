//! When a service is probed next; pure.

use std::time::Duration;

/// Share of the time since the start that passes between probes before the first success, in hundredths.
const SHARE: u32 = 5;
/// Shortest pause before the first success.
const SHORTEST: Duration = Duration::from_millis(5);
/// Longest pause before the first success.
const LONGEST: Duration = Duration::from_millis(250);
/// Shortest pause after a protocol "not yet".
const NOT_YET: Duration = Duration::from_millis(20);
/// Longest pause after failures of a host service (DET-27).
const HOST_LONGEST: Duration = Duration::from_secs(30);

/// Pause before the next probe while none has passed: 5 % of the time since the start, 5 ms to 250 ms; after a protocol
/// "not yet" at least 20 ms.
pub(crate) fn before_first(since_start: Duration, answered: bool) -> Duration {
    let proportional = (since_start * SHARE / 100).clamp(SHORTEST, LONGEST);
    if answered { proportional.max(NOT_YET) } else { proportional }
}

/// Pause before the next probe of a host service in use: its interval; after failures 1, 2, 4 … 30 s.
pub(crate) fn of_host(interval: Duration, failures: u32) -> Duration {
    match failures {
        0 => interval,
        failures => Duration::from_secs(1 << (failures - 1).min(5)).min(HOST_LONGEST),
    }
}
