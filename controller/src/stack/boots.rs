//! How long services took to come up, kept beyond their objects: a stack that is taken down and brought up again starts in the
//! order that was learnt (PERF-84). A hint only; a new process assumes what it does not know.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Services that are remembered; beyond them nothing more is learnt.
const REMEMBERED_MAX: usize = 10_000;

/// Boots by namespace and object.
#[derive(Debug, Default)]
pub(crate) struct Boots(Mutex<BTreeMap<(String, String), Duration>>);

impl Boots {
    /// Takes in what the statuses tell, and gives what is known of these objects.
    pub(super) fn learn<'a>(
        &self,
        namespace: &str,
        told: &BTreeMap<String, Duration>,
        objects: impl Iterator<Item = &'a str>,
    ) -> BTreeMap<String, Duration> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (object, boot) in told {
            let key = (namespace.to_owned(), object.clone());
            if known.len() < REMEMBERED_MAX || known.contains_key(&key) {
                known.insert(key, *boot);
            }
        }
        let of = |object: &str| known.get(&(namespace.to_owned(), object.to_owned())).map(|boot| (object.to_owned(), *boot));
        objects.filter_map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PERF-84: a boot outlives the object that told it, the newest counts, and another namespace's says nothing.
    #[test]
    fn boots_outlive_their_objects() {
        let boots = Boots::default();
        let told = |seconds| BTreeMap::from([("shop-db".to_owned(), Duration::from_secs(seconds))]);
        boots.learn("default", &told(9), std::iter::empty());
        boots.learn("default", &told(2), std::iter::empty());
        let known = |namespace| boots.learn(namespace, &BTreeMap::new(), ["shop-db", "shop-app"].into_iter());
        assert_eq!(known("default"), told(2));
        assert_eq!(known("other"), BTreeMap::new());
    }
}
