//! The choice of an engine: lazy, sticky, and never a fall-through from a forced one (ENG-3, ENG-17, CLI-38, B-9).

use std::collections::BTreeMap;

use koan_crds::v1alpha1::EngineName;
use koan_crds::vocabulary::Reason;

use crate::inventory::EngineInfo;
use crate::recipe::Recipes;
use crate::validate::EngineWish;

/// Container engines in the order of CLI-38.
pub const CONTAINER_ENGINES: [EngineName; 2] = [EngineName::Docker, EngineName::Podman];

/// What one service needs of an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineNeed {
    /// Nothing: adopted, external, left out.
    Nothing,
    /// A program of the host: the process engine beside any other.
    Process,
    /// A container that only a container engine can run.
    Container,
    /// A recipe, which may also say how its server runs as a process; an image of the manifest's own counts on container engines.
    Recipe {
        /// Adapter by canonical id.
        adapter: String,
    },
}

/// Everything that the choice depends on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EngineRequest {
    /// What was asked for.
    pub wish: EngineWish,
    /// Needs of all services of the stack, by service name.
    pub needs: BTreeMap<String, EngineNeed>,
    /// Engine that holds workloads of the stack already.
    pub holder: Option<EngineName>,
    /// Programs that are missing on this machine, by adapter; an adapter without entry was not looked at.
    pub missing_programs: BTreeMap<String, Vec<String>>,
}

/// The engine of a stack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum EngineVerdict {
    /// No decision needs one.
    #[default]
    NotNeeded,
    /// This one.
    Selected {
        /// The engine.
        engine: EngineName,
        /// Version that it reports.
        version: Option<String>,
        /// Its address.
        endpoint: Option<String>,
        /// Why this one: one sentence each.
        evidence: Vec<String>,
    },
    /// It was asked for and does not answer (B-9).
    ForcedUnavailable {
        /// The engine.
        engine: EngineName,
        /// Why.
        message: String,
        /// What to do.
        remedy: String,
    },
    /// None answers.
    NoneAvailable {
        /// What was looked for.
        message: String,
        /// What to do.
        remedy: String,
    },
    /// It holds workloads of the stack and does not answer (S-15).
    Unreachable {
        /// The engine.
        engine: EngineName,
        /// Why.
        message: String,
        /// What to do.
        remedy: String,
    },
}

impl EngineVerdict {
    /// Reason of the `EngineSelected` condition.
    pub fn reason(&self) -> Reason {
        match self {
            Self::NotNeeded => Reason::NotNeeded,
            Self::Selected { .. } => Reason::Selected,
            Self::ForcedUnavailable { .. } => Reason::ForcedUnavailable,
            Self::NoneAvailable { .. } => Reason::NoneAvailable,
            Self::Unreachable { .. } => Reason::EngineUnreachable,
        }
    }

    /// The engine that runs a need; `None` where it needs none or none can be had.
    pub fn engine_for(&self, need: &EngineNeed) -> Option<EngineName> {
        match (need, self) {
            (EngineNeed::Nothing, _) => None,
            (EngineNeed::Process, _) => Some(EngineName::Process),
            (EngineNeed::Container | EngineNeed::Recipe { .. }, Self::Selected { engine, .. }) => Some(*engine),
            (
                EngineNeed::Container | EngineNeed::Recipe { .. },
                Self::NotNeeded | Self::ForcedUnavailable { .. } | Self::NoneAvailable { .. } | Self::Unreachable { .. },
            ) => None,
        }
    }
}

/// Chooses the engine of a stack. `infos` may list any engines in any order; one that is absent counts as unavailable.
pub fn choose_engine(request: &EngineRequest, infos: &[EngineInfo], recipes: &dyn Recipes) -> EngineVerdict {
    let verdict = choose(request, infos, recipes);
    if let EngineVerdict::Selected { engine, .. } = &verdict {
        let (wish, holds) = (request.wish.name, request.holder == Some(*engine));
        assert!(holds || wish == EngineName::Auto || wish == *engine, "{wish:?} was asked for and {engine:?} chosen (S-15, B-9)");
        assert!(request.holder.is_none() || holds, "{engine:?} was chosen and {:?} holds the workloads", request.holder);
    }
    verdict
}

fn choose(request: &EngineRequest, infos: &[EngineInfo], recipes: &dyn Recipes) -> EngineVerdict {
    let asks = request.needs.values().any(|need| matches!(need, EngineNeed::Container | EngineNeed::Recipe { .. }));
    if !asks && request.holder.is_none() {
        return EngineVerdict::NotNeeded;
    }
    if let Some(holder) = request.holder {
        return match available(infos, holder) {
            Ok(info) => selected(info, vec![format!("{holder:?} holds workloads of this stack")]),
            Err(message) => EngineVerdict::Unreachable { engine: holder, message, remedy: remedy(infos, holder) },
        };
    }
    match request.wish.name {
        EngineName::Auto => choose_by_order(request, infos, recipes),
        EngineName::Process => match process_obstacles(request, recipes) {
            obstacles if obstacles.is_empty() => forced(infos, EngineName::Process),
            obstacles => EngineVerdict::ForcedUnavailable {
                engine: EngineName::Process,
                message: format!("the process engine cannot run {}", obstacles.join(", ")),
                remedy: process_remedy(request, recipes),
            },
        },
        engine @ (EngineName::Docker | EngineName::Podman | EngineName::Kubernetes) => forced(infos, engine),
    }
}

fn forced(infos: &[EngineInfo], engine: EngineName) -> EngineVerdict {
    match available(infos, engine) {
        Ok(info) => selected(info, vec![format!("spec.engine.name asks for {engine:?}")]),
        Err(message) => EngineVerdict::ForcedUnavailable { engine, message, remedy: remedy(infos, engine) },
    }
}

fn choose_by_order(request: &EngineRequest, infos: &[EngineInfo], recipes: &dyn Recipes) -> EngineVerdict {
    let order: &[EngineName] = if request.wish.preferred.is_empty() { &CONTAINER_ENGINES } else { &request.wish.preferred };
    let mut passed = Vec::new();
    for engine in order.iter().copied().filter(|engine| CONTAINER_ENGINES.contains(engine)) {
        match available(infos, engine) {
            Ok(info) => {
                passed.push(format!("{engine:?} is the first that answers of {order:?}"));
                return selected(info, passed);
            }
            Err(message) => passed.push(message),
        }
    }
    let obstacles = process_obstacles(request, recipes);
    match (obstacles.is_empty(), available(infos, EngineName::Process)) {
        (true, Ok(info)) => {
            passed.push("every service to be provisioned has a recipe whose programs are installed".to_owned());
            selected(info, passed)
        }
        (true, Err(message)) => none_available(passed, vec![message], request, recipes),
        (false, _) => none_available(passed, obstacles, request, recipes),
    }
}

fn none_available(
    mut passed: Vec<String>,
    obstacles: Vec<String>,
    request: &EngineRequest,
    recipes: &dyn Recipes,
) -> EngineVerdict {
    passed.push(format!("as processes: {}", obstacles.join(", ")));
    EngineVerdict::NoneAvailable { message: passed.join("; "), remedy: process_remedy(request, recipes) }
}

/// Why the process engine cannot run the stack, one entry per service.
fn process_obstacles(request: &EngineRequest, recipes: &dyn Recipes) -> Vec<String> {
    let obstacle = |(service, need): (&String, &EngineNeed)| match need {
        EngineNeed::Nothing | EngineNeed::Process => None,
        EngineNeed::Container => Some(format!("`{service}` is a container")),
        EngineNeed::Recipe { adapter } => {
            if recipes.recipe(adapter).is_none_or(|recipe| recipe.process.is_none()) {
                return Some(format!("`{service}` ({adapter}) has no recipe as a process"));
            }
            match request.missing_programs.get(adapter) {
                Some(missing) if missing.is_empty() => None,
                Some(missing) => Some(format!("`{service}` ({adapter}) lacks {}", missing.join(", "))),
                None => Some(format!("`{service}` ({adapter}): its programs were not found")),
            }
        }
    };
    request.needs.iter().filter_map(obstacle).collect()
}

fn process_remedy(request: &EngineRequest, recipes: &dyn Recipes) -> String {
    let mut packages: Vec<&str> = request
        .missing_programs
        .iter()
        .filter(|(_, missing)| !missing.is_empty())
        .filter_map(|(adapter, _)| recipes.recipe(adapter)?.process.as_ref().map(|process| process.package))
        .collect();
    packages.sort_unstable();
    packages.dedup();
    if packages.is_empty() {
        "start Docker or Podman; `koan doctor` shows what was looked for".to_owned()
    } else {
        format!("start Docker or Podman, or install {}; `koan doctor` shows what was looked for", packages.join(", "))
    }
}

fn available(infos: &[EngineInfo], engine: EngineName) -> Result<&EngineInfo, String> {
    match infos.iter().find(|info| info.engine == engine) {
        Some(info) if info.available => Ok(info),
        Some(info) => Err(format!("{engine:?}: {}", info.reason.as_deref().unwrap_or("does not answer"))),
        None => Err(format!("{engine:?}: not built into this version")),
    }
}

fn remedy(infos: &[EngineInfo], engine: EngineName) -> String {
    infos
        .iter()
        .find(|info| info.engine == engine)
        .and_then(|info| info.remedy.clone())
        .unwrap_or_else(|| format!("start {engine:?}; `koan doctor` shows what was looked for"))
}

fn selected(info: &EngineInfo, evidence: Vec<String>) -> EngineVerdict {
    EngineVerdict::Selected { engine: info.engine, version: info.version.clone(), endpoint: info.endpoint.clone(), evidence }
}
