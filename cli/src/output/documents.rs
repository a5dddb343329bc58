//! Documents that commands print (api.md K-9).

use koan_crds::API_VERSION;
use koan_crds::labels;
use koan_crds::v1alpha1::{Action, DevStack, Endpoints, EngineStatus, Evidence, ServiceSpec, StackPort};
use kube::ResourceExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Document, render_status, table};
use crate::failure::Problem;

/// Header of every document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Header {
    pub(crate) api_version: String,
    pub(crate) kind: String,
}

impl Header {
    /// Header of a document of this kind.
    pub(crate) fn of(kind: &str) -> Self {
        Self { api_version: API_VERSION.to_owned(), kind: kind.to_owned() }
    }
}

/// One line of a proof, as every document and error shows it.
pub(crate) fn evidence(line: &Evidence) -> String {
    let detail = line.detail.as_ref().map(|detail| format!(", {detail}")).unwrap_or_default();
    format!("{}  {:?}: {:?}{detail}", line.endpoint.as_deref().unwrap_or("-"), line.step, line.code)
}

/// A condition as documents show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ConditionView {
    #[serde(rename = "type")]
    pub(crate) type_: String,
    pub(crate) status: String,
    pub(crate) reason: String,
    pub(crate) message: String,
}

/// One service of a `StackStatus`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ServiceView {
    pub(crate) name: String,
    /// Ready, Completed, or the reason that Ready is not True for.
    pub(crate) state: String,
    /// healthy, or the reason of Healthy.
    pub(crate) health: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) decision: Option<DecisionView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) endpoints: Option<Endpoints>,
    pub(crate) conditions: Vec<ConditionView>,
}

/// The decision without its evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DecisionView {
    pub(crate) action: Action,
    pub(crate) reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) credential: Option<String>,
}

/// `koan status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StackStatus {
    #[serde(flatten)]
    pub(crate) header: Header,
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) profile: String,
    pub(crate) profile_source: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) project: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) engine: Option<EngineStatus>,
    pub(crate) ready: String,
    pub(crate) reason: String,
    pub(crate) services: Vec<ServiceView>,
    pub(crate) ports: Vec<StackPort>,
    pub(crate) inactive: Vec<String>,
    pub(crate) conflicts: Vec<String>,
    pub(crate) conditions: Vec<ConditionView>,
}

fn conditions(list: &[k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition]) -> Vec<ConditionView> {
    list.iter()
        .map(|c| ConditionView {
            type_: c.type_.clone(),
            status: c.status.clone(),
            reason: c.reason.clone(),
            message: c.message.clone(),
        })
        .collect()
}

fn find<'a>(list: &'a [ConditionView], type_: &str) -> Option<&'a ConditionView> {
    list.iter().find(|c| c.type_ == type_)
}

impl ServiceView {
    /// View of one `ServiceSpec`.
    pub(crate) fn of(spec: &ServiceSpec) -> Self {
        let status = spec.status.clone().unwrap_or_default();
        let conditions = conditions(&status.conditions);
        let ready = find(&conditions, "Ready");
        let healthy = find(&conditions, "Healthy");
        Self {
            name: spec.labels().get(labels::SERVICE).cloned().unwrap_or_else(|| spec.name_any()),
            state: ready.map_or_else(|| "Pending".to_owned(), |c| c.reason.clone()),
            health: healthy.map_or_else(
                || "unknown".to_owned(),
                |c| if c.status == "True" { "healthy".to_owned() } else { c.reason.clone() },
            ),
            decision: status.decision.map(|d| DecisionView { action: d.action, reason: d.reason, credential: d.credential }),
            endpoints: status.endpoints,
            conditions,
        }
    }

    /// Ready is True.
    pub(crate) fn is_ready(&self) -> bool {
        find(&self.conditions, "Ready").is_some_and(|c| c.status == "True")
    }

    /// The condition of this type.
    pub(crate) fn condition(&self, type_: &str) -> Option<&ConditionView> {
        find(&self.conditions, type_)
    }
}

/// Where the profile came from (CLI-23): what the command line noted, else the manifest or the default.
fn profile_source(stack: &DevStack) -> String {
    let noted = stack.annotations().get(labels::PROFILE_SOURCE).cloned();
    let written = if stack.spec.profile.is_some() { "file" } else { "default" };
    noted.unwrap_or_else(|| written.to_owned())
}

impl StackStatus {
    /// View of a stack and its services.
    pub(crate) fn of(stack: &DevStack, specs: &[ServiceSpec]) -> Self {
        let status = stack.status.clone().unwrap_or_default();
        let conditions = conditions(&status.conditions);
        let profile = status.profile.or(stack.spec.profile).unwrap_or_default();
        let mut services: Vec<ServiceView> = specs.iter().map(ServiceView::of).collect();
        let order = |name: &str| stack.spec.services.iter().position(|s| s.name == name).unwrap_or(usize::MAX);
        services.sort_by_key(|service| order(&service.name));
        let inactive = services
            .iter()
            .filter_map(|s| {
                s.condition("Activated")
                    .filter(|c| c.status == "False")
                    .map(|c| format!("{} ({}: {})", s.name, c.reason, c.message))
            })
            .collect();
        let conflicts =
            find(&conditions, "PortsAllocated").filter(|c| c.status == "False").map(|c| c.message.clone()).into_iter().collect();
        Self {
            header: Header::of("StackStatus"),
            name: stack.name_any(),
            namespace: stack.namespace().unwrap_or_default(),
            profile: format!("{profile:?}").to_ascii_lowercase(),
            profile_source: profile_source(stack),
            project: stack.annotations().get(labels::PROJECT).cloned(),
            engine: status.engine,
            ready: status.ready.unwrap_or_else(|| format!("0/{}", stack.spec.services.len())),
            reason: find(&conditions, "Ready").map_or_else(|| "Pending".to_owned(), |c| c.reason.clone()),
            services,
            ports: status.ports,
            inactive,
            conflicts,
            conditions,
        }
    }

    /// Ready is True for this generation.
    pub(crate) fn is_ready(&self) -> bool {
        find(&self.conditions, "Ready").is_some_and(|c| c.status == "True")
    }
}

impl Document for StackStatus {
    fn human(&self, wide: bool) -> String {
        render_status(self, wide)
    }

    fn names(&self) -> Vec<String> {
        vec![format!("devstack.koan.dev/{}", self.name)]
    }
}

/// One row of `koan list`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StackRow {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) profile: String,
    pub(crate) ready: String,
    pub(crate) created_at: String,
    /// How long it is there, in one unit; for people.
    #[serde(skip)]
    pub(crate) age: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) project: Option<String>,
}

/// `koan list`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StackList {
    #[serde(flatten)]
    pub(crate) header: Header,
    pub(crate) items: Vec<StackRow>,
}

impl Document for StackList {
    fn human(&self, _: bool) -> String {
        let head = ["NAME", "NAMESPACE", "PROFILE", "READY", "AGE", "PROJECT"].map(str::to_owned).to_vec();
        let rows = self.items.iter().map(|row| {
            vec![
                row.name.clone(),
                row.namespace.clone(),
                row.profile.clone(),
                row.ready.clone(),
                row.age.clone(),
                row.project.clone().unwrap_or_default(),
            ]
        });
        table(&std::iter::once(head).chain(rows).collect::<Vec<_>>())
    }

    fn names(&self) -> Vec<String> {
        self.items.iter().map(|row| format!("devstack.koan.dev/{}", row.name)).collect()
    }
}

/// `koan validate`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ValidationReport {
    #[serde(flatten)]
    pub(crate) header: Header,
    pub(crate) valid: bool,
    pub(crate) objects: Vec<String>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) warnings: Vec<String>,
}

impl Document for ValidationReport {
    fn human(&self, _: bool) -> String {
        self.objects.iter().map(|object| format!("{object} is valid\n")).collect()
    }

    fn names(&self) -> Vec<String> {
        self.objects.clone()
    }
}

impl StackList {
    /// A list of these rows.
    pub(crate) fn of(items: Vec<StackRow>) -> Self {
        Self { header: Header::of("StackList"), items }
    }
}

impl ValidationReport {
    /// Report of a manifest without violations.
    pub(crate) fn valid(objects: Vec<String>, warnings: Vec<String>) -> Self {
        Self { header: Header::of("ValidationReport"), valid: true, objects, problems: Vec::new(), warnings }
    }
}
