use std::time::{Duration, Instant};

/// Longest wait for a condition of the real world.
pub const PATIENCE: Duration = Duration::from_secs(90);
/// Pause between two looks.
const POLL: Duration = Duration::from_millis(100);

/// Looks until there is an answer.
///
/// # Panics
/// There is none within [`PATIENCE`]; `what` says what was waited for.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not so after {} s", PATIENCE.as_secs());
        std::thread::sleep(POLL);
    }
}
