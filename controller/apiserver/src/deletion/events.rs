//! Events are kept for an hour, and only so many of them: the oldest go first.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::in_portions;
use crate::handlers::{DeleteOptions, Internal};
use crate::server::Core;
use crate::store::{Object, Scope};

/// Time between two looks at the events.
pub(super) const SWEEP_EVERY: Duration = Duration::from_secs(5 * 60);
/// How long an event is kept after it last happened.
const KEPT_TIME: SignedDuration = SignedDuration::from_hours(1);
/// How many events are kept.
const KEPT_EVENTS: usize = 20_000;

/// Removes the events that are too old or too many.
pub(super) async fn sweep(core: &Arc<Core>) {
    let registry = core.registry();
    let Some(resource) = registry.find("", "v1", "events") else { return };
    let (_, objects) = core.store.list(&resource.storage, &Scope::All, &|_| true);
    let mut aged: Vec<(Option<Timestamp>, &Arc<Object>)> =
        objects.iter().map(|object| (last_seen(&object.value()), object)).collect();
    aged.sort_by(|left, right| left.0.cmp(&right.0).then_with(|| left.1.revision.cmp(&right.1.revision)));
    let surplus = aged.len().saturating_sub(KEPT_EVENTS);
    assert!(aged.len() - surplus <= KEPT_EVENTS, "more events stay than are kept");
    assert!(aged.iter().is_sorted_by_key(|(time, _)| *time), "the oldest go first");
    let now = core.clock.now();
    let old = |time: Option<Timestamp>| time.is_none_or(|time| now.duration_since(time) > KEPT_TIME);
    let gone = aged.iter().enumerate().filter(|(index, (time, _))| *index < surplus || old(*time)).map(|(_, (_, object))| object);
    let removals = gone.map(|object| {
        let internal = Internal::new(core, resource, &object.meta.namespace, &object.meta.name);
        let options = DeleteOptions {
            propagation: None,
            uid: Some(object.meta.uid.clone()),
            version: Some(object.revision.to_string()),
            dry_run: false,
            grace: None,
        };
        async move {
            // An event that happened again meanwhile stays; whatever else fails is tried at the next sweep.
            let _ = internal.delete(&options).await;
        }
    });
    let removals: Vec<()> = in_portions(removals.collect()).await;
    assert!(removals.len() <= aged.len(), "more was removed than there was");
}

/// When the event last happened, by any of its times.
fn last_seen(event: &Value) -> Option<Timestamp> {
    [&event["series"]["lastObservedTime"], &event["lastTimestamp"], &event["eventTime"], &event["metadata"]["creationTimestamp"]]
        .into_iter()
        .filter_map(|time| time.as_str()?.parse().ok())
        .max()
}
