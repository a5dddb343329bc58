//! What `koan inspect` prints: the project as Koan sees it (CLI-5, CLI-24).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Document, Header, table};

/// A setting with its value and where it came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SettingLine {
    pub(crate) name: String,
    /// Unset: left open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<String>,
    /// flag, environment, project file, user file or default.
    pub(crate) source: String,
}

/// An engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ProviderLine {
    pub(crate) name: String,
    pub(crate) available: bool,
    /// Containers of this project would go there.
    pub(crate) chosen: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) endpoint: Option<String>,
    /// Why it is not available.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// A port inside a service, and the one that it gets outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct InspectedPort {
    pub(crate) name: String,
    pub(crate) container: u16,
    /// The port that it is to have on this machine; unset: chosen at the start, or not published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) host: Option<u16>,
    pub(crate) published: bool,
}

/// A service that takes part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct InspectedService {
    pub(crate) name: String,
    /// adapter, container, process or external.
    pub(crate) form: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) adapter: Option<String>,
    /// Reason of Activated.
    pub(crate) activated: String,
    pub(crate) mode: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) image: Option<String>,
    pub(crate) ports: Vec<InspectedPort>,
    /// What it waits for, each with the state that opens the gate.
    pub(crate) gates: Vec<String>,
}

/// A product that the project speaks of and the manifest does not list, or a service that is left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct UnlistedService {
    /// Name in the manifest, or id of the adapter.
    pub(crate) name: String,
    /// Reason of Activated, if the manifest listed it as it is seen.
    pub(crate) reason: String,
    pub(crate) message: String,
    /// Where it is seen: file and name, never a value.
    pub(crate) seen: Vec<String>,
}

/// What a project is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Project {
    pub(crate) folder: String,
    /// Files of the manifest, the first one overridden by the others.
    pub(crate) manifest: Vec<String>,
    pub(crate) stack: String,
    pub(crate) namespace: String,
    pub(crate) profile: String,
    pub(crate) profile_source: String,
    pub(crate) settings: Vec<SettingLine>,
    pub(crate) providers: Vec<ProviderLine>,
    pub(crate) services: Vec<InspectedService>,
    /// What the project is configured for, and no manifest lists: `koan up` starts none of it.
    pub(crate) unlisted: Vec<UnlistedService>,
    pub(crate) inactive: Vec<UnlistedService>,
    pub(crate) conflicts: Vec<String>,
    /// What can be done next.
    pub(crate) commands: Vec<String>,
}

/// `koan inspect`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InspectReport {
    #[serde(flatten)]
    header: Header,
    /// A manifest is there.
    detected: bool,
    cwd: String,
    #[serde(flatten)]
    project: Option<Project>,
}

impl InspectReport {
    /// Report of a folder, with the project that was found in it.
    pub(crate) fn of(cwd: String, project: Option<Project>) -> Self {
        Self { header: Header::of("InspectReport"), detected: project.is_some(), cwd, project }
    }
}

impl Project {
    fn sections(&self) -> [(&'static str, Vec<Vec<String>>); 7] {
        let dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let providers = self.providers.iter().map(|provider| {
            let state = match (provider.chosen, provider.available) {
                (true, _) => "chosen",
                (false, true) => "available",
                (false, false) => "absent",
            };
            let detail = if provider.available { &provider.endpoint } else { &provider.reason };
            vec![provider.name.clone(), state.to_owned(), dash(&provider.version), dash(detail)]
        });
        let application = [
            ("stack", self.stack.clone()),
            ("profile", format!("{} ({})", self.profile, self.profile_source)),
            ("folder", self.folder.clone()),
            ("manifest", self.manifest.join(", ")),
        ];
        let services = self.services.iter().map(|service| {
            let what = service.adapter.clone().or(service.image.clone()).unwrap_or_else(|| service.form.clone());
            vec![service.name.clone(), what, service.mode.clone(), service.activated.clone(), ports(&service.ports)]
        });
        let unlisted = self.unlisted.iter().map(|service| {
            let seen = service.seen.join("; ");
            vec![service.name.clone(), "-".to_owned(), "not listed".to_owned(), service.reason.clone(), seen]
        });
        let gates = self.services.iter().filter(|service| !service.gates.is_empty());
        let inactive = self.inactive.iter().map(|service| {
            let seen = if service.seen.is_empty() { String::new() } else { format!(" ({})", service.seen.join("; ")) };
            vec![service.name.clone(), service.reason.clone(), format!("{}{seen}", service.message)]
        });
        [
            ("PROVIDERS", providers.collect()),
            ("APPLICATION", application.map(|(name, value)| vec![name.to_owned(), value]).to_vec()),
            ("SERVICES", services.chain(unlisted).collect()),
            (
                "DEPENDENCIES",
                gates.map(|service| vec![service.name.clone(), format!("after {}", service.gates.join(", "))]).collect(),
            ),
            ("INACTIVE", inactive.collect()),
            ("CONFLICTS", self.conflicts.iter().map(|conflict| vec![conflict.clone()]).collect()),
            ("COMMANDS", self.commands.iter().map(|command| vec![command.clone()]).collect()),
        ]
    }
}

fn ports(ports: &[InspectedPort]) -> String {
    let shown = ports.iter().map(|port| match (port.published, port.host) {
        (true, Some(host)) => format!("{host}->{}", port.container),
        (true, None) => format!("*->{}", port.container),
        (false, _) => port.container.to_string(),
    });
    shown.collect::<Vec<_>>().join(" ")
}

impl Document for InspectReport {
    fn human(&self, wide: bool) -> String {
        let Some(project) = &self.project else { return format!("no project in {}: write one with `koan init`\n", self.cwd) };
        let mut sections = project.sections().to_vec();
        if wide {
            let settings = project.settings.iter().map(|setting| {
                vec![setting.name.clone(), setting.value.clone().unwrap_or_else(|| "-".to_owned()), setting.source.clone()]
            });
            sections.push(("SETTINGS", settings.collect()));
        }
        let shown = sections.into_iter().filter(|(_title, rows)| !rows.is_empty()).map(|(title, rows)| {
            let lines: String = table(&rows).lines().map(|line| format!("  {line}\n")).collect();
            format!("{title}\n{lines}")
        });
        shown.collect::<Vec<_>>().join("\n")
    }

    fn names(&self) -> Vec<String> {
        self.project.iter().flat_map(|project| project.services.iter().map(|service| service.name.clone())).collect()
    }
}
