use futures::future::join_all;
use koan_core::inventory::EngineInfo;
use koan_crds::v1alpha1::EngineName;

use super::report::{Check, Verdict};
use crate::commands::Run;
use crate::engines::Engines;
use crate::failure::Failure;
use crate::home::prepare;

/// Ids of the checks of this file.
const IDS: [&str; 4] = ["engine.docker", "engine.podman", "engine.process", "engine.order"];

/// All engines at once, and the order in which `Auto` would take them.
pub(super) async fn checks(run: &Run) -> Vec<Check> {
    let engines = match open(run) {
        Ok(engines) => engines,
        Err(failure) => {
            let remedy = failure.hints().join("; ");
            let refuse = |id| Check::not_ok(id, "engines can be asked", Verdict::Fail, failure.to_string(), remedy.clone());
            return IDS.map(refuse).to_vec();
        }
    };
    let infos = join_all(engines.all().iter().map(|engine| engine.info())).await;
    infos.iter().map(check).chain(std::iter::once(order(&infos))).collect()
}

fn open(run: &Run) -> Result<Engines, Failure> {
    Engines::of_home(&prepare(&run.settings.home)?, &run.settings)
}

fn check(info: &EngineInfo) -> Check {
    let id = format!("engine.{}", format!("{:?}", info.engine).to_ascii_lowercase());
    let title = format!("{:?} can be used", info.engine);
    if info.available {
        let version = info.version.as_deref().unwrap_or("unknown version");
        let api = info.api_version.as_ref().map(|api| format!(", API {api}")).unwrap_or_default();
        let endpoint = info.endpoint.as_ref().map(|endpoint| format!(" at {endpoint}")).unwrap_or_default();
        let rootless = if info.rootless { ", rootless" } else { "" };
        return Check::ok(&id, &title, format!("{version}{api}{rootless}{endpoint}"));
    }
    let reason = info.reason.clone().unwrap_or_else(|| "not available".to_owned());
    let remedy = info.remedy.clone().unwrap_or_else(|| format!("install and start {:?}", info.engine));
    Check::not_ok(&id, &title, Verdict::Warn, reason, remedy)
}

fn order(infos: &[EngineInfo]) -> Check {
    let chosen = infos.iter().find(|info| info.available && info.engine != EngineName::Process);
    match chosen {
        Some(info) => {
            let endpoint = info.endpoint.as_ref().map(|endpoint| format!(" ({endpoint})")).unwrap_or_default();
            Check::ok(
                "engine.order",
                "order of engines",
                format!("{:?}{endpoint} would be chosen: the first that answers", info.engine),
            )
        }
        None => Check::not_ok(
            "engine.order",
            "order of engines",
            Verdict::Warn,
            "no container engine answers; services with installed programs run as processes",
            "start Docker or Podman, or install the servers that the stack needs",
        ),
    }
}
