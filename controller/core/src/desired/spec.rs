//! Builds the workloads of one service from manifest, recipe, ports and references; placeholders of recipes are replaced here.

use std::collections::BTreeSet;

use koan_crds::names;
use koan_crds::v1alpha1::{EngineName, Profile, RestartPolicy};

use super::identity::{Ownership, network_name, object_name};
use super::{Desired, hash, image, mounts};
use crate::decide::{Decision, EngineNeed, PortAllocation};
use crate::facts::Facts;
use crate::identity::SpecHash;
use crate::probe::CredentialRef;
use crate::recipe::{ProcessRecipe, Recipe, Recipes};
use crate::step::NetworkSpec;
use crate::text::{Part, Text, ValueRef};
use crate::validate::{ValidProcess, ValidService, Workload};
use crate::workload::{ContainerRun, EnvEntry, FileEntry, PortEntry, Prepare, ProcessRun, Run, StopSignal, WorkloadSpec};

/// Variables of the user's own programs in profile `local`: seeders run, and .NET programs know that they are being developed.
const LOCAL_VARIABLES: [(&str, &str); 2] = [("KOAN_SEED", "true"), ("ASPNETCORE_ENVIRONMENT", "Development")];

/// What a service needs of an engine once it is decided.
pub fn engine_need(service: &ValidService, decision: &Decision) -> EngineNeed {
    if !decision.provisions() {
        return EngineNeed::Nothing;
    }
    match &service.workload {
        Workload::Container(_) => EngineNeed::Container,
        Workload::Process(_) => EngineNeed::Process,
        Workload::External(_) => EngineNeed::Nothing,
        Workload::Recipe { .. } => EngineNeed::Recipe { adapter: service.adapter.clone().unwrap_or_default() },
    }
}

/// What a service needs of its engine; empty where nothing is provisioned or no engine can be had.
pub fn desired(
    service: &ValidService,
    decision: &Decision,
    ports: &PortAllocation,
    facts: &Facts,
    recipes: &dyn Recipes,
) -> Desired {
    let Some(engine) = facts.engine.engine_for(&engine_need(service, decision)) else { return Desired::default() };
    let recipe = service.adapter.as_deref().and_then(|id| recipes.recipe(id));
    let builder =
        Builder { service, decision, ports, facts, recipe, engine, own: Ownership::of_service(service, &facts.instance) };
    builder.build()
}

struct Builder<'a> {
    service: &'a ValidService,
    decision: &'a Decision,
    ports: &'a PortAllocation,
    facts: &'a Facts,
    recipe: Option<&'a Recipe>,
    engine: EngineName,
    own: Ownership,
}

impl<'a> Builder<'a> {
    fn build(&self) -> Desired {
        let image = image::image(self.service, self.recipe).filter(|_| !self.as_process());
        let tag = image.as_ref().map(|image| image::tag(&image.reference)).unwrap_or_default();
        let (mounts, volumes) = mounts::mounts(self.service, &self.own, self.recipe, self.data_paths(tag));
        let networks = self.networks();
        let run = self.run(image.as_ref().map(|image| image.reference.as_str()).unwrap_or_default());
        let workloads = (0..self.service.replicas)
            .map(|replica| {
                let spec = WorkloadSpec {
                    owner: self.own.owner.clone(),
                    object: object_name(&self.own.owner, replica),
                    replica,
                    alias: self.service.service.clone(),
                    run: run.clone(),
                    env: self.env(),
                    files: self.files(),
                    ports: self.port_entries(replica),
                    mounts: mounts.clone(),
                    networks: networks.iter().map(|network| network.name.clone()).collect(),
                    limits: self.service.limits.clone(),
                    stop_grace: self.service.stop_grace,
                    restart: self.service.restart,
                    hash: SpecHash::default(),
                };
                WorkloadSpec { hash: hash::spec_hash(&spec, &self.versions(&spec), image::rebuild(self.service)), ..spec }
            })
            .collect();
        Desired { engine: Some(self.engine), networks, volumes, image, workloads }
    }

    /// True where a program of the host runs instead of a container.
    fn as_process(&self) -> bool {
        self.engine == EngineName::Process
    }

    /// The recipe, where it is what runs.
    fn recipe_alone(&self) -> Option<&'a Recipe> {
        match &self.service.workload {
            Workload::Recipe { .. } => self.recipe,
            Workload::Container(_) | Workload::Process(_) | Workload::External(_) => None,
        }
    }

    fn process_recipe(&self) -> Option<&'a ProcessRecipe> {
        self.recipe_alone().filter(|_| self.as_process()).and_then(|recipe| recipe.process.as_ref())
    }

    fn data_paths(&self, tag: &str) -> &'static [&'static str] {
        match (self.process_recipe(), self.recipe_alone()) {
            (Some(process), _) => process.data_paths,
            (None, Some(recipe)) => (recipe.data_paths)(tag),
            (None, None) => &[],
        }
    }

    fn networks(&self) -> Vec<NetworkSpec> {
        if self.as_process() {
            return Vec::new();
        }
        let owner = &self.own.network_owner;
        let named = self.service.networks.iter().map(String::as_str);
        let names: Vec<&str> = if self.service.networks.is_empty() { vec![""] } else { named.collect() };
        names.into_iter().map(|name| NetworkSpec { name: network_name(owner, name), owner: owner.clone() }).collect()
    }

    fn run(&self, image: &str) -> Run {
        match &self.service.workload {
            Workload::Process(process) => Run::Process(own_process(process)),
            Workload::Container(container) => Run::Container(ContainerRun {
                image: image.to_owned(),
                command: container.command.clone(),
                args: container.args.clone(),
                working_dir: container.working_dir.clone(),
                user: container.user.clone(),
                init: self.recipe.is_some_and(|recipe| recipe.needs_init),
                image_health: self.service.health.is_none() && self.service.restart != RestartPolicy::Never,
            }),
            Workload::Recipe { .. } | Workload::External(_) => match self.process_recipe() {
                Some(process) => Run::Process(self.recipe_process(process)),
                None => Run::Container(ContainerRun {
                    image: image.to_owned(),
                    command: None,
                    args: self.recipe.map(|recipe| recipe.args.clone()).filter(|args| !args.is_empty()),
                    working_dir: None,
                    user: None,
                    init: self.recipe.is_some_and(|recipe| recipe.needs_init),
                    image_health: false,
                }),
            },
        }
    }

    fn recipe_process(&self, process: &ProcessRecipe) -> ProcessRun {
        let all = |texts: &[Text]| texts.iter().map(|text| self.fill(text)).collect();
        ProcessRun {
            command: all(&process.command),
            working_dir: None,
            user: Some(ProcessRun::SYSTEM_ACCOUNT.to_owned()),
            prepare: process
                .prepare
                .iter()
                .map(|(mark, command)| Prepare { done_when: self.fill(mark), command: all(command) })
                .collect(),
            stop_signal: process.stop_signal,
        }
    }

    /// The recipe's variables and the profile's, then the manifest's, which win.
    fn env(&self) -> Vec<EnvEntry> {
        let recipe = match (self.process_recipe(), self.recipe_alone()) {
            (Some(process), _) => [&process.env[..], &[]],
            (None, Some(recipe)) => [&recipe.env[..], self.env_by_login(recipe)],
            (None, None) => [&[][..], &[]],
        };
        let own: BTreeSet<&str> = self.service.env.iter().map(|entry| entry.name.as_str()).collect();
        let recipe = recipe.into_iter().flatten().map(|(name, value)| EnvEntry { name: name.clone(), value: self.fill(value) });
        let inherited = recipe.chain(self.of_profile()).filter(|entry| !own.contains(entry.name.as_str()));
        inherited.chain(self.service.env.iter().cloned()).collect()
    }

    /// Variables of a container with or without a login.
    fn env_by_login(&self, recipe: &'a Recipe) -> &'a [(String, Text)] {
        match &self.decision.credential {
            None | Some(CredentialRef::Anonymous) => &recipe.env_without_login,
            Some(
                CredentialRef::Candidate(_) | CredentialRef::Manifest | CredentialRef::Default(_) | CredentialRef::Generated,
            ) => &recipe.env_with_login,
        }
    }

    /// What programs of the user's own are told of a profile (cli.md section 4); servers of adapters are told nothing.
    fn of_profile(&self) -> impl Iterator<Item = EnvEntry> {
        let own = match &self.service.workload {
            Workload::Container(_) | Workload::Process(_) => true,
            Workload::Recipe { .. } | Workload::External(_) => false,
        };
        let variables: &[(&str, &str)] = match self.service.profile {
            Profile::Local if own => &LOCAL_VARIABLES,
            Profile::Local | Profile::Ci | Profile::Staging | Profile::Prod => &[],
        };
        variables.iter().map(|(name, value)| EnvEntry { name: (*name).to_owned(), value: Text::plain(*value) })
    }

    /// The recipe's files, then the manifest's, which win.
    fn files(&self) -> Vec<FileEntry> {
        let recipe = match (self.process_recipe(), self.recipe_alone()) {
            (Some(process), _) => &process.files[..],
            (None, Some(recipe)) => &recipe.files[..],
            (None, None) => &[],
        };
        let own: BTreeSet<&str> = self.service.files.iter().map(|file| file.path.as_str()).collect();
        let inherited = recipe.iter().filter(|(path, _, _)| !own.contains(path.as_str()));
        let inherited =
            inherited.map(|(path, mode, content)| FileEntry { path: path.clone(), mode: *mode, content: self.fill(content) });
        inherited.chain(self.service.files.iter().cloned()).collect()
    }

    /// Ports; only the first of equal workloads is published.
    fn port_entries(&self, replica: u32) -> Vec<PortEntry> {
        let entry = |port: &crate::decide::AllocatedPort| PortEntry {
            name: port.name.clone(),
            container: port.container,
            protocol: port.protocol,
            host: port.host.map(|(host, _)| host).filter(|_| replica == 0),
        };
        self.ports.ports.iter().map(entry).collect()
    }

    fn fill(&self, text: &Text) -> Text {
        filled(self.service, self.decision.credential.as_ref(), text)
    }

    /// Versions of the values that a workload refers to, sorted.
    fn versions(&self, spec: &WorkloadSpec) -> Vec<(String, String)> {
        let found: BTreeSet<(String, String)> = references(spec)
            .filter_map(|reference| {
                let name = serde_json::to_string(reference).ok()?;
                Some((name, self.facts.versions.get(reference)?.clone()))
            })
            .collect();
        found.into_iter().collect()
    }
}

fn own_process(process: &ValidProcess) -> ProcessRun {
    ProcessRun {
        command: process.command.iter().map(|word| Text::plain(word.clone())).collect(),
        working_dir: process.working_dir.clone(),
        user: process.user.clone(),
        prepare: Vec::new(),
        stop_signal: StopSignal::default(),
    }
}

/// A recipe's text with its placeholders replaced: the database, the service's name, and the keys of the service's own credential.
fn filled(service: &ValidService, credential: Option<&CredentialRef>, text: &Text) -> Text {
    let replace = |part: &Part| match part {
        Part::Plain(plain) => {
            Part::Plain(plain.replace(Recipe::DATABASE, &service.database).replace(Recipe::SERVICE, &service.service))
        }
        Part::Value(reference) => Part::Value(own_value(service, credential, reference)),
        Part::Quoted(reference) => Part::Quoted(own_value(service, credential, reference)),
        Part::Hashed(reference) => Part::Hashed(own_value(service, credential, reference)),
        Part::DataFolder(_) | Part::RunFolder | Part::File(_) | Part::Port(_) | Part::Published(_) | Part::ProgramFolder(_) => {
            part.clone()
        }
    };
    Text(text.0.iter().map(replace).collect())
}

/// The value that a recipe's reference stands for: a literal of the manifest where it has any, else a key of a
/// Secret. Which parts a login without them has is known where values are resolved.
fn own_value(service: &ValidService, credential: Option<&CredentialRef>, reference: &ValueRef) -> ValueRef {
    match reference {
        ValueRef::SecretKey { name, key } if name == Recipe::CREDENTIALS => {
            let policy = &service.credentials;
            if policy.secret.is_none() && !policy.literals.is_empty() {
                return ValueRef::Literal { key: key.clone() };
            }
            let own = policy.secret.clone().filter(|_| credential == Some(&CredentialRef::Manifest));
            ValueRef::SecretKey { name: own.unwrap_or_else(|| names::credentials_secret(&service.key.name)), key: key.clone() }
        }
        ValueRef::SecretKey { .. } | ValueRef::ConfigKey { .. } | ValueRef::Output { .. } | ValueRef::Literal { .. } => {
            reference.clone()
        }
    }
}

/// Every value that a workload refers to.
pub fn references(spec: &WorkloadSpec) -> impl Iterator<Item = &ValueRef> {
    let run: Vec<&Text> = match &spec.run {
        Run::Container(_) => Vec::new(),
        Run::Process(process) => {
            let prepare = process.prepare.iter().flat_map(|step| step.command.iter().chain([&step.done_when]));
            process.command.iter().chain(prepare).collect()
        }
    };
    let env = spec.env.iter().map(|entry| &entry.value);
    let files = spec.files.iter().map(|file| &file.content);
    env.chain(files).chain(run).flat_map(Text::references)
}
