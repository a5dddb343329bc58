//! Start width: begins at 2 × cores and climbs by completions per second within 2–16 (PERF-84).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Least starts at once.
const START_WIDTH_MIN: usize = 2;
/// Most starts at once.
pub(crate) const START_WIDTH_MAX: usize = 16;
/// A change of the rate below this share is noise.
const NOISE: f64 = 0.05;

/// Lets so many starts run at once as the engine can use.
pub(crate) struct StartWidth {
    permits: Arc<Semaphore>,
    climb: Mutex<Climb>,
}

/// Hill climbing over windows of `width` completions, each with somebody waiting.
#[derive(Debug)]
struct Climb {
    width: usize,
    growing: bool,
    completions: usize,
    waited: bool,
    window_start: Option<Instant>,
    last_rate: Option<f64>,
    /// Permits that are to vanish when they come back.
    surplus: usize,
}

/// What has to be done to the permits after a completion.
#[derive(Debug, PartialEq, Eq)]
enum Change {
    Keep,
    Grow,
    Shrink,
}

impl StartWidth {
    /// A width for a machine of so many cores.
    pub(crate) fn new(cores: usize) -> Self {
        let width = (2 * cores).clamp(START_WIDTH_MIN, START_WIDTH_MAX);
        let climb =
            Climb { width, growing: true, completions: 0, waited: false, window_start: None, last_rate: None, surplus: 0 };
        Self { permits: Arc::new(Semaphore::new(width)), climb: Mutex::new(climb) }
    }

    /// Runs a start as soon as there is room.
    pub(crate) async fn run<T>(&self, start: impl Future<Output = T>) -> T {
        let waits = self.permits.available_permits() == 0;
        // The semaphore is never closed, so the error cannot occur; without a permit the start still runs.
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok();
        self.begun(waits);
        let result = start.await;
        self.completed(permit);
        result
    }

    fn begun(&self, waited: bool) {
        let mut climb = self.climb.lock().unwrap_or_else(PoisonError::into_inner);
        climb.waited |= waited;
        climb.window_start.get_or_insert_with(Instant::now);
    }

    fn completed(&self, permit: Option<OwnedSemaphorePermit>) {
        let mut climb = self.climb.lock().unwrap_or_else(PoisonError::into_inner);
        match climb.complete(Instant::now()) {
            Change::Keep => {}
            Change::Grow if climb.surplus > 0 => climb.surplus -= 1,
            Change::Grow => self.permits.add_permits(1),
            Change::Shrink => climb.surplus += 1,
        }
        if climb.surplus > 0
            && let Some(permit) = permit
        {
            climb.surplus -= 1;
            permit.forget();
        }
    }
}

impl Climb {
    fn complete(&mut self, now: Instant) -> Change {
        self.completions += 1;
        if self.completions < self.width {
            return Change::Keep;
        }
        let elapsed = self.window_start.map_or(Duration::ZERO, |start| now.duration_since(start));
        let judged = self.waited && !elapsed.is_zero();
        let completions = std::mem::take(&mut self.completions);
        self.waited = false;
        self.window_start = Some(now);
        if !judged {
            // Nobody waited: the width was no limit, so the rate says nothing about it.
            self.last_rate = None;
            return Change::Keep;
        }
        // Counts are below 17, exact as floats.
        let rate = f64::from(u32::try_from(completions).unwrap_or(u32::MAX)) / elapsed.as_secs_f64();
        // Wider must pay; narrower need only not cost: beyond the knee each start merely takes longer.
        let bar = if self.growing { 1.0 + NOISE } else { 1.0 - NOISE };
        if self.last_rate.is_some_and(|last| rate < last * bar) {
            self.growing = !self.growing;
        }
        self.last_rate = Some(rate);
        self.step()
    }

    fn step(&mut self) -> Change {
        if self.growing && self.width < START_WIDTH_MAX {
            self.width += 1;
            Change::Grow
        } else if !self.growing && self.width > START_WIDTH_MIN {
            self.width -= 1;
            Change::Shrink
        } else {
            Change::Keep
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs starts whose time grows beyond a knee; returns the width at the end and the greatest concurrency seen.
    async fn load(cores: usize, knee: u32, starts: usize) -> (usize, usize) {
        let width = Arc::new(StartWidth::new(cores));
        let running = Arc::new(Mutex::new((0_u32, 0_u32)));
        let all = (0..starts).map(|_| {
            let (width, running) = (Arc::clone(&width), Arc::clone(&running));
            async move {
                width
                    .run(async {
                        let now = {
                            let mut seen = running.lock().unwrap();
                            seen.0 += 1;
                            seen.1 = seen.1.max(seen.0);
                            seen.0
                        };
                        let slowdown = now.saturating_sub(knee) + 1;
                        tokio::time::sleep(Duration::from_millis(50) * slowdown * slowdown).await;
                        running.lock().unwrap().0 -= 1;
                    })
                    .await;
            }
        });
        futures::future::join_all(all).await;
        let most = running.lock().unwrap().1;
        let width = width.climb.lock().unwrap().width;
        (width, usize::try_from(most).unwrap())
    }

    /// PERF-84: the width begins at 2 × cores, stays within 2–16, grows while that pays and falls back where it does not.
    #[tokio::test(start_paused = true)]
    async fn the_start_width_follows_the_completions() {
        let (wide, most) = load(2, 64, 300).await;
        assert_eq!(most, START_WIDTH_MAX);
        assert!(wide >= START_WIDTH_MAX - 1, "the width fell to {wide} although more always paid");
        let (narrow, _) = load(8, 3, 600).await;
        assert!((START_WIDTH_MIN..=8).contains(&narrow), "beyond a knee of 3 the width stayed at {narrow}");
        let (begin, most) = load(1, 64, 2).await;
        assert_eq!((begin, most), (2, 2));
    }
}
