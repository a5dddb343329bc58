//! Operations of a kind.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::{Map, Value, json};

const JSON: &str = "application/json";
const YAML: &str = "application/yaml";
const PATCHES: [&str; 3] = ["application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml"];
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";
pub(super) const SCALE: &str = "io.k8s.api.autoscaling.v1.Scale";

/// Where a kind's schema comes from.
#[derive(Clone, Copy, Debug)]
pub enum SchemaSource<'a> {
    /// The `openAPIV3Schema` of a CRD version.
    Custom(&'a Value),
    /// A kind of the reference, known to this crate.
    Builtin,
}

/// A served kind at one version, as its document describes it.
#[derive(Clone, Copy, Debug)]
pub struct Described<'a> {
    /// API group, empty for the core group.
    pub group: &'a str,
    /// Version.
    pub version: &'a str,
    /// Kind.
    pub kind: &'a str,
    /// Kind of its list.
    pub list_kind: &'a str,
    /// Plural, as in URLs.
    pub plural: &'a str,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// Subresources with the object's own schema, for example `status`, `finalize`, and `scale`.
    pub subresources: &'a [&'a str],
    /// Paths of the fields that selectors may name, as a definition gives them.
    pub selectable: &'a [String],
    /// Its schema.
    pub schema: SchemaSource<'a>,
}

impl Described<'_> {
    /// `group/version`, or the version alone in the core group.
    pub(super) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The schema's name, for example `dev.koan.v1alpha1.DevStack`.
    pub(super) fn model(&self, kind: &str) -> String {
        if let SchemaSource::Builtin = self.schema {
            return super::builtin::model(self.group, self.version, kind);
        }
        let reversed: Vec<&str> = self.group.split('.').rev().collect();
        format!("{}.{}.{kind}", reversed.join("."), self.version)
    }

    pub(super) fn identity(&self, kind: &str) -> Value {
        json!({"group": self.group, "version": self.version, "kind": kind})
    }

    fn root(&self) -> String {
        if self.group.is_empty() { format!("/api/{}", self.version) } else { format!("/apis/{}/{}", self.group, self.version) }
    }

    fn strategic(&self) -> bool {
        matches!(self.schema, SchemaSource::Builtin)
    }
}

/// The `paths` object of `kinds`.
pub(super) fn of(kinds: &[Described<'_>]) -> Value {
    let mut paths = Map::new();
    for kind in kinds {
        let root = kind.root();
        let scope = if kind.namespaced { "/namespaces/{namespace}" } else { "" };
        let collection = format!("{root}{scope}/{}", kind.plural);
        let object = format!("{collection}/{{name}}");
        if kind.namespaced {
            paths.insert(format!("{root}/{}", kind.plural), Operations::new(kind, None).all_namespaces());
        }
        paths.insert(collection, Operations::new(kind, None).collection());
        paths.insert(object.clone(), Operations::new(kind, None).object());
        for subresource in kind.subresources {
            paths.insert(format!("{object}/{subresource}"), Operations::new(kind, Some(subresource)).subresource());
        }
    }
    Value::Object(paths)
}

struct Operations<'a> {
    kind: &'a Described<'a>,
    subresource: Option<&'a str>,
    model: String,
}

impl<'a> Operations<'a> {
    fn new(kind: &'a Described<'a>, subresource: Option<&'a str>) -> Self {
        let model = if subresource == Some("scale") { SCALE.to_owned() } else { kind.model(kind.kind) };
        Self { kind, subresource, model }
    }

    fn all_namespaces(&self) -> Value {
        let list = self.kind.model(self.kind.list_kind);
        json!({"get": self.operation(("list", "list"), ("ForAllNamespaces", &list), &LIST, None), "parameters": query(&["pretty"])})
    }

    fn collection(&self) -> Value {
        let list = self.kind.model(self.kind.list_kind);
        json!({
            "get": self.operation(("list", "list"), ("", &list), &LIST, None),
            "post": self.operation(("post", "create"), ("", &self.model), &WRITE, Some(self.body(&[JSON, YAML]))),
            "delete": self.operation(("deletecollection", "deletecollection"), ("", &format!("{META}.Status")), &DELETE_ALL, Some(delete_body())),
            "parameters": self.parameters(false),
        })
    }

    fn object(&self) -> Value {
        json!({
            "get": self.operation(("get", "read"), ("", &self.model), &[], None),
            "put": self.operation(("put", "replace"), ("", &self.model), &WRITE, Some(self.body(&[JSON, YAML]))),
            "delete": self.operation(("delete", "delete"), ("", &format!("{META}.Status")), &DELETE, Some(delete_body())),
            "patch": self.patch(),
            "parameters": self.parameters(true),
        })
    }

    fn subresource(&self) -> Value {
        json!({
            "get": self.operation(("get", "read"), ("", &self.model), &[], None),
            "put": self.operation(("put", "replace"), ("", &self.model), &WRITE, Some(self.body(&[JSON, YAML]))),
            "patch": self.patch(),
            "parameters": self.parameters(true),
        })
    }

    fn patch(&self) -> Value {
        let content = |media: &str| (media.to_owned(), json!({"schema": reference(&format!("{META}.Patch"))}));
        let strategic = self.kind.strategic().then_some(STRATEGIC);
        let content: Map<String, Value> = PATCHES.into_iter().chain(strategic).map(content).collect();
        self.operation(("patch", "patch"), ("", &self.model), &PATCH, Some(json!({"content": content, "required": true})))
    }

    fn body(&self, media: &[&str]) -> Value {
        let content: Map<String, Value> =
            media.iter().map(|media| ((*media).to_owned(), json!({"schema": reference(&self.model)}))).collect();
        json!({"content": content, "required": true})
    }

    fn operation(
        &self,
        (action, verb): (&str, &str),
        (suffix, answer): (&str, &str),
        parameters: &[&str],
        body: Option<Value>,
    ) -> Value {
        let namespaced = if self.kind.namespaced && suffix.is_empty() { "Namespaced" } else { "" };
        let subresource = self.subresource.map(capitalised).unwrap_or_default();
        let group = if self.kind.group.is_empty() { "core" } else { self.kind.group };
        let tag = format!("{}_{}", camel(group), self.kind.version);
        let content: Map<String, Value> =
            [JSON, YAML].into_iter().map(|media| (media.to_owned(), json!({"schema": reference(answer)}))).collect();
        let mut operation = json!({
            "tags": [tag],
            "description": self.description(verb),
            "operationId": format!("{verb}{}{}{namespaced}{}{subresource}{suffix}", capitalised(&camel(group)), capitalised(self.kind.version), self.kind.kind),
            "parameters": query(parameters),
            "responses": {"200": {"description": "OK", "content": content}, "401": {"description": "Unauthorized"}},
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": self.kind.identity(if self.subresource == Some("scale") { "Scale" } else { self.kind.kind }),
        });
        if self.subresource == Some("scale") {
            operation["x-kubernetes-group-version-kind"] = json!({"group": "autoscaling", "version": "v1", "kind": "Scale"});
        }
        if let Some(body) = body {
            operation["requestBody"] = body;
        }
        operation
    }

    fn description(&self, verb: &str) -> String {
        let kind = self.kind.kind;
        let part = self.subresource.map(|name| format!(" {name} of")).unwrap_or_default();
        let article = if kind.starts_with(['A', 'E', 'I', 'O', 'U']) { "an" } else { "a" };
        match verb {
            "list" => format!("list{part} objects of kind {kind}"),
            "patch" => format!("partially update{part} the specified {kind}"),
            "read" | "replace" => format!("{verb}{part} the specified {kind}"),
            "deletecollection" => format!("delete collection of{part} {kind}"),
            other => format!("{other}{part} {article} {kind}"),
        }
    }

    fn parameters(&self, named: bool) -> Value {
        let path = |name: &str, description: String| json!({"name": name, "in": "path", "description": description, "required": true, "schema": {"type": "string", "uniqueItems": true}});
        let mut list = Vec::new();
        if named {
            list.push(path("name", format!("name of the {}", self.kind.kind)));
        }
        if self.kind.namespaced {
            list.push(path("namespace", "object name and auth scope, such as for teams and projects".to_owned()));
        }
        list.extend(query(&["pretty"]));
        Value::Array(list)
    }
}

const WRITE: [&str; 3] = ["dryRun", "fieldManager", "fieldValidation"];
const PATCH: [&str; 4] = ["dryRun", "fieldManager@patch", "fieldValidation", "force"];
const DELETE: [&str; 5] =
    ["dryRun", "gracePeriodSeconds", "ignoreStoreReadErrorWithClusterBreakingPotential", "orphanDependents", "propagationPolicy"];
const LIST: [&str; 11] = [
    "allowWatchBookmarks",
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "shardSelector",
    "timeoutSeconds",
    "watch",
];
const DELETE_ALL: [&str; 14] = [
    "continue",
    "dryRun",
    "fieldSelector",
    "gracePeriodSeconds",
    "ignoreStoreReadErrorWithClusterBreakingPotential",
    "labelSelector",
    "limit",
    "orphanDependents",
    "propagationPolicy",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "shardSelector",
    "timeoutSeconds",
];

/// The query parameters as the reference describes them, one on each line: name, type, text in JSON. Those of a patch that differ
/// have `@patch` behind their names.
const PARAMETERS: &str = include_str!("parameters.txt");

/// Each parameter by its name in [`PARAMETERS`].
static QUERIES: LazyLock<HashMap<&'static str, Value>> = LazyLock::new(|| PARAMETERS.lines().filter_map(parameter).collect());

fn parameter(line: &'static str) -> Option<(&'static str, Value)> {
    let mut words = line.splitn(3, ' ');
    let (key, kind, text) = (words.next()?, words.next()?, words.next()?);
    let (name, description) = (key.split('@').next()?, serde_json::from_str::<Value>(text).ok()?);
    let schema = json!({"type": kind, "uniqueItems": true});
    Some((key, json!({"name": name, "in": "query", "description": description, "schema": schema})))
}

fn query(names: &[&str]) -> Vec<Value> {
    names.iter().filter_map(|name| QUERIES.get(name).cloned()).collect()
}

fn delete_body() -> Value {
    json!({"content": {JSON: {"schema": reference(&format!("{META}.DeleteOptions"))}}})
}

/// A reference to a schema of the document.
pub(super) fn reference(model: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{model}")})
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

/// `koan.dev` as `koanDev`; the reference drops `.k8s.io`.
fn camel(group: &str) -> String {
    let group = group.strip_suffix(".k8s.io").unwrap_or(group);
    let mut parts = group.split(['.', '-']);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + &capitalised(part))
}
