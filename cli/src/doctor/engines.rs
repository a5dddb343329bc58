use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use koan_core::inventory::{EngineInfo, EngineMachine, WorkloadRecord, WorkloadState};
use koan_core::step::ObjectRef;
use koan_crds::v1alpha1::EngineName;
use koan_engines::{Engine, ExecRequest, Scope};

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
        let detail = format!("{version}{api}{rootless}{}{endpoint}", machine(&info.machine));
        return match info.machine.clock_ahead {
            None => Check::ok(&id, &title, detail),
            Some(seconds) => Check::not_ok(&id, &title, Verdict::Warn, format!("{detail}; {}", clock(seconds)), CLOCK_REMEDY),
        };
    }
    let reason = info.reason.clone().unwrap_or_else(|| "not available".to_owned());
    let remedy = info.remedy.clone().unwrap_or_else(|| format!("install and start {:?}", info.engine));
    Check::not_ok(&id, &title, Verdict::Warn, reason, remedy)
}

/// What to do about a clock that is wrong.
const CLOCK_REMEDY: &str =
    "timedatectl set-ntp true; restart the machine of an engine that slept (Docker Desktop, podman machine)";

fn clock(seconds: i64) -> String {
    let side = if seconds > 0 { "ahead" } else { "behind" };
    format!("its clock is {} s {side}", seconds.abs())
}

fn machine(machine: &EngineMachine) -> String {
    let cgroup = machine.cgroup.as_ref().map(|cgroup| format!(", cgroup {cgroup}"));
    let storage = machine.storage.as_ref().map(|storage| format!(", storage {storage}"));
    let gpu = machine.gpu_runtime.then(|| ", GPU runtime".to_owned());
    [cgroup, storage, gpu].into_iter().flatten().collect()
}

/// Containers that are asked for the name of their host at once.
const ASKED: usize = 3;
/// Budget of such a question.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);
/// Most bytes of a hosts file.
const HOSTS_BYTES: usize = 16 * 1024;
/// Names by which a container may know its host.
const ALIASES: [&str; 2] = ["host.docker.internal", "host.containers.internal"];

/// Whether containers know their host by name, as a few of those that run say; nothing is started for it.
pub(super) async fn host_alias(run: &Run) -> Check {
    let (id, title) = ("net.hostalias", "name of the host in containers");
    let skip = |why: &str| Check::not_ok(id, title, Verdict::Skip, why, "koan up, with a service in a container; then again");
    let Ok(engines) = open(run) else { return skip("no engine can be asked") };
    let scope = Scope { instance: engines.instance().clone() };
    let mut running = Vec::new();
    for engine in engines.all().iter().filter(|engine| engine.id() != EngineName::Process) {
        let held = engine.inventory(&scope).await.map(|held| held.workloads).unwrap_or_default();
        let held = held.into_iter().filter(|record| record.state == WorkloadState::Running);
        running.extend(held.map(|record| (Arc::clone(engine), record)));
    }
    if running.is_empty() {
        return skip("no container of this home runs");
    }
    let asked = running.iter().take(ASKED).map(|(engine, record)| hosts(engine.as_ref(), record));
    let answers: Vec<(String, String)> = join_all(asked).await.into_iter().flatten().collect();
    match answers.iter().find(|(_, hosts)| alias(hosts).is_none()) {
        _ if answers.is_empty() => skip("no container that runs could show its hosts file"),
        None => {
            let known = answers.iter().filter_map(|(name, hosts)| Some(format!("{} in {name}", alias(hosts)?)));
            Check::ok(id, title, known.collect::<Vec<_>>().join(", "))
        }
        Some((name, _)) => Check::not_ok(
            id,
            title,
            Verdict::Warn,
            format!("container {name} knows its host by none of {}", ALIASES.join(", ")),
            "update the engine: Docker from 20.10, Podman from 4.3; then replace the container: koan down, koan up",
        ),
    }
}

/// Name of a container and its hosts file; `None` where it cannot show one.
async fn hosts(engine: &dyn Engine, record: &WorkloadRecord) -> Option<(String, String)> {
    let object = ObjectRef { name: record.name.clone(), id: Some(record.id.clone()), owner: record.owner.clone() };
    let command = ["cat", "/etc/hosts"].map(str::to_owned).to_vec();
    let request = ExecRequest { command, timeout: ASK_TIMEOUT, output_limit: HOSTS_BYTES };
    let report = engine.exec(&object, &request).await.ok()?;
    (report.exit_code == Some(0)).then(|| (record.name.clone(), report.output))
}

/// The first name of the host in a hosts file, with an address that is one.
fn alias(hosts: &str) -> Option<String> {
    hosts.lines().find_map(|line| {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let address = words.next()?.parse::<IpAddr>().ok()?;
        let name = words.find(|word| ALIASES.contains(word))?;
        Some(format!("{name} is {address}"))
    })
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

#[cfg(test)]
mod tests {
    use koan_core::inventory::Capabilities;

    use super::*;

    fn info(machine: EngineMachine) -> EngineInfo {
        EngineInfo {
            engine: EngineName::Docker,
            available: true,
            reason: None,
            remedy: None,
            version: Some("28.2".to_owned()),
            endpoint: Some("unix:///s".to_owned()),
            api_version: Some("1.48".to_owned()),
            rootless: true,
            capabilities: Capabilities::default(),
            machine,
        }
    }

    /// CLI-33: an engine's check names version, API, rootless, control groups, storage and GPU runtime; a wrong clock is a warning with
    /// a remedy.
    #[test]
    fn an_engine_is_described() {
        let machine = EngineMachine {
            cgroup: Some("v2 (systemd)".to_owned()),
            storage: Some("overlay2".to_owned()),
            gpu_runtime: true,
            clock_ahead: None,
        };
        let fine = check(&info(machine.clone()));
        let text = "28.2, API 1.48, rootless, cgroup v2 (systemd), storage overlay2, GPU runtime at unix:///s";
        assert_eq!((fine.status, fine.detail.as_str()), (Verdict::Ok, text));
        let late = check(&info(EngineMachine { clock_ahead: Some(-7), ..machine }));
        assert!(late.status == Verdict::Warn && late.detail.ends_with("its clock is 7 s behind") && late.remedy.is_some());
        assert_eq!(check(&info(EngineMachine::default())).detail, "28.2, API 1.48, rootless at unix:///s");
    }

    /// CLI-33: the host's name counts with an address that is one, wherever it stands in the line.
    #[test]
    fn the_name_of_the_host_is_read() {
        let hosts = "127.0.0.1 localhost\n# 1.2.3.4 host.docker.internal\n172.17.0.1\tother host.docker.internal\n";
        assert_eq!(alias(hosts).as_deref(), Some("host.docker.internal is 172.17.0.1"));
        assert_eq!(alias("host-gateway host.docker.internal\n"), None);
        assert_eq!(alias("10.0.2.2 host.containers.internal"), Some("host.containers.internal is 10.0.2.2".to_owned()));
    }
}
