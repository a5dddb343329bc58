//! The matrix of DET-40: adapter × mode × situation, each against real servers or the zoo: validate → questions → prober → decide →
//! ports → outputs, as the controller runs them.

use std::collections::BTreeMap;

use koan_core::decide::{Decision, PortAllocation, allocate_ports, avoid_refused, decide};
use koan_core::facts::{CredentialFact, Facts};
use koan_core::outputs::{OutputSource, outputs};
use koan_core::probe::{Access, Address, CredentialRef};
use koan_core::questions::questions;
use koan_core::recipe::Recipes;
use koan_core::secret::Login;
use koan_core::validate::{StackOptions, ValidService, validate_service, validate_stack};
use koan_crds::v1alpha1::{Action, DevStack, EvidenceCode, PortSource, ProvisioningMode};
use koan_crds::vocabulary::{ExitCode, Reason};

use crate::testing::relay::Relay;
use crate::testing::servers::{NOBODY, Server, start};
use crate::testing::zoo::{Cage, Impostor};
use crate::testing::{login, manifest};
use crate::{LiveProber, Prober, catalogue};

use EvidenceCode::{CredentialAccepted, CredentialRejected, CredentialSkipped, Identified, OwnerUser, Refused};
use ProvisioningMode::{Always, Auto, Disabled, Never};
use Situation::{Absent, Busy, Good, Impostor as Foreign, Wrong};

/// What is on the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Situation {
    /// Nothing.
    Absent,
    /// The product, and the manifest's login is wrong.
    Wrong,
    /// The product, and the manifest's login is right.
    Good,
    /// Everything else, another adapter's real server included.
    Impostor,
    /// As `Wrong`, on the very port that the service wants for itself.
    Busy,
}

macro_rules! cells {
    ($($name:ident: $adapter:literal, $mode:ident, $situation:ident;)*) => {$(
        /// DET-40, DET-2, DET-9, DET-25: action, reason, evidence, endpoint, and what the counterpart received.
        #[tokio::test]
        async fn $name() {
            cell($adapter, $mode, Situation::$situation).await;
        }
    )*};
}

cells! {
    matrix_postgres_auto_absent: "postgres", Auto, Absent;
    matrix_postgres_auto_wrong: "postgres", Auto, Wrong;
    matrix_postgres_auto_good: "postgres", Auto, Good;
    matrix_postgres_auto_impostor: "postgres", Auto, Impostor;
    matrix_postgres_auto_busy: "postgres", Auto, Busy;
    matrix_postgres_always_absent: "postgres", Always, Absent;
    matrix_postgres_always_wrong: "postgres", Always, Wrong;
    matrix_postgres_always_good: "postgres", Always, Good;
    matrix_postgres_always_impostor: "postgres", Always, Impostor;
    matrix_postgres_always_busy: "postgres", Always, Busy;
    matrix_postgres_never_absent: "postgres", Never, Absent;
    matrix_postgres_never_wrong: "postgres", Never, Wrong;
    matrix_postgres_never_good: "postgres", Never, Good;
    matrix_postgres_never_impostor: "postgres", Never, Impostor;
    matrix_postgres_never_busy: "postgres", Never, Busy;
    matrix_postgres_disabled_absent: "postgres", Disabled, Absent;
    matrix_postgres_disabled_wrong: "postgres", Disabled, Wrong;
    matrix_postgres_disabled_good: "postgres", Disabled, Good;
    matrix_postgres_disabled_impostor: "postgres", Disabled, Impostor;
    matrix_postgres_disabled_busy: "postgres", Disabled, Busy;
    matrix_redis_auto_absent: "redis", Auto, Absent;
    matrix_redis_auto_wrong: "redis", Auto, Wrong;
    matrix_redis_auto_good: "redis", Auto, Good;
    matrix_redis_auto_impostor: "redis", Auto, Impostor;
    matrix_redis_auto_busy: "redis", Auto, Busy;
    matrix_redis_always_absent: "redis", Always, Absent;
    matrix_redis_always_wrong: "redis", Always, Wrong;
    matrix_redis_always_good: "redis", Always, Good;
    matrix_redis_always_impostor: "redis", Always, Impostor;
    matrix_redis_always_busy: "redis", Always, Busy;
    matrix_redis_never_absent: "redis", Never, Absent;
    matrix_redis_never_wrong: "redis", Never, Wrong;
    matrix_redis_never_good: "redis", Never, Good;
    matrix_redis_never_impostor: "redis", Never, Impostor;
    matrix_redis_never_busy: "redis", Never, Busy;
    matrix_redis_disabled_absent: "redis", Disabled, Absent;
    matrix_redis_disabled_wrong: "redis", Disabled, Wrong;
    matrix_redis_disabled_good: "redis", Disabled, Good;
    matrix_redis_disabled_impostor: "redis", Disabled, Impostor;
    matrix_redis_disabled_busy: "redis", Disabled, Busy;
}

/// The action and the reason of DET-2's table.
fn expected(mode: ProvisioningMode, situation: Situation) -> (Action, Reason) {
    match (mode, situation) {
        (Disabled, _) => (Action::NoAction, Reason::Disabled),
        (Always, _) => (Action::ProvisionContainer, Reason::AlwaysMode),
        (Auto | Never, Good) => (Action::UseHostService, Reason::HostValidated),
        (Never, Absent | Wrong | Foreign | Busy) => (Action::NoAction, Reason::HostServiceRequired),
        (Auto, Absent) => (Action::ProvisionContainer, Reason::NoHostService),
        (Auto, Wrong | Busy) => (Action::ProvisionContainer, Reason::HostRejected),
        (Auto, Foreign) => (Action::ProvisionContainer, Reason::HostImpostor),
    }
}

fn asks(mode: ProvisioningMode) -> bool {
    matches!(mode, Auto | Never)
}

fn right(adapter: &str) -> Login {
    login(Some(if adapter == "postgres" { "shop" } else { "default" }), "canary right 7Qx")
}

fn wrong(adapter: &str) -> Login {
    login(right(adapter).username.as_deref(), "canary wrong 9Zk")
}

async fn cell(adapter: &str, mode: ProvisioningMode, situation: Situation) {
    match situation {
        Absent => absent(adapter, mode).await,
        Wrong | Busy => refused(adapter, mode, situation).await,
        Good => accepted(adapter, mode).await,
        Foreign => foreign(adapter, mode).await,
    }
}

async fn absent(adapter: &str, mode: ProvisioningMode) {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let course = course(adapter, mode, port, &manifest(right(adapter))).await;
    course.assert(mode, Absent);
    if asks(mode) {
        assert_eq!(course.codes(), [Refused]);
    }
    if course.decision.provisions() {
        assert_eq!(
            course.host_port(),
            Some((port, PortSource::Declared)),
            "the port is free and stays the one that was asked for"
        );
    }
}

async fn refused(adapter: &str, mode: ProvisioningMode, situation: Situation) {
    let Some((server, relay)) = real(adapter).await else { return };
    let (login, count) = (wrong(adapter), |relay: &Relay| logins(adapter, &server, relay));
    let mut access = manifest(login);
    let before = count(&relay);
    let course = course(adapter, mode, relay.port, &access).await;
    course.assert(mode, situation);
    if !asks(mode) {
        assert_eq!(relay.connections(), 0, "no packet");
        return;
    }
    let mut codes = vec![Identified, OwnerUser, CredentialRejected, CredentialSkipped];
    codes.extend((adapter == "postgres").then_some(CredentialRejected));
    assert_eq!(course.codes(), codes);
    let sent = count(&relay) - before;
    assert!((1..=3).contains(&sent), "{sent} logins were refused");
    access.refused = course.refused.clone();
    let again = self::course(adapter, mode, relay.port, &access).await;
    again.assert(mode, situation);
    assert_eq!(count(&relay) - before, sent, "no login is repeated");
    if course.decision.provisions() {
        let (host, source) = course.host_port().unwrap();
        assert_eq!(source, PortSource::Repicked);
        assert_ne!(host, relay.port, "B-3: the refused host's port is never shared");
        assert!(course.url().contains(&format!("127.0.0.1:{host}")), "{}", course.url());
    }
}

async fn accepted(adapter: &str, mode: ProvisioningMode) {
    let Some((_server, relay)) = real(adapter).await else { return };
    let course = course(adapter, mode, relay.port, &manifest(right(adapter))).await;
    course.assert(mode, Good);
    if !asks(mode) {
        assert_eq!(relay.connections(), 0, "no packet");
        return;
    }
    assert_eq!(course.codes(), [Identified, OwnerUser, CredentialAccepted]);
    assert_eq!(course.decision.credential, Some(CredentialRef::Manifest));
    let at = format!("canary%20right%207Qx@127.0.0.1:{}/", relay.port);
    assert!(course.url().contains(&at), "{}", course.url());
}

async fn foreign(adapter: &str, mode: ProvisioningMode) {
    for impostor in Impostor::ALL {
        let cage = Cage::open(impostor).await;
        let course = course(adapter, mode, cage.port, &manifest(right(adapter))).await;
        course.assert(mode, Foreign);
        cage.assert_clean(&right(adapter), "shop");
        if !asks(mode) {
            assert!(cage.seen().is_empty(), "no packet");
        } else if course.decision.provisions() {
            assert_ne!(course.host_port().unwrap().0, cage.port);
        }
    }
    let other = if adapter == "postgres" { "redis" } else { "postgres" };
    let Some((_server, relay)) = real(other).await else { return };
    let course = course(adapter, mode, relay.port, &manifest(right(adapter))).await;
    course.assert(mode, Foreign);
    assert_eq!(relay.sent(b"canary"), 0);
    assert_eq!(relay.connections() > 0, asks(mode));
}

/// A real server with its login on, behind a recorder; `None` after a printed reason.
async fn real(adapter: &str) -> Option<(Server, Relay)> {
    let server = start(adapter, NOBODY, &right(adapter), |_home| {}).await?;
    let relay = Relay::open(server.port).await;
    Some((server, relay))
}

/// Logins that reached the server: by its own log, or by what was sent to it.
fn logins(adapter: &str, server: &Server, relay: &Relay) -> usize {
    match adapter {
        "postgres" => server.log().matches("password authentication failed").count(),
        _redis => relay.sent(b"AUTH"),
    }
}

/// What came of a service.
struct Course {
    service: ValidService,
    port: u16,
    access: Access,
    decision: Decision,
    ports: PortAllocation,
    refused: Vec<String>,
}

/// Runs the stages for a service that looks at one port and wants that port for itself.
async fn course(adapter: &str, mode: ProvisioningMode, port: u16, access: &Access) -> Course {
    let service = service(adapter, mode, port);
    let credential = CredentialFact::Present { keys: vec!["username".to_owned(), "password".to_owned()] };
    let mut facts = Facts { instance: "instance".into(), manifest_credential: credential, ..Facts::default() };
    let question = questions(&service, &facts, catalogue());
    assert_eq!(question.is_some(), asks(mode), "DET-2: who is asked");
    if let Some(question) = question {
        facts.probe = Some(LiveProber::new().probe(&question, access).await);
    }
    let decision = decide(&service, &facts, catalogue());
    avoid_refused(&decision, &mut facts.ports);
    let ports = if decision.provisions() { allocate_ports(&service, &facts.ports).unwrap() } else { PortAllocation::default() };
    let refused = facts.probe.iter().flat_map(|report| &report.candidates).flat_map(|report| report.refused.clone()).collect();
    Course { service, port, access: access.clone(), decision, ports, refused }
}

fn service(adapter: &str, mode: ProvisioningMode, port: u16) -> ValidService {
    let stack: DevStack = serde_saphyr::from_str(&format!(
        "apiVersion: koan.dev/v1alpha1\nkind: DevStack\nmetadata: {{name: shop, namespace: default, uid: u, generation: 1}}\n\
         spec:\n  services:\n  - name: svc\n    adapter: {adapter}\n    detection: {{ports: [{port}]}}\n    \
         credentials: {{secretRef: {{name: mine}}}}\n    \
         provisioning: {{mode: {mode:?}, detectionTimeout: 60s, attemptTimeout: 20s}}\n",
    ))
    .unwrap();
    let valid = validate_stack(&stack, &StackOptions::default(), catalogue()).unwrap();
    let mut object = valid.members().next().unwrap().object.clone();
    object.metadata.uid = Some("svc-uid".to_owned());
    object.metadata.generation = Some(1);
    let mut service = validate_service(&object, catalogue()).unwrap();
    service.ports[0].declared = Some(port);
    service
}

impl Course {
    fn assert(&self, mode: ProvisioningMode, situation: Situation) {
        let found = (self.decision.action, self.decision.reason);
        assert_eq!(found, expected(mode, situation), "{mode:?} {situation:?} {:#?}", self.decision.evidence);
        let exit = if found.1 == Reason::HostServiceRequired { 6 } else { 0 };
        assert_eq!(ExitCode::of(found.1) as u8, exit);
    }

    /// Codes about the port at 127.0.0.1.
    fn codes(&self) -> Vec<EvidenceCode> {
        let place = format!("127.0.0.1:{}", self.port);
        let lines = self.decision.evidence.iter().filter(|line| line.endpoint.as_deref() == Some(&place));
        lines.map(|line| line.code).collect()
    }

    fn host_port(&self) -> Option<(u16, PortSource)> {
        self.ports.ports.first().and_then(|port| port.host)
    }

    /// The URL that a process of the host is given.
    fn url(&self) -> String {
        let recipe = self.service.adapter.as_deref().and_then(|id| catalogue().recipe(id));
        let port = self.host_port().map(|(port, _source)| port);
        let own = port.map(|port| Address::Tcp { host: "127.0.0.1".to_owned(), port });
        let address = self.decision.endpoint.clone().or(own).unwrap();
        let login = self.access.logins.get(&CredentialRef::Manifest);
        let source = OutputSource { address: &address, tls: None, login, ports: BTreeMap::new() };
        outputs(&self.service, recipe, &source)["url"].expose().clone()
    }
}
