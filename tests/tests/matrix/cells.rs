//! The cells: what a situation is made of, and what must hold in it.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};

use koan_adapters::catalogue;
use koan_adapters::zoo::{Cage, Impostor};
use koan_core::outputs::percent_encode;
use koan_core::recipe::Recipe;
use koan_core::secret::{Login, Secret};
use koan_core::text::ValueRef;
use koan_crds::v1alpha1::{Action, DecisionStatus, DevStack, EvidenceCode, PortSource, ProvisioningMode, ServiceSpec};
use koan_crds::vocabulary::ExitCode;
use koan_engines::sim::Answer;
use kube::discovery::ApiResource;
use serde_json::{Value, json};

use crate::counterpart::Recorder;
use crate::house::House;
use crate::room::open_home;
use crate::servers::{Server, keys};

/// Refused logins per endpoint and generation (SEC-2).
const REFUSED_LIMIT: usize = 3;
/// What no impostor may see, in any form; characters that each encoding changes.
const CANARY_USER: &str = "koan-c4nary";
const CANARY: &str = "c4nary+Pass/w0rd";
/// Numbers of the canaries of this process.
static CANARIES: AtomicUsize = AtomicUsize::new(0);
/// Impostors of a cell: with the server of another product as many as a service may have candidates.
const CAGED: [Impostor; 7] = [
    Impostor::Silent,
    Impostor::Echo,
    Impostor::HttpOk,
    Impostor::HttpUnauthorised,
    Impostor::AcceptThenClose,
    Impostor::Trickle,
    Impostor::Endless,
];

/// What stands on the candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Situation {
    /// Nothing.
    Absent,
    /// The real server, which does not take the login.
    Wrong,
    /// The real server, which takes it.
    Good,
    /// Something else.
    Impostor,
    /// The real server on the product's usual port, which does not take the login.
    Busy,
}

impl Situation {
    pub(crate) const ALL: [Self; 5] = [Self::Absent, Self::Wrong, Self::Good, Self::Impostor, Self::Busy];

    /// The real server takes part.
    pub(crate) fn needs_server(self) -> bool {
        match self {
            Self::Wrong | Self::Good | Self::Busy => true,
            Self::Absent | Self::Impostor => false,
        }
    }

    /// The product's usual port takes part.
    pub(crate) fn needs_usual_port(self) -> bool {
        match self {
            Self::Absent | Self::Busy => true,
            Self::Wrong | Self::Good | Self::Impostor => false,
        }
    }

    /// Its word in a cell's name.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Wrong => "wrong",
            Self::Good => "good",
            Self::Impostor => "impostor",
            Self::Busy => "busy",
        }
    }
}

/// One cell.
pub(crate) struct Cell {
    pub(crate) recipe: &'static Recipe,
    pub(crate) mode: ProvisioningMode,
    pub(crate) situation: Situation,
}

impl Cell {
    /// Makes the situation and looks at what becomes of it.
    pub(crate) async fn run(&self) {
        match self.situation {
            Situation::Absent => self.absent().await,
            Situation::Wrong => self.wrong(0).await,
            Situation::Good => self.good().await,
            Situation::Impostor => self.impostor().await,
            Situation::Busy => self.wrong(self.usual_port()).await,
        }
    }

    async fn absent(&self) {
        let (house, service) = self.judge(&json!({}), &canary(self.recipe)).await;
        if self.asks() {
            self.assert_codes(&service, &[EvidenceCode::Refused]);
        }
        if self.provisions() {
            assert_eq!(self.port(&house, &service).await, self.usual_port(), "its own port is free");
        }
    }

    /// `port` 0 is any.
    async fn wrong(&self, port: u16) {
        let server = Server::of(self.recipe).expect("a server: hack/test-servers up");
        for defaults in [true, false] {
            let recorder = Recorder::before(server.address, port).await;
            let ports = if port == 0 { json!([recorder.port]) } else { json!([]) };
            let mut fields = json!({"detection": {"ports": ports}, "credentials": {"defaults": defaults}});
            // Without any login a capability is what is missing.
            let open = server.login == Login::default();
            if open {
                fields["database"] = json!(CANARY_USER);
            }
            let mut login = if open { Login::default() } else { canary(self.recipe) };
            // A name of this cell alone, which the server's own log tells from others'.
            let number = CANARIES.fetch_add(1, Ordering::SeqCst);
            login.username = login.username.map(|user| format!("{user}-{}-{number}", std::process::id()));
            let (mut house, service) = self.judge(&fields, &login).await;
            if !self.asks() {
                assert_eq!(recorder.connections(), 0, "nobody is asked");
            } else if open {
                self.assert_codes(&service, &[EvidenceCode::Identified, EvidenceCode::CapabilityMissing]);
            } else {
                self.assert_codes(&service, &[EvidenceCode::Identified, EvidenceCode::CredentialRejected]);
                let refused = codes(&service).iter().filter(|code| **code == EvidenceCode::CredentialRejected).count();
                // Encrypted, a login is seen by the server alone.
                let sent = || match recorder.logins(&login) {
                    0 => server.logged(&login),
                    plain => plain,
                };
                let first = sent();
                assert!((1..=REFUSED_LIMIT).contains(&refused) && (1..=REFUSED_LIMIT).contains(&first), "{refused} {first}");
                house.restart().await;
                assert_eq!(sent(), first, "a second look sends no login again (DET-20)");
            }
            if self.provisions() {
                let own = self.port(&house, &service).await;
                assert_ne!(own, recorder.port, "the port is busy (DET-25)");
                if port != 0 {
                    let source = service.status.as_ref().and_then(|status| status.ports.first()).map(|port| port.source);
                    assert_eq!(source, Some(PortSource::Repicked));
                }
            }
            recorder.close().await;
        }
    }

    async fn good(&self) {
        let server = Server::of(self.recipe).expect("a server: hack/test-servers up");
        open_home(server.address);
        let ways = [false, true].into_iter().filter(|in_url| !in_url || login_in_url(&server.login).is_some());
        for in_url in ways {
            let recorder = Recorder::before(server.address, 0).await;
            let own = login_in_url(&server.login).filter(|_| in_url);
            let mut fields = match own {
                Some(own) => {
                    let scheme = self.recipe.schemes[0];
                    let url = format!("{scheme}://{own}127.0.0.1:{}", recorder.port);
                    json!({"detection": {"candidates": [url], "ports": [recorder.port]}})
                }
                None => json!({"detection": {"ports": [recorder.port]}}),
            };
            if let Some(database) = &server.database {
                fields["database"] = json!(database);
            }
            let login = if in_url { Login::default() } else { server.login.clone() };
            let (house, service) = self.judge(&fields, &login).await;
            if !self.asks() {
                assert_eq!(recorder.connections(), 0, "nobody is asked");
                recorder.close().await;
                continue;
            }
            let anonymous = server.login == Login::default();
            self.assert_codes(&service, &[EvidenceCode::Identified]);
            let credential = decision(&service).credential.as_ref().map(|name| format!("{name:?}").to_lowercase());
            let expected = if anonymous { "anonymous" } else { "manifest" };
            assert!(credential.as_ref().is_some_and(|name| name.contains(expected)), "{credential:?}");
            let env = house.env().await;
            assert_eq!((env["KOAN_DB_HOST"].as_str(), env["KOAN_DB_PORT"].clone()), ("127.0.0.1", recorder.port.to_string()));
            let password = server.login.password.as_ref().map(|text| text.expose().as_str());
            assert_eq!(env.get("KOAN_DB_PASSWORD").map(String::as_str), password);
            recorder.close().await;
        }
    }

    async fn impostor(&self) {
        let mut cages = Vec::new();
        for impostor in CAGED {
            cages.push(Cage::open(impostor).await);
        }
        let other = catalogue().recipes().iter().filter(|other| other.schemes[0] != self.recipe.schemes[0]).find_map(Server::of);
        let recorder = match &other {
            Some(server) => Some(Recorder::before(server.address, 0).await),
            None => None,
        };
        let ports = cages.iter().map(|cage| cage.port).chain(recorder.as_ref().map(|recorder| recorder.port));
        let candidates: Vec<String> = ports.map(|port| format!("127.0.0.1:{port}")).collect();
        let login = canary(self.recipe);
        let (house, service) = self.judge(&json!({"detection": {"candidates": candidates}}), &login).await;
        for cage in &cages {
            cage.assert_clean(&login, "c4nary_database");
            assert!(self.asks() || cage.seen().is_empty(), "nobody is asked");
        }
        assert!(recorder.iter().all(|recorder| recorder.logins(&login) == 0), "another product's server got a login");
        if self.asks() {
            let proven = [EvidenceCode::Identified, EvidenceCode::CredentialAccepted, EvidenceCode::CredentialRejected];
            assert!(codes(&service).iter().all(|code| !proven.contains(code)), "{:?}", decision(&service).evidence);
        }
        if self.provisions() {
            self.port(&house, &service).await;
        }
    }

    /// Applies the stack and holds its outcome against the table of DET-2.
    async fn judge(&self, fields: &Value, login: &Login) -> (House, ServiceSpec) {
        let house = House::open().await;
        let mut service = json!({
            "name": "db", "adapter": self.recipe.id, "provisioning": {"mode": self.mode},
        });
        for (name, value) in fields.as_object().into_iter().flatten() {
            service[name] = value.clone();
        }
        if *login != Login::default() {
            let secret = json!({
                "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login", "namespace": "default"},
                "stringData": keys(login),
            });
            house.apply(&ApiResource::erase::<k8s_openapi::api::core::v1::Secret>(&()), &secret).await;
            service["credentials"]["secretRef"] = json!({"name": "login"});
        }
        let stack = json!({
            "apiVersion": "koan.dev/v1alpha1", "kind": "DevStack", "metadata": {"name": "shop", "namespace": "default"},
            "spec": {"provisioning": {"detectionTimeout": "30s", "attemptTimeout": "10s"}, "services": [service]},
        });
        house.apply(&ApiResource::erase::<DevStack>(&()), &stack).await;
        let (found, exit) = house.outcome().await;
        if self.mode == ProvisioningMode::Disabled {
            assert_eq!(exit, ExitCode::Ok);
            assert!(!house.env().await.contains_key("KOAN_DB_URL"));
            return (house, found);
        }
        let decision = decision(&found);
        let (action, reason, code) = self.expected();
        assert_eq!((decision.action, decision.reason.as_str(), exit), (action, reason, code), "{:#?}", decision.evidence);
        (house, found)
    }

    /// The table of DET-2.
    fn expected(&self) -> (Action, &'static str, ExitCode) {
        use ProvisioningMode as M;
        use Situation as S;
        match (self.mode, self.situation) {
            (M::Always, _) => (Action::ProvisionContainer, "AlwaysMode", ExitCode::Ok),
            (M::Disabled, _) => (Action::NoAction, "Disabled", ExitCode::Ok),
            (M::Auto | M::Never, S::Good) => (Action::UseHostService, "HostValidated", ExitCode::Ok),
            (M::Auto, S::Absent) => (Action::ProvisionContainer, "NoHostService", ExitCode::Ok),
            (M::Auto, S::Wrong | S::Busy) => (Action::ProvisionContainer, "HostRejected", ExitCode::Ok),
            (M::Auto, S::Impostor) => (Action::ProvisionContainer, "HostImpostor", ExitCode::Ok),
            (M::Never, S::Absent | S::Wrong | S::Busy | S::Impostor) => {
                (Action::NoAction, "HostServiceRequired", ExitCode::HostService)
            }
        }
    }

    /// Probes are sent at all.
    fn asks(&self) -> bool {
        matches!(self.mode, ProvisioningMode::Auto | ProvisioningMode::Never)
    }

    fn provisions(&self) -> bool {
        self.expected().0 == Action::ProvisionContainer
    }

    fn usual_port(&self) -> u16 {
        self.recipe.ports[0].port
    }

    fn assert_codes(&self, service: &ServiceSpec, wanted: &[EvidenceCode]) {
        let found = codes(service);
        assert!(wanted.iter().all(|code| found.contains(code)), "{wanted:?} are not all in {:#?}", decision(service).evidence);
    }

    /// Port of the container, which answers there and is what is injected.
    async fn port(&self, house: &House, service: &ServiceSpec) -> u16 {
        let status = service.status.as_ref().expect("a status");
        let port = status.ports.first().expect("a port").host;
        let env = house.env().await;
        assert_eq!(env["KOAN_DB_PORT"], port.to_string());
        assert!(env["KOAN_DB_URL"].contains(&format!(":{port}")), "{}", env["KOAN_DB_URL"]);
        let address = koan_core::probe::Address::Tcp { host: Ipv4Addr::LOCALHOST.to_string(), port };
        assert_eq!(house.world.answer(&address), Answer::Ready, "the container answers where it is said to be");
        port
    }
}

/// A login that no server takes, of the kind that the product has.
fn canary(recipe: &Recipe) -> Login {
    let secret = || Some(Secret::new(CANARY.to_owned()));
    let told = recipe.env.iter().chain(&recipe.env_with_login).flat_map(|(_name, text)| text.references());
    let is_token = |value: &ValueRef| matches!(value, ValueRef::SecretKey { key, .. } if key == "token");
    if told.into_iter().any(is_token) {
        return Login { username: None, password: None, token: secret() };
    }
    Login { username: Some(CANARY_USER.to_owned()), password: secret(), token: None }
}

/// `user:password@`; `None` where the login has no place in a URL.
fn login_in_url(login: &Login) -> Option<String> {
    let password = login.password.as_ref()?;
    let user = login.username.as_deref().unwrap_or_default();
    Some(format!("{}:{}@", percent_encode(user), percent_encode(password.expose())))
}

fn decision(service: &ServiceSpec) -> &DecisionStatus {
    service.status.as_ref().and_then(|status| status.decision.as_ref()).expect("a decision")
}

fn codes(service: &ServiceSpec) -> Vec<EvidenceCode> {
    decision(service).evidence.iter().map(|line| line.code).collect()
}
