//! The workload: exactly one form, and one that this version and the forced engine can run (K-1, ENG-2).

use koan_crds::labels;
use koan_crds::v1alpha1::{Container, EngineName, Process, PullPolicy, ServiceFields};
use koan_crds::vocabulary::Reason;

use super::findings::Findings;
use super::parts::{ValidBuild, ValidContainer, ValidProcess, Workload};
use super::service::{Context, annotation};
use super::storage;
use crate::candidate;
use crate::recipe::Recipe;

/// The workload of a service.
pub(super) fn workload(context: &Context, fields: &ServiceFields, recipe: Option<&Recipe>, findings: &mut Findings) -> Workload {
    exactly_one(fields, findings);
    if fields.inference.is_some() {
        findings.refuse_because(
            Reason::ModeUnsupported,
            "inference",
            "this version has no inference engines",
            Some("run the model server as `container` or `process`, or name it as `external`".to_owned()),
        );
    }
    if fields.image.is_some() && (fields.adapter.is_none() || fields.container.is_some() || fields.external.is_some()) {
        findings.refuse_with("image", "stands beside `adapter` alone", "move it to container.image");
    }
    if let Some(container) = &fields.container {
        Workload::Container(self::container(context, container, findings))
    } else if let Some(process) = &fields.process {
        Workload::Process(self::process(context, process, findings))
    } else if let Some(external) = &fields.external {
        self::external(context, &external.url, fields, recipe, findings)
    } else {
        forced_process(context, fields, recipe, findings);
        Workload::Recipe { image: fields.image.clone(), pull: pull(context).unwrap_or_default() }
    }
}

/// What `up --pull` asked for; it wins over the manifest.
fn pull(context: &Context) -> Option<PullPolicy> {
    match annotation(context.object, labels::PULL)?.as_str() {
        "Always" => Some(PullPolicy::Always),
        "IfNotPresent" => Some(PullPolicy::IfNotPresent),
        "Never" => Some(PullPolicy::Never),
        _ => None,
    }
}

fn exactly_one(fields: &ServiceFields, findings: &mut Findings) {
    let mut named = Vec::new();
    named.extend(fields.container.is_some().then_some("container"));
    named.extend(fields.process.is_some().then_some("process"));
    named.extend(fields.inference.is_some().then_some("inference"));
    named.extend(fields.external.is_some().then_some("external"));
    if fields.adapter.is_some() && fields.container.is_none() && fields.external.is_none() {
        named.push("adapter");
    }
    if named.len() == 1 {
        return;
    }
    let hint = "name exactly one of container, process, inference, external, or adapter alone";
    match named.as_slice() {
        [] => findings.refuse_with("", "names no workload", hint),
        several => findings.refuse_with("", format!("names {} at once", several.join(" and ")), hint),
    }
}

fn container(context: &Context, container: &Container, findings: &mut Findings) -> ValidContainer {
    if context.settings.engine.name == EngineName::Process {
        findings.refuse_because(
            Reason::ModeUnsupported,
            "container",
            "the engine `Process` runs no containers",
            Some("set spec.engine.name to Auto, Docker or Podman, or describe the program as `process`".to_owned()),
        );
    }
    if container.image.is_none() && container.build.is_none() {
        findings.refuse_with("container", "has neither image nor build", "write image: name:tag, or build: {context: .}");
    }
    let build = container.build.as_ref().map(|build| ValidBuild {
        context: storage::host_path(context, "container.build.context", &build.context, findings),
        dockerfile: storage::inner_path("container.build.dockerfile", build.dockerfile.as_deref(), findings),
        target: build.target.clone(),
        args: build.args.iter().flatten().map(|(name, value)| (name.clone(), value.clone())).collect(),
        requested: annotation(context.object, labels::REBUILD),
    });
    ValidContainer {
        image: container.image.clone(),
        build,
        command: container.command.clone(),
        args: container.args.clone(),
        working_dir: container.working_dir.clone(),
        user: container.user.clone(),
        pull: pull(context).or(container.pull_policy).unwrap_or_default(),
    }
}

fn process(context: &Context, process: &Process, findings: &mut Findings) -> ValidProcess {
    if process.command.first().is_none_or(String::is_empty) {
        findings.refuse_with("process.command", "names no program", "write command: [program, argument]");
    }
    let folder = process.working_dir.as_deref().unwrap_or(".");
    let working_dir = storage::host_path(context, "process.workingDir", folder, findings);
    let working_dir = (process.working_dir.is_some() || context.project.is_some()).then_some(working_dir);
    ValidProcess { command: process.command.clone(), working_dir, user: process.user.clone() }
}

fn external(context: &Context, url: &str, fields: &ServiceFields, recipe: Option<&Recipe>, findings: &mut Findings) -> Workload {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    let by_scheme = scheme.as_deref().and_then(|scheme| context.recipes.by_scheme(scheme));
    let port = recipe.or(by_scheme).and_then(|recipe| recipe.ports.first()).map(|port| port.port);
    let web = match scheme.as_deref() {
        Some("http") => Some(80),
        Some("https") => Some(443),
        _ => None,
    };
    if recipe.is_none() && by_scheme.is_none() && fields.health.is_none() && web.is_none() {
        findings.refuse_because(
            Reason::UnsupportedScheme,
            "external.url",
            "no adapter checks that scheme",
            Some("name the adapter beside it, or describe the check in `health`".to_owned()),
        );
    }
    let parsed = candidate::parse(url, port.or(web)).unwrap_or_else(|error| {
        findings.refuse_with("external.url", format!("the URL {error}"), format!("write {}", candidate::FORMS));
        placeholder()
    });
    Workload::External(parsed)
}

/// Stands in for a candidate that was refused, so that the pass goes on.
fn placeholder() -> candidate::ParsedCandidate {
    candidate::ParsedCandidate {
        scheme: None,
        address: crate::probe::Address::Tcp { host: String::new(), port: 0 },
        database: None,
        login: None,
        tls: None,
    }
}

/// A recipe under a forced process engine needs to say how it runs as a process (ENG-17).
fn forced_process(context: &Context, fields: &ServiceFields, recipe: Option<&Recipe>, findings: &mut Findings) {
    let Some(recipe) = recipe.filter(|_| context.settings.engine.name == EngineName::Process) else { return };
    let hint = Some("set spec.engine.name to Auto, Docker or Podman".to_owned());
    if recipe.process.is_none() {
        let message = format!("`{}` has no recipe as a process", recipe.id);
        findings.refuse_because(Reason::ModeUnsupported, "adapter", message, hint);
    } else if fields.image.is_some() {
        findings.refuse_because(Reason::ModeUnsupported, "image", "the engine `Process` runs no images", hint);
    }
}
