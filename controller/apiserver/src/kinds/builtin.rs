//! The table of built-in kinds: names, verbs and subresources. One line per kind.

use std::sync::{Arc, OnceLock};

use super::core_schema;
use super::resource::{CoreKind, Origin, Resource, Written};

/// The storage key of namespaces.
pub(crate) const NAMESPACES: &str = "/namespaces";
/// The storage key of CustomResourceDefinitions.
pub(crate) const CRDS: &str = "apiextensions.k8s.io/customresourcedefinitions";
/// The storage key of Pods, which are mirrors.
pub(crate) const PODS: &str = "mirror:/pods";
/// The storage key of Services, which are mirrors.
pub(crate) const SERVICES: &str = "mirror:/services";
/// The storage key of ServiceAccounts.
pub(crate) const SERVICE_ACCOUNTS: &str = "/serviceaccounts";

/// Every verb of a fully served built-in resource, in the reference's order.
pub(super) const ALL_VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

struct Line {
    core: CoreKind,
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
    singular: &'static str,
    short_names: &'static [&'static str],
    namespaced: bool,
    status: bool,
    storage: &'static str,
    without: &'static [&'static str],
}

/// The verbs that a mirror of a container has not.
const NOT_FOR_PODS: &[&str] = &["create", "deletecollection", "patch", "update"];
/// The verbs that the one Service has not.
const NOT_FOR_SERVICES: &[&str] = &["create", "delete", "deletecollection", "patch", "update"];
/// The verbs that a question has not.
const NOT_FOR_REVIEWS: &[&str] = &["delete", "deletecollection", "get", "list", "patch", "update", "watch"];

const LINES: [Line; 15] = [
    Line {
        core: CoreKind::ConfigMap,
        group: "",
        version: "v1",
        kind: "ConfigMap",
        plural: "configmaps",
        singular: "configmap",
        short_names: &["cm"],
        namespaced: true,
        status: false,
        storage: "/configmaps",
        without: &[],
    },
    Line {
        core: CoreKind::Event,
        group: "",
        version: "v1",
        kind: "Event",
        plural: "events",
        singular: "event",
        short_names: &["ev"],
        namespaced: true,
        status: false,
        storage: "/events",
        without: &[],
    },
    Line {
        core: CoreKind::Namespace,
        group: "",
        version: "v1",
        kind: "Namespace",
        plural: "namespaces",
        singular: "namespace",
        short_names: &["ns"],
        namespaced: false,
        status: true,
        storage: NAMESPACES,
        without: &["deletecollection"],
    },
    Line {
        core: CoreKind::Pod,
        group: "",
        version: "v1",
        kind: "Pod",
        plural: "pods",
        singular: "pod",
        short_names: &["po"],
        namespaced: true,
        status: false,
        storage: PODS,
        without: NOT_FOR_PODS,
    },
    Line {
        core: CoreKind::Secret,
        group: "",
        version: "v1",
        kind: "Secret",
        plural: "secrets",
        singular: "secret",
        short_names: &[],
        namespaced: true,
        status: false,
        storage: "/secrets",
        without: &[],
    },
    Line {
        core: CoreKind::Service,
        group: "",
        version: "v1",
        kind: "Service",
        plural: "services",
        singular: "service",
        short_names: &["svc"],
        namespaced: true,
        status: false,
        storage: SERVICES,
        without: NOT_FOR_SERVICES,
    },
    Line {
        core: CoreKind::ServiceAccount,
        group: "",
        version: "v1",
        kind: "ServiceAccount",
        plural: "serviceaccounts",
        singular: "serviceaccount",
        short_names: &["sa"],
        namespaced: true,
        status: false,
        storage: SERVICE_ACCOUNTS,
        without: &[],
    },
    Line {
        core: CoreKind::CustomResourceDefinition,
        group: "apiextensions.k8s.io",
        version: "v1",
        kind: "CustomResourceDefinition",
        plural: "customresourcedefinitions",
        singular: "customresourcedefinition",
        short_names: &["crd", "crds"],
        namespaced: false,
        status: true,
        storage: CRDS,
        without: &[],
    },
    Line {
        core: CoreKind::Review,
        group: "authentication.k8s.io",
        version: "v1",
        kind: "SelfSubjectReview",
        plural: "selfsubjectreviews",
        singular: "selfsubjectreview",
        short_names: &[],
        namespaced: false,
        status: false,
        storage: "authentication.k8s.io/selfsubjectreviews",
        without: NOT_FOR_REVIEWS,
    },
    Line {
        core: CoreKind::Review,
        group: "authentication.k8s.io",
        version: "v1",
        kind: "TokenReview",
        plural: "tokenreviews",
        singular: "tokenreview",
        short_names: &[],
        namespaced: false,
        status: false,
        storage: "authentication.k8s.io/tokenreviews",
        without: NOT_FOR_REVIEWS,
    },
    Line {
        core: CoreKind::Review,
        group: "authorization.k8s.io",
        version: "v1",
        kind: "SelfSubjectAccessReview",
        plural: "selfsubjectaccessreviews",
        singular: "selfsubjectaccessreview",
        short_names: &[],
        namespaced: false,
        status: false,
        storage: "authorization.k8s.io/selfsubjectaccessreviews",
        without: NOT_FOR_REVIEWS,
    },
    Line {
        core: CoreKind::Review,
        group: "authorization.k8s.io",
        version: "v1",
        kind: "SelfSubjectRulesReview",
        plural: "selfsubjectrulesreviews",
        singular: "selfsubjectrulesreview",
        short_names: &[],
        namespaced: false,
        status: false,
        storage: "authorization.k8s.io/selfsubjectrulesreviews",
        without: NOT_FOR_REVIEWS,
    },
    Line {
        core: CoreKind::Review,
        group: "authorization.k8s.io",
        version: "v1",
        kind: "SubjectAccessReview",
        plural: "subjectaccessreviews",
        singular: "subjectaccessreview",
        short_names: &[],
        namespaced: false,
        status: false,
        storage: "authorization.k8s.io/subjectaccessreviews",
        without: NOT_FOR_REVIEWS,
    },
    Line {
        core: CoreKind::Lease,
        group: "coordination.k8s.io",
        version: "v1",
        kind: "Lease",
        plural: "leases",
        singular: "lease",
        short_names: &[],
        namespaced: true,
        status: false,
        storage: "coordination.k8s.io/leases",
        without: &[],
    },
    Line {
        core: CoreKind::EventV1,
        group: "events.k8s.io",
        version: "v1",
        kind: "Event",
        plural: "events",
        singular: "event",
        short_names: &["ev"],
        namespaced: true,
        status: false,
        storage: "/events",
        without: &[],
    },
];

/// ServiceAccounts, to be served with more than they have here.
pub(super) fn service_accounts() -> Option<Resource> {
    LINES.iter().find(|line| line.core == CoreKind::ServiceAccount).map(resource)
}

/// All built-in resources, in the order of discovery.
pub(super) fn resources() -> Vec<Arc<Resource>> {
    LINES.iter().map(|line| Arc::new(resource(line))).collect()
}

fn resource(line: &Line) -> Resource {
    Resource {
        group: line.group.to_owned(),
        version: line.version.to_owned(),
        kind: line.kind.to_owned(),
        list_kind: format!("{}List", line.kind),
        plural: line.plural.to_owned(),
        singular: line.singular.to_owned(),
        short_names: line.short_names.iter().map(|&name| name.to_owned()).collect(),
        categories: if line.core == CoreKind::CustomResourceDefinition { vec!["api-extensions".to_owned()] } else { Vec::new() },
        namespaced: line.namespaced,
        verbs: ALL_VERBS.iter().copied().filter(|verb| !line.without.contains(verb)).collect(),
        storage: Arc::from(line.storage),
        origin: Origin::Core(line.core),
        status: line.status,
        scale: None,
        columns: Vec::new(),
        selectable: Vec::new(),
        schema: Written::new(&core_schema::of(line.core)),
        siblings: Vec::new(),
        others: &[],
        deprecation: None,
        terminating: false,
        compiled: OnceLock::new(),
    }
}
