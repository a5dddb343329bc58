use std::time::Duration;

use super::cadence::{before_first, of_host};
use super::forms::status_of;

/// PERF-81: pauses are 5 % of the time since the start, 5 ms to 250 ms; after a protocol "not yet" at least 20 ms.
#[test]
fn cadence_before_the_first_success_is_proportional() {
    let ms = Duration::from_millis;
    assert_eq!(before_first(ms(0), false), ms(5));
    assert_eq!(before_first(ms(1000), false), ms(50));
    assert_eq!(before_first(ms(60_000), false), ms(250));
    assert_eq!(before_first(ms(0), true), ms(20));
    let mut at = ms(0);
    let mut probes = 0;
    while at < ms(10_000) {
        at += before_first(at, false);
        probes += 1;
    }
    assert!((80..=130).contains(&probes), "{probes} probes cover 10 s");
}

/// DET-27: a used host service is probed each interval, after failures at 1, 2, 4 … 30 s.
#[test]
fn cadence_of_a_host_service_backs_off() {
    let interval = Duration::from_secs(5);
    let pauses: Vec<u64> = (0..8).map(|failures| of_host(interval, failures).as_secs()).collect();
    assert_eq!(pauses, [5, 1, 2, 4, 8, 16, 30, 30]);
}

/// K-7: a probe reads the status line and takes nothing else for HTTP.
#[test]
fn status_is_read_from_http_only() {
    assert_eq!(status_of(b"HTTP/1.1 204 No Content\r\n"), Some(204));
    assert_eq!(status_of(b"HTTP/1.0 503 Service Unavailable\r\n"), Some(503));
    assert_eq!(status_of(b"SSH-2.0-OpenSSH_9.2\r\n"), None);
    assert_eq!(status_of(b""), None);
}
