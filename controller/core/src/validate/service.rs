//! `validate_service`: one `ServiceSpec`, whole.

use std::time::Duration;

use koan_crds::labels;
use koan_crds::v1alpha1::{EngineName, PersistenceMode, RestartPolicy, ServiceFields, ServiceSpec, VolumeReclaim};
use koan_crds::vocabulary::Reason;

use super::findings::Findings;
use super::parts::{EndpointPolicy, Gate, Workload};
use super::settings::{self, Settings};
use super::valid::{StackIdentity, ValidService};
use super::{bounds, detection, environment, health, ports, storage, workload};
use crate::identity::{ServiceKey, Uid};
use crate::recipe::{Recipe, Recipes};
use crate::violation::{Violations, Warning};
use crate::workload::Limits;

/// Grace between TERM and KILL where neither manifest nor recipe names one.
const STOP_GRACE: Duration = Duration::from_secs(10);
/// Readiness budget where neither manifest nor recipe names one (K-8).
const READINESS: Duration = Duration::from_secs(60);
/// Longest grace.
const MAX_GRACE: Duration = Duration::from_secs(3600);
/// Tie-break where neither manifest nor recipe names one.
const PRIORITY: u32 = 500;

/// Validates one `ServiceSpec`.
///
/// # Errors
/// Every violation with its field path, sorted.
pub fn validate_service(object: &ServiceSpec, recipes: &dyn Recipes) -> Result<ValidService, Violations> {
    let mut findings = Findings::new("spec");
    let settings = settings::of_service(&object.spec, &mut findings);
    let context = Context::of(object, &settings, recipes);
    bounds::object_name(object.metadata.name.as_deref().unwrap_or_default(), &mut findings);
    let service = fields(&context, &object.spec.service, &mut findings);
    let Findings { violations, warnings, .. } = findings;
    match (Violations::new(violations), service) {
        (Some(violations), _) => Err(violations),
        (None, service) => Ok(ValidService { warnings, ..service }),
    }
}

/// What a check of fields needs to know about the object around them.
pub(super) struct Context<'a> {
    pub(super) object: &'a ServiceSpec,
    pub(super) settings: &'a Settings,
    pub(super) recipes: &'a dyn Recipes,
    /// Stack that owns the object.
    pub(super) stack: Option<StackIdentity>,
    /// Folder that relative paths start from.
    pub(super) project: Option<String>,
}

impl<'a> Context<'a> {
    pub(super) fn of(object: &'a ServiceSpec, settings: &'a Settings, recipes: &'a dyn Recipes) -> Self {
        let owners = object.metadata.owner_references.iter().flatten();
        let stack = owners
            .into_iter()
            .find(|owner| owner.kind == "DevStack" && owner.controller == Some(true))
            .map(|owner| StackIdentity { name: owner.name.clone(), uid: Uid(owner.uid.clone()) });
        let project = annotation(object, labels::PROJECT);
        Self { object, settings, recipes, stack, project }
    }

    /// Name of the service in its stack, else the object's own.
    fn service_name(&self) -> String {
        let label = self.object.metadata.labels.as_ref().and_then(|labels| labels.get(labels::SERVICE));
        match (&self.stack, label) {
            (Some(_), Some(name)) => name.clone(),
            (Some(_) | None, _) => self.object.metadata.name.clone().unwrap_or_default(),
        }
    }

    /// Default of `database` (DET-47): the recipe's where its product has fixed names, else the stack's.
    fn database(&self, recipe: Option<&Recipe>) -> String {
        if let Some(fixed) = recipe.and_then(|recipe| recipe.default_database) {
            return fixed.to_owned();
        }
        let name = self.stack.as_ref().map_or_else(|| self.service_name(), |stack| stack.name.clone());
        name.replace('-', "_")
    }
}

pub(super) fn annotation(object: &ServiceSpec, name: &str) -> Option<String> {
    object.metadata.annotations.as_ref()?.get(name).cloned()
}

/// Checks the fields of a service; the result is meaningful only where `findings` stay empty.
pub(super) fn fields(context: &Context, fields: &ServiceFields, findings: &mut Findings) -> ValidService {
    let recipe = adapter(context, fields, findings);
    bounds::fields(fields, findings);
    let workload = workload::workload(context, fields, recipe, findings);
    let ports = ports::ports(context, fields, recipe, findings);
    let restart = fields.restart.unwrap_or_default();
    let persistence = storage::persistence(context, fields, findings);
    let detection = detection::detection(context, fields, recipe, findings);
    let mode = detection::mode(fields, &workload, findings);
    let metadata = &context.object.metadata;
    ValidService {
        key: ServiceKey {
            namespace: metadata.namespace.clone().unwrap_or_else(|| "default".to_owned()),
            name: metadata.name.clone().unwrap_or_default(),
        },
        uid: Uid(metadata.uid.clone().unwrap_or_default()),
        generation: metadata.generation.unwrap_or_default(),
        stack: context.stack.clone(),
        service: context.service_name(),
        project: context.project.clone(),
        profile: context.settings.profile,
        engine: context.settings.engine.clone(),
        adapter: recipe.map(|recipe| recipe.id.to_owned()),
        credentials: detection::credentials(context, fields, findings),
        database: fields.database.clone().unwrap_or_else(|| context.database(recipe)),
        env: environment::env(context, fields, &workload, findings),
        files: storage::files(fields, findings),
        volumes: storage::volumes(context, fields, findings),
        networks: fields.networks.clone().unwrap_or_default(),
        stop_grace: stop_grace(fields, recipe, findings),
        health: health::health(fields, &workload, &ports, restart, findings),
        gates: gates(fields),
        startup_priority: fields.startup_priority.or(recipe.map(|recipe| recipe.priority)).unwrap_or(PRIORITY),
        endpoint: endpoint(fields),
        limits: limits(context, fields, findings),
        replicas: replicas(fields, findings),
        readiness: readiness(fields, recipe, findings),
        port_policy: context.settings.port_policy.clone(),
        reclaim: match persistence.mode {
            PersistenceMode::Ephemeral => VolumeReclaim::Delete,
            PersistenceMode::Named | PersistenceMode::Bind => context.settings.reclaim,
        },
        persistence,
        suspend: context.settings.suspend,
        port_flags: ports::flags(annotation(context.object, labels::PORTS).as_deref(), &context.service_name()),
        launch_state: annotation(context.object, labels::LAUNCH_STATE).is_none_or(|word| word != ports::NO_LAUNCH_STATE),
        restart_request: annotation(context.object, labels::RESTART),
        restart_grace: annotation(context.object, labels::RESTART_GRACE)
            .and_then(|seconds| seconds.parse::<u32>().ok())
            .map(|seconds| Duration::from_secs(seconds.into())),
        redetect: annotation(context.object, labels::REDETECT).and_then(|text| text.parse().ok()),
        deleting: metadata.deletion_timestamp.as_ref().map(|time| time.0),
        warnings: Vec::<Warning>::new(),
        workload,
        mode,
        detection,
        ports,
        restart,
    }
}

/// The recipe that `adapter` names.
fn adapter<'a>(context: &'a Context, fields: &ServiceFields, findings: &mut Findings) -> Option<&'a Recipe> {
    let wanted = fields.adapter.as_deref()?;
    let found = context.recipes.recipe(wanted);
    if found.is_none() {
        let near = crate::nearest::suggestion(wanted, context.recipes.ids()).unwrap_or_default();
        findings.refuse_because(
            Reason::UnknownAdapter,
            "adapter",
            format!("there is no adapter `{wanted}`"),
            Some(format!("{near} `koan catalog list` shows them all").trim().to_owned()),
        );
    }
    found
}

fn stop_grace(fields: &ServiceFields, recipe: Option<&Recipe>, findings: &mut Findings) -> Duration {
    let default = recipe.map_or(STOP_GRACE, |recipe| recipe.stop_grace.max(STOP_GRACE));
    findings.duration("stopGracePeriod", fields.stop_grace_period.as_ref(), default, (Duration::ZERO, MAX_GRACE))
}

fn readiness(fields: &ServiceFields, recipe: Option<&Recipe>, findings: &mut Findings) -> Duration {
    let default = recipe.map_or(READINESS, |recipe| recipe.readiness);
    let range = (Duration::from_secs(1), settings::MAX_READINESS);
    findings.duration("readinessTimeout", fields.readiness_timeout.as_ref(), default, range)
}

fn gates(fields: &ServiceFields) -> Vec<Gate> {
    let depends = fields.depends_on.iter().flatten();
    depends.map(|on| Gate { object: on.name.clone(), condition: on.condition.unwrap_or_default() }).collect()
}

fn endpoint(fields: &ServiceFields) -> EndpointPolicy {
    let endpoint = fields.endpoint.clone().unwrap_or_default();
    EndpointPolicy { scheme: endpoint.scheme, pattern: endpoint.pattern }
}

fn replicas(fields: &ServiceFields, findings: &mut Findings) -> u32 {
    let replicas = fields.replicas.unwrap_or(1);
    if replicas > 1 && fields.adapter.is_some() {
        findings.refuse_with(
            "replicas",
            "an adapter's service runs once: equal workloads would share one data folder",
            "leave replicas out, or describe each server as a service of its own",
        );
    }
    if replicas > 1 && fields.restart == Some(RestartPolicy::Never) {
        findings.refuse_with("replicas", "a service that ends runs once", "leave replicas out");
    }
    replicas
}

fn limits(context: &Context, fields: &ServiceFields, findings: &mut Findings) -> Limits {
    let Some(resources) = &fields.resources else { return Limits::default() };
    let forced = context.settings.engine.name == EngineName::Process;
    if fields.process.is_some() || (forced && fields.container.is_none() && fields.external.is_none()) {
        findings.warnings.push(Warning::unbounded(findings.path("resources")));
    }
    let mut parse = |name: &str, written: Option<&_>, read: fn(&_) -> Option<u64>| {
        let value = written.map(read);
        if value == Some(None) {
            findings.refuse_with(
                &format!("resources.{name}"),
                "is no quantity",
                "write a number or text such as 2, 500m, \"0.5\" or 512Mi",
            );
        }
        value.flatten()
    };
    Limits {
        cpu_millis: parse("cpu", resources.cpu.as_ref(), crate::quantity::millis),
        memory_bytes: parse("memory", resources.memory.as_ref(), crate::quantity::whole),
        gpus: parse("gpu", resources.gpu.as_ref(), crate::quantity::whole).and_then(|count| u32::try_from(count).ok()),
    }
}

/// True where the manifest describes a workload that Koan starts.
pub(super) fn starts(workload: &Workload) -> bool {
    match workload {
        Workload::Container(_) | Workload::Process(_) | Workload::Recipe { .. } => true,
        Workload::External(_) => false,
    }
}
