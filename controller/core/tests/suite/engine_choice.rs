//! The choice of an engine.

use std::collections::BTreeMap;

use koan_core::decide::{EngineNeed, EngineRequest, EngineVerdict, choose_engine};
use koan_core::inventory::{Capabilities, EngineInfo, EngineMachine};
use koan_core::validate::EngineWish;
use koan_crds::v1alpha1::EngineName::{self, Auto, Docker, Podman, Process};
use koan_crds::vocabulary::Reason;

use crate::catalogue::Catalogue;

fn info(engine: EngineName, available: bool) -> EngineInfo {
    EngineInfo {
        engine,
        available,
        reason: (!available).then(|| "no socket".to_owned()),
        remedy: None,
        version: None,
        endpoint: None,
        api_version: None,
        rootless: false,
        capabilities: Capabilities::default(),
        machine: EngineMachine::default(),
    }
}

fn recipe(adapter: &str) -> EngineNeed {
    EngineNeed::Recipe { adapter: adapter.to_owned() }
}

fn request(name: EngineName, needs: &[(&str, EngineNeed)]) -> EngineRequest {
    EngineRequest {
        wish: EngineWish { name, preferred: vec![Docker, Podman] },
        needs: needs.iter().map(|(service, need)| ((*service).to_owned(), need.clone())).collect(),
        holder: None,
        missing_programs: BTreeMap::from([("ledger".to_owned(), Vec::new())]),
    }
}

fn choose(request: &EngineRequest, up: &[EngineName]) -> EngineVerdict {
    let infos: Vec<EngineInfo> = [Docker, Podman, Process].map(|engine| info(engine, up.contains(&engine))).into();
    choose_engine(request, &infos, &Catalogue::new())
}

fn chosen(verdict: &EngineVerdict) -> Option<EngineName> {
    verdict.engine_for(&EngineNeed::Container)
}

/// ENG-3: nothing that needs an engine means that none is asked for.
#[test]
fn no_engine_is_asked_for_without_need() {
    let request = request(Docker, &[("db", EngineNeed::Nothing), ("web", EngineNeed::Process)]);
    assert_eq!(choose(&request, &[]), EngineVerdict::NotNeeded);
}

/// CLI-38: Docker before Podman, unless `preferred` says otherwise.
#[test]
fn the_order_is_docker_then_podman_unless_preferred() {
    let mut request = request(Auto, &[("db", recipe("ledger"))]);
    assert_eq!(chosen(&choose(&request, &[Docker, Podman])), Some(Docker));
    assert_eq!(chosen(&choose(&request, &[Podman])), Some(Podman));
    request.wish.preferred = vec![Podman, Docker];
    assert_eq!(chosen(&choose(&request, &[Docker, Podman])), Some(Podman));
}

/// B-9, S-15: a forced engine that is gone is an error, never another engine.
#[test]
fn a_forced_engine_is_never_replaced() {
    let verdict = choose(&request(Podman, &[("db", recipe("ledger"))]), &[Docker, Process]);
    assert_eq!(verdict.reason(), Reason::ForcedUnavailable);
}

/// ENG-3, S-15: the engine that holds the objects is kept; gone, it is unreachable and nothing moves.
#[test]
fn the_engine_that_holds_the_objects_is_kept() {
    let mut request = request(Auto, &[("db", recipe("ledger"))]);
    request.holder = Some(Podman);
    assert_eq!(chosen(&choose(&request, &[Docker, Podman])), Some(Podman));
    assert_eq!(choose(&request, &[Docker]).reason(), Reason::EngineUnreachable);
}

/// ENG-17: processes are the last choice, and only where every recipe has its programs.
#[test]
fn processes_are_the_last_choice() {
    let mut request = request(Auto, &[("db", recipe("ledger")), ("web", EngineNeed::Process)]);
    let verdict = choose(&request, &[Process]);
    assert_eq!(chosen(&verdict), Some(Process));
    let EngineVerdict::Selected { evidence, .. } = &verdict else { panic!("selected") };
    assert!(evidence.len() >= 3, "both facts are named: {evidence:?}");
    request.missing_programs.insert("ledger".to_owned(), vec!["ledgerd".to_owned()]);
    let EngineVerdict::NoneAvailable { message, remedy } = choose(&request, &[Process]) else { panic!("none") };
    assert!(message.contains("ledgerd") && remedy.contains("ledger-server"), "{message}; {remedy}");
    request.needs.insert("cache".to_owned(), recipe("scratch"));
    assert_eq!(choose(&request, &[Process]).reason(), Reason::NoneAvailable);
    request.needs.insert("api".to_owned(), EngineNeed::Container);
    assert_eq!(choose(&request, &[Process]).reason(), Reason::NoneAvailable);
}
