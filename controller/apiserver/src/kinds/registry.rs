//! Everything that is served at one moment, looked up by path.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use super::builtin;
use super::resource::Resource;
use crate::discovery::Documents;

/// The groups of the reference in the order in which it ranks them.
const RANKED: [&str; 21] = [
    "",
    "apiregistration.k8s.io",
    "apps",
    "events.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "storage.k8s.io",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "scheduling.k8s.io",
    "coordination.k8s.io",
    "node.k8s.io",
    "discovery.k8s.io",
    "resource.k8s.io",
    "flowcontrol.apiserver.k8s.io",
];

/// All served resources; replaced as a whole when a definition changes.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    builtin: Vec<Arc<Resource>>,
    /// What each definition serves, by the name of the definition.
    custom: BTreeMap<String, Vec<Arc<Resource>>>,
    ordered: Vec<Arc<Resource>>,
    by_path: HashMap<(String, String, String), Arc<Resource>>,
    documents: OnceLock<Arc<Documents>>,
    /// The documents of an older registry, of which most stay as they are.
    known: Option<Arc<Documents>>,
}

impl Registry {
    /// The built-in kinds and, behind them, `custom` ones.
    pub(crate) fn new(custom: Vec<Resource>) -> Self {
        let mut definitions: BTreeMap<String, Vec<Arc<Resource>>> = BTreeMap::new();
        for resource in custom {
            definitions.entry(resource.qualified()).or_default().push(Arc::new(resource));
        }
        Self::gather(builtin::resources(), definitions, None)
    }

    /// The built-in kinds of the extended mode and, behind them, `custom` ones.
    pub(crate) fn extended(custom: Vec<Resource>) -> Self {
        let plain = Self::new(custom);
        Self::gather(super::extended::resources(plain.builtin), plain.custom, None)
    }

    fn gather(builtin: Vec<Arc<Resource>>, custom: BTreeMap<String, Vec<Arc<Resource>>>, known: Option<Arc<Documents>>) -> Self {
        let mut ordered = builtin.clone();
        let taken = |resource: &Resource| builtin.iter().any(|own| own.group == resource.group && own.plural == resource.plural);
        let mut others: Vec<Arc<Resource>> = custom.values().flatten().filter(|resource| !taken(resource)).cloned().collect();
        others.sort_by(|left, right| (&left.group, &left.plural).cmp(&(&right.group, &right.plural)));
        ordered.extend(others);
        let by_path = ordered
            .iter()
            .map(|resource| ((resource.group.clone(), resource.version.clone(), resource.plural.clone()), Arc::clone(resource)))
            .collect();
        Self { builtin, custom, ordered, by_path, documents: OnceLock::new(), known }
    }

    /// This registry with what the definition `name` serves now; resources that did not change go on as they are. `None`
    /// where nothing changed at all.
    pub(crate) fn with(&self, name: &str, resources: Vec<Resource>) -> Option<Self> {
        let old = self.custom.get(name).map(Vec::as_slice).unwrap_or_default();
        let unchanged = |resource: &Resource| old.iter().find(|known| known.same(resource)).cloned();
        let resources: Vec<Arc<Resource>> =
            resources.into_iter().map(|resource| unchanged(&resource).unwrap_or_else(|| Arc::new(resource))).collect();
        if resources.len() == old.len() && resources.iter().zip(old).all(|(new, old)| Arc::ptr_eq(new, old)) {
            return None;
        }
        let mut custom = self.custom.clone();
        if resources.is_empty() {
            custom.remove(name);
        } else {
            custom.insert(name.to_owned(), resources);
        }
        let known = self.documents.get().or(self.known.as_ref()).cloned();
        Some(Self::gather(self.builtin.clone(), custom, known))
    }

    pub(crate) fn all(&self) -> &[Arc<Resource>] {
        &self.ordered
    }

    /// Whether a built-in kind has this group and plural, whatever its version.
    pub(crate) fn is_builtin(&self, group: &str, plural: &str) -> bool {
        self.builtin.iter().any(|resource| resource.group == group && resource.plural == plural)
    }

    /// Whether `path` lies in a group of built-in kinds.
    pub(crate) fn is_builtin_path(&self, path: &str) -> bool {
        if path.starts_with("/api/") {
            return true;
        }
        let group = path.strip_prefix("/apis/").and_then(|rest| rest.split_once('/')).map(|(group, _)| group);
        group.is_some_and(|group| self.is_builtin_group(group))
    }

    /// Whether a group is one of built-in kinds.
    pub(crate) fn is_builtin_group(&self, group: &str) -> bool {
        self.builtin.iter().any(|resource| resource.group == group)
    }

    /// Whether `resource` is still what its path serves.
    pub(crate) fn serves(&self, resource: &Arc<Resource>) -> bool {
        self.find(&resource.group, &resource.version, &resource.plural).is_some_and(|found| Arc::ptr_eq(found, resource))
    }

    /// The OpenAPI documents, made on first use and kept.
    pub(crate) fn documents(&self) -> &Documents {
        self.documents.get_or_init(|| Arc::new(Documents::new(self, self.known.as_deref())))
    }

    pub(crate) fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Resource>> {
        // A tuple of owned strings is what the map can look up; paths are short.
        self.by_path.get(&(group.to_owned(), version.to_owned(), plural.to_owned()))
    }

    /// One resource for each storage key, the first that serves it.
    pub(crate) fn by_storage(&self) -> BTreeMap<&str, &Arc<Resource>> {
        let mut found = BTreeMap::new();
        for resource in &self.ordered {
            found.entry(&*resource.storage).or_insert(resource);
        }
        found
    }

    /// The resource of an owner reference, whatever its version.
    pub(crate) fn find_kind(&self, api_version: &str, kind: &str) -> Option<&Arc<Resource>> {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        self.ordered.iter().find(|resource| resource.group == group && resource.kind == kind)
    }

    /// The versions of each group in the order of discovery: the reference's groups as it ranks them, the others by name, each
    /// group's preferred version first.
    pub(crate) fn groups(&self) -> Vec<(&str, Vec<&str>)> {
        let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
        for resource in &self.ordered {
            match groups.iter_mut().find(|(group, _)| *group == resource.group) {
                Some((_, versions)) => {
                    if !versions.contains(&resource.version.as_str()) {
                        versions.push(&resource.version);
                    }
                }
                None => groups.push((&resource.group, vec![&resource.version])),
            }
        }
        for (_, versions) in &mut groups {
            versions.sort_by_key(|version| std::cmp::Reverse(priority(version)));
        }
        let rank = |group: &str| RANKED.iter().position(|known| *known == group).unwrap_or(RANKED.len());
        groups.sort_by(|(left, _), (right, _)| rank(left).cmp(&rank(right)).then_with(|| left.cmp(right)));
        groups
    }

    pub(crate) fn of<'a>(&'a self, group: &'a str, version: &'a str) -> impl Iterator<Item = &'a Arc<Resource>> {
        self.ordered.iter().filter(move |resource| resource.group == group && resource.version == version)
    }
}

/// Kubernetes version order: stable over beta over alpha, higher numbers first.
pub(super) fn priority(version: &str) -> (u8, u32, u32) {
    let Some(rest) = version.strip_prefix('v') else { return (0, 0, 0) };
    let digits = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    let (major, stage) = rest.split_at(digits);
    let major = major.parse().unwrap_or(0);
    for (name, rank) in [("beta", 2), ("alpha", 1)] {
        if let Some(minor) = stage.strip_prefix(name) {
            return (rank, major, minor.parse().unwrap_or(0));
        }
    }
    if stage.is_empty() { (3, major, 0) } else { (0, 0, 0) }
}
