//! One served resource: its names, its verbs, its schema and where its objects are stored.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use crate::go_types;
use crate::schema::Schema;
use crate::ssa::{TypeInfo, Types};
use crate::table::Columns;

/// Which hand-written rules apply to a built-in kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CoreKind {
    ConfigMap,
    CustomResourceDefinition,
    Event,
    /// `events.k8s.io/v1`: the other shape of the same stored event.
    EventV1,
    Lease,
    Namespace,
    /// A mirror of a container or process: derived, never journalled, changed by nobody but the embedding process.
    Pod,
    /// A question that is answered and not stored.
    Review,
    /// Of the extended mode: data without rules of its own.
    Plain,
    Secret,
    /// Only `default/kubernetes`, derived as well.
    Service,
    ServiceAccount,
}

/// Where a resource comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Core(CoreKind),
    /// A stored CustomResourceDefinition; objects are stored under `storage_version`. `mixed` is set while another version has
    /// another schema: what is stored then has the shape of the stored version, and each version prunes and defaults what it reads.
    Custom {
        storage_version: String,
        mixed: bool,
    },
}

/// The paths of a `/scale` subresource, as the definition gives them (`.spec.replicas`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scale {
    pub(crate) spec_path: String,
    pub(crate) status_path: String,
    pub(crate) selector_path: Option<String>,
}

/// What is made from a schema on first use and kept.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) schema: Schema,
    pub(crate) types: Types,
    pub(crate) columns: Columns,
    /// The schema of the version that objects are stored under, where it is another one.
    pub(crate) stored: Option<Schema>,
    /// The merge keys of lists by their paths, for strategic merge of kinds of the extended mode.
    pub(crate) merges: BTreeMap<String, &'static str>,
}

/// A JSON document that is read once in a while: kept as its text, since a tree of it takes eight times the memory (PERF-15).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Written(Box<str>);

impl Written {
    pub(crate) fn new(document: &Value) -> Self {
        Self(document.to_string().into_boxed_str())
    }

    /// The document as a tree. The text was written by this server, so a failure is a bug; it shows as `null`.
    pub(crate) fn read(&self) -> Value {
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

/// What the storage key of a mirrored kind begins with.
const MIRROR: &str = "mirror:";

/// Whether objects under this storage key mirror something: they live in memory alone.
pub(crate) fn is_mirror(storage: &str) -> bool {
    storage.starts_with(MIRROR)
}

/// Subresources that do something and hold nothing.
const ACTIONS: [&str; 3] = ["binding", "eviction", "token"];

/// One served resource.
#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) list_kind: String,
    pub(crate) plural: String,
    pub(crate) singular: String,
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) namespaced: bool,
    pub(crate) verbs: Vec<&'static str>,
    /// The key of the objects in the store: `group/plural`, shared by all versions and by both shapes of an event.
    pub(crate) storage: Arc<str>,
    pub(crate) origin: Origin,
    pub(crate) status: bool,
    pub(crate) scale: Option<Scale>,
    /// `additionalPrinterColumns` as the definition gives them.
    pub(crate) columns: Vec<Value>,
    /// `selectableFields[].jsonPath` as the definition gives them.
    pub(crate) selectable: Vec<String>,
    /// The `openAPIV3Schema`.
    pub(crate) schema: Written,
    /// `apiVersion` and schema of the definition's other versions, under which fields may be owned.
    pub(crate) siblings: Vec<(String, Written)>,
    /// Subresources beside status and scale, which show and change a part of the object or do something.
    pub(crate) others: &'static [&'static str],
    /// The warning of a deprecated version.
    pub(crate) deprecation: Option<String>,
    /// Whether the definition is being deleted, so that nothing is created any more.
    pub(crate) terminating: bool,
    pub(crate) compiled: OnceLock<Result<Compiled, String>>,
}

impl Resource {
    /// `group/version`, or the bare version of the core group.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// How the reference writes objects of the kind, where it is known by its type.
    pub(crate) fn written_type(&self) -> Option<&'static str> {
        go_types::root(&self.api_version(), &self.kind)
    }

    /// `plural.group`, or the bare plural of the core group: how messages name a resource.
    pub(crate) fn qualified(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// The rules of a built-in kind, if it is one.
    pub(crate) fn core(&self) -> Option<CoreKind> {
        match &self.origin {
            Origin::Core(kind) => Some(*kind),
            Origin::Custom { .. } => None,
        }
    }

    pub(crate) fn is_custom(&self) -> bool {
        self.core().is_none()
    }

    pub(crate) fn allows(&self, verb: &str) -> bool {
        self.verbs.contains(&verb)
    }

    /// The verbs as discovery lists them: fewer while the definition is being deleted.
    pub(crate) fn listed_verbs(&self) -> Vec<&'static str> {
        let gone = |verb: &str| self.terminating && matches!(verb, "create" | "patch" | "update");
        self.verbs.iter().copied().filter(|verb| !gone(verb)).collect()
    }

    /// Whether `other` serves the same in every respect, so that it can go on in place of this one.
    pub(crate) fn same(&self, other: &Self) -> bool {
        let names = |resource: &Self| {
            let Self { group, version, kind, list_kind, plural, singular, .. } = resource;
            [group, version, kind, list_kind, plural, singular].map(String::clone)
        };
        let lists = |resource: &Self| (resource.short_names.clone(), resource.categories.clone(), resource.selectable.clone());
        let flags = |resource: &Self| (resource.namespaced, resource.status, resource.terminating);
        names(self) == names(other)
            && lists(self) == lists(other)
            && flags(self) == flags(other)
            && self.verbs == other.verbs
            && self.storage == other.storage
            && self.origin == other.origin
            && self.scale == other.scale
            && self.columns == other.columns
            && self.deprecation == other.deprecation
            && self.schema == other.schema
            && self.siblings == other.siblings
    }

    /// Whether its objects mirror what another part of the process knows: they are never journalled and no client writes them.
    pub(crate) fn is_mirror(&self) -> bool {
        is_mirror(&self.storage)
    }

    /// The subresources that are connections, in the order of discovery.
    pub(crate) fn streams(&self) -> &'static [&'static str] {
        if self.core() == Some(CoreKind::Pod) { &["attach", "exec", "log", "portforward"] } else { &[] }
    }

    /// The subresources that are views of the object, in the order of discovery.
    pub(crate) fn subresources(&self) -> Vec<&'static str> {
        let finalize = (self.core() == Some(CoreKind::Namespace)).then_some("finalize");
        let scale = self.scale.is_some().then_some("scale");
        let parts = finalize.into_iter().chain(self.status.then_some("status")).chain(scale);
        parts.chain(self.others.iter().copied().filter(|name| !ACTIONS.contains(name))).collect()
    }

    /// The subresources that are actions, in the order of discovery.
    pub(crate) fn actions(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.others.iter().copied().filter(|name| ACTIONS.contains(name))
    }

    /// Whether `generation` is counted; the reference leaves it out of plain-data kinds.
    pub(crate) fn counts_generation(&self) -> bool {
        match self.core() {
            None | Some(CoreKind::CustomResourceDefinition) => true,
            Some(CoreKind::Plain) => super::extended::counts_generation(&self.plural),
            Some(
                CoreKind::ConfigMap
                | CoreKind::Event
                | CoreKind::EventV1
                | CoreKind::Lease
                | CoreKind::Namespace
                | CoreKind::Pod
                | CoreKind::Review
                | CoreKind::Secret
                | CoreKind::Service
                | CoreKind::ServiceAccount,
            ) => false,
        }
    }

    /// Whether a delete is answered with the object that is gone.
    pub(crate) fn shows_deleted(&self) -> bool {
        const SHOWN: [&str; 12] = [
            "csidrivers",
            "csinodes",
            "namespaces",
            "persistentvolumeclaims",
            "persistentvolumes",
            "pods",
            "podtemplates",
            "resourcequotas",
            "serviceaccounts",
            "services",
            "storageclasses",
            "volumeattachments",
        ];
        !self.is_custom() && SHOWN.contains(&self.plural.as_str())
    }

    /// The group by which a refusal calls the kind: both shapes of an event are one kind within.
    pub(crate) fn inner_group(&self) -> &str {
        if self.core() == Some(CoreKind::EventV1) { "" } else { &self.group }
    }

    /// Whether a subresource leaves all metadata as they are: the status of most built-in kinds does not.
    pub(crate) fn keeps_metadata(&self, subresource: &str) -> bool {
        /// The others among them.
        const KEEPING: [&str; 7] = [
            "apiservices",
            "flowschemas",
            "prioritylevelconfigurations",
            "resourceclaims",
            "servicecidrs",
            "validatingadmissionpolicies",
            "volumeattachments",
        ];
        subresource != "status"
            || matches!(self.core(), None | Some(CoreKind::CustomResourceDefinition))
            || KEEPING.contains(&self.plural.as_str())
    }

    /// Whether a create takes no status; whoever makes a Node says how it does.
    pub(crate) fn drops_status(&self) -> bool {
        match self.core() {
            None => self.status,
            Some(CoreKind::Plain) => self.status && self.kind != "Node",
            Some(_) => false,
        }
    }

    /// Whether a PUT on an absent name creates it.
    pub(crate) fn creates_on_update(&self) -> bool {
        matches!(self.core(), Some(CoreKind::Lease | CoreKind::Event | CoreKind::EventV1))
    }

    /// Whether a PUT may leave out the resourceVersion.
    pub(crate) fn updates_unconditionally(&self) -> bool {
        match self.core() {
            None | Some(CoreKind::Lease | CoreKind::CustomResourceDefinition) => false,
            Some(CoreKind::Pod | CoreKind::Review | CoreKind::Service) => false,
            Some(
                CoreKind::ConfigMap
                | CoreKind::Event
                | CoreKind::EventV1
                | CoreKind::Namespace
                | CoreKind::Plain
                | CoreKind::Secret
                | CoreKind::ServiceAccount,
            ) => true,
        }
    }

    /// The compiled schema, types and columns, built on first use and kept.
    ///
    /// # Errors
    /// The text of the first problem; definitions are checked when they are stored, so this is a bug.
    pub(crate) fn compiled(&self) -> Result<&Compiled, &str> {
        self.compiled
            .get_or_init(|| {
                let written = match self.core() {
                    Some(CoreKind::Plain) => super::extended::schema(self),
                    Some(CoreKind::Review) => self.written_type().map(go_types::structural).unwrap_or_default(),
                    Some(_) | None => self.schema.read(),
                };
                let schema = Schema::parse(&written).map_err(|problems| {
                    problems.first().map_or_else(|| "unreadable schema".to_owned(), |problem| problem.message.clone())
                })?;
                let version = self.api_version();
                let fixed = self.core().filter(|kind| *kind != CoreKind::Plain);
                let builtin = fixed.and_then(|_| TypeInfo::builtin(&version, &self.kind));
                let info = builtin.unwrap_or_else(|| TypeInfo::from_schema(&schema));
                let columns = match self.core() {
                    Some(_) => Columns::of_builtin(&version, &self.kind),
                    // Columns that cannot be shown give way to those of a kind without any, as in the reference.
                    None => Columns::of_custom(&self.columns)
                        .or_else(|_| Columns::of_custom(&[]))
                        .map_err(|error| error.to_string())?,
                };
                let mut types = Types::single(&version, info);
                for (version, schema) in &self.siblings {
                    if let Ok(schema) = Schema::parse(&schema.read()) {
                        types = types.with(version, TypeInfo::from_schema(&schema));
                    }
                }
                let stored = match &self.origin {
                    Origin::Custom { storage_version, mixed: true } if *storage_version != self.version => {
                        let wanted = format!("{}/{storage_version}", self.group);
                        let found = self.siblings.iter().find(|(version, _)| *version == wanted);
                        found.and_then(|(_, schema)| Schema::parse(&schema.read()).ok())
                    }
                    Origin::Custom { .. } | Origin::Core(_) => None,
                };
                Ok(Compiled {
                    types,
                    columns,
                    schema,
                    stored,
                    merges: if self.core() == Some(CoreKind::Plain) {
                        super::extended::merges(&written)
                    } else {
                        BTreeMap::new()
                    },
                })
            })
            .as_ref()
            .map_err(String::as_str)
    }
}
