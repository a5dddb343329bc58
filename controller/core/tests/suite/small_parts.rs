//! Order, gates, outputs, quantities, candidates, names.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use koan_core::candidate::{self, CandidateError};
use koan_core::facts::GateVerdict;
use koan_core::gates::gate_states;
use koan_core::nearest::nearest;
use koan_core::order::{Edges, cycle, levels, queue, remaining};
use koan_core::outputs::{OutputSource, env_for_service, keyword_value, outputs, safe_endpoint, stack_env, variable};
use koan_core::probe::{Address, Tls, TlsMode, UnknownMode};
use koan_core::quantity::{millis, whole};
use koan_core::recipe::{DefaultLogin, Recipes};
use koan_core::secret::{Login, Secret};
use koan_crds::v1alpha1::{DependencyCondition, ProvisioningMode, ServiceSpec};

use crate::catalogue::Catalogue;
use crate::world::{SHOP, World, member, only, service, stack};

fn edges(list: &[(&str, &[&str])]) -> Edges {
    let waits = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    list.iter().map(|(name, others)| ((*name).to_owned(), waits(others))).collect()
}

/// PERF-84: the longest remaining path starts first, then `startupPriority`, then the name.
#[test]
fn the_longest_remaining_path_starts_first() {
    let edges = edges(&[("api", &["db", "cache"]), ("cache", &[]), ("db", &[]), ("mail", &[])]);
    let boots = BTreeMap::from([("db".to_owned(), Duration::from_secs(9))]);
    assert_eq!(remaining(&edges, &boots)["db"], Duration::from_secs(10));
    let priorities = BTreeMap::from([("mail".to_owned(), 1), ("api".to_owned(), 2)]);
    assert_eq!(queue(&edges, &boots, &priorities), ["db", "cache", "mail", "api"]);
}

#[test]
fn levels_wait_for_earlier_ones_only() {
    let edges = edges(&[("aa", &[]), ("bb", &["aa"]), ("cc", &["aa", "elsewhere"]), ("dd", &["bb", "cc"])]);
    assert_eq!(levels(&edges), [vec!["aa"], vec!["bb", "cc"], vec!["dd"]]);
    assert_eq!(cycle(&edges), None);
}

#[test]
fn a_cycle_is_found_behind_a_diamond() {
    let edges = edges(&[("aa", &["bb", "cc"]), ("bb", &["dd"]), ("cc", &["dd"]), ("dd", &["cc"])]);
    assert_eq!(cycle(&edges).unwrap(), ["dd", "cc", "dd"]);
}

/// A gate as the status of the other service makes it.
fn gate(condition: DependencyCondition, change: impl Fn(&mut World)) -> GateVerdict {
    let stack = stack(SHOP);
    let mut api = service(&member(&stack, "api"));
    api.gates.retain(|gate| gate.object == "shop-db");
    api.gates[0].condition = condition;
    let mut object: ServiceSpec = member(&stack, "db");
    let mut world = World::new(service(&object));
    world.service.mode = koan_crds::v1alpha1::ProvisioningMode::Always;
    world.visit();
    change(&mut world);
    world.visit();
    object.status = Some(world.status);
    gate_states(&api, None, &BTreeMap::from([("shop-db".to_owned(), object)]))[0].state
}

/// S-10: a gate opens on the state that it names, of the other's present generation.
#[test]
fn a_gate_opens_on_the_state_that_it_names() {
    assert_eq!(gate(DependencyCondition::Ready, |_| {}), GateVerdict::Closed);
    assert_eq!(gate(DependencyCondition::Ready, World::probe_passes), GateVerdict::Open);
    assert_eq!(gate(DependencyCondition::Completed, World::probe_passes), GateVerdict::Closed);
    assert_eq!(gate(DependencyCondition::Started, |world| world.facts.publish_start = true), GateVerdict::Open);
    assert_eq!(
        gate(DependencyCondition::Ready, |world| {
            world.probe_passes();
            world.service.generation = 0;
            world.facts.health.generation = 0;
            world.status.observed_generation = Some(0);
        }),
        GateVerdict::Closed
    );
}

/// DET-3: a disabled dependency opens its gate; a missing one is named as such.
#[test]
fn a_disabled_dependency_opens_its_gate() {
    let disable = |world: &mut World| world.service.mode = koan_crds::v1alpha1::ProvisioningMode::Disabled;
    assert_eq!(gate(DependencyCondition::Ready, disable), GateVerdict::Open);
    let api = service(&member(&stack(SHOP), "api"));
    assert!(gate_states(&api, None, &BTreeMap::new()).iter().all(|gate| gate.state == GateVerdict::Absent));
}

/// S-10, PERF-70: gates that were open once in this generation stay open, whatever becomes of the dependency.
#[test]
fn gates_rule_the_first_start_only() {
    let mut api = World::new(only("- name: api\n  container: {image: a}\n  health: {tcp: {port: 80}}"));
    api.visit();
    api.service.gates = service(&member(&stack(SHOP), "api")).gates;
    assert!(gate_states(&api.service, Some(&api.status), &BTreeMap::new()).iter().all(|gate| gate.state == GateVerdict::Open));
}

fn login(user: &str, password: &str) -> Login {
    Login { username: Some(user.to_owned()), password: Some(Secret::new(password.to_owned())), token: None }
}

fn url(host: &str, login: Option<&Login>) -> String {
    let catalogue = Catalogue::new();
    let service = only("- name: db\n  adapter: ledger");
    let address = Address::Tcp { host: host.to_owned(), port: 5432 };
    let found = outputs(
        &service,
        catalogue.recipe("ledger"),
        &OutputSource { address: &address, tls: None, login, ports: BTreeMap::new() },
    );
    found["url"].expose().clone()
}

/// DET-32: user and password are percent-encoded, IPv6 stands in brackets, nothing stands before the host without a login.
#[test]
fn urls_are_built_exactly() {
    assert_eq!(
        url("127.0.0.1", Some(&login("u@x", "p:/?#[]%ü"))),
        "ledger://u%40x:p%3A%2F%3F%23%5B%5D%25%C3%BC@127.0.0.1:5432/shop"
    );
    assert_eq!(url("::1", Some(&login("u", "p"))), "ledger://u:p@[::1]:5432/shop");
    assert_eq!(url("127.0.0.1", None), "ledger://127.0.0.1:5432/shop");
}

/// DET-32 and candidates: what is built can be read back.
#[test]
fn a_built_url_is_read_back() {
    let parsed = candidate::parse(&url("::1", Some(&login("u@x", "p:/%"))), None).unwrap();
    assert_eq!(parsed.login, Some(login("u@x", "p:/%")));
    assert_eq!((parsed.address.to_string().as_str(), parsed.database.as_deref()), ("[::1]:5432", Some("shop")));
}

/// DET-32: values of an ADO.NET connection string are quoted by its own rules, not percent-encoded (DbConnectionStringBuilder).
#[test]
fn values_of_ado_are_quoted_by_its_own_rules() {
    let rows = [
        ("plain-1.x", "plain-1.x"),
        ("p@ss:/%", "p@ss:/%"),
        ("", ""),
        ("a b", "\"a b\""),
        ("a;b=c", "\"a;b=c\""),
        ("it's", "\"it's\""),
        ("say \"hi\"", "'say \"hi\"'"),
        ("\"it's\"", "\"\"\"it's\"\"\""),
        ("tab\there", "\"tab\there\""),
    ];
    for (value, written) in rows {
        assert_eq!(keyword_value(value), written, "{value}");
    }
}

/// B-7: the endpoint that a status shows has no credential in it.
#[test]
fn a_shown_endpoint_has_no_credential() {
    let catalogue = Catalogue::new();
    let service = only("- name: db\n  adapter: ledger\n  endpoint: {pattern: \"x://{user}:{password}@{host}:{port}\"}");
    let address = Address::Tcp { host: "127.0.0.1".to_owned(), port: 1 };
    assert_eq!(safe_endpoint(&service, catalogue.recipe("ledger"), &address, None), "x://:@127.0.0.1:1");
}

/// DET-32: an output that is no URL is written as it is, and one without its value is not there.
#[test]
fn an_output_that_is_no_url_is_written_as_it_is() {
    let catalogue = Catalogue::new();
    let service = only("- name: cache\n  adapter: scratch");
    let address = Address::Tcp { host: "::1".to_owned(), port: 1 };
    let found = |login: &Login| {
        let source = OutputSource { address: &address, tls: None, login: Some(login), ports: BTreeMap::new() };
        let found = outputs(&service, catalogue.recipe("scratch"), &source);
        (found.get("token").map(|text| text.expose().clone()), found["servers"].expose().clone())
    };
    let token = DefaultLogin::Token("a/b+c").login();
    assert_eq!(found(&token), (Some("a/b+c".to_owned()), "[::1]:1".to_owned()));
    assert_eq!(found(&login("u", "p")).0, None);
}

/// DET-22, DET-24: a product that serves without a login is told so, and with the manifest's credential it is told the key.
#[test]
fn a_container_without_a_login_is_told_so() {
    let told = |credentials: &str| {
        let mut service = only(&format!("- name: cache\n  adapter: scratch{credentials}"));
        service.mode = ProvisioningMode::Always;
        let spec = World::new(service).visit().desired.workloads.remove(0);
        spec.env.into_iter().map(|entry| format!("{} {:?}", entry.name, entry.value)).collect::<Vec<_>>()
    };
    assert_eq!(told(""), [r#"SCRATCH_OPEN Text([Plain("true")])"#]);
    let own = told("\n  credentials: {secretRef: {name: login}}");
    assert_eq!(own, [r#"SCRATCH_KEY Text([Value(SecretKey { name: "login", key: "token" })])"#]);
}

/// DET-36: what a container of a product loses at a restart stands in its status; one that keeps its data says nothing.
#[test]
fn what_a_restart_loses_is_said() {
    for (adapter, said) in [("scratch", true), ("ledger", false)] {
        let mut service = only(&format!("- name: cache\n  adapter: {adapter}"));
        service.mode = ProvisioningMode::Always;
        let visit = World::new(service).visit();
        let provisioned = visit.verdict.status.conditions.iter().find(|c| c.type_ == "Provisioned").unwrap();
        assert_eq!(
            provisioned.message.ends_with("; it remembers nothing: a restart empties it"),
            said,
            "{}",
            provisioned.message
        );
    }
}

/// DET-34: the fixed names always; a conventional name only where one service would set it.
#[test]
fn variables_are_named_and_contested_names_left_out() {
    assert_eq!(variable("my-db", "url"), "KOAN_MY_DB_URL");
    let catalogue = Catalogue::new();
    let made = |name: &str, adapter: &str| {
        let service = only(&format!("- name: {name}\n  adapter: {adapter}"));
        let address = Address::Tcp { host: "127.0.0.1".to_owned(), port: 1 };
        let login = login("u", "p");
        let found = outputs(
            &service,
            catalogue.recipe(adapter),
            &OutputSource { address: &address, tls: None, login: Some(&login), ports: BTreeMap::new() },
        );
        (service, catalogue.recipe(adapter), found)
    };
    let (db, cache) = (made("db", "ledger"), made("cache", "scratch"));
    let names: Vec<String> = env_for_service("db", &db.2).into_keys().collect();
    assert_eq!(names, ["KOAN_DB_DATABASE", "KOAN_DB_HOST", "KOAN_DB_PASSWORD", "KOAN_DB_PORT", "KOAN_DB_URL", "KOAN_DB_USER"]);
    let alone = stack_env(&[(&db.0, db.1, db.2.clone())]);
    assert!(alone.variables.contains_key("LEDGER_URL") && alone.contested.is_empty());
    let both = stack_env(&[(&db.0, db.1, db.2), (&cache.0, cache.1, cache.2)]);
    assert!(!both.variables.contains_key("LEDGER_URL"));
    assert_eq!(both.contested["LEDGER_URL"], ["db", "cache"]);
}

/// Api.md `resources`: quantities as Kubernetes reads them; odd text is refused, never a panic (P6).
#[test]
fn p6_quantities_are_read_as_kubernetes_does() {
    let text = |text: &str| IntOrString::String(text.to_owned());
    let cases =
        [("2", 2_000), ("500m", 500), ("0.5", 500), ("1Ki", 1_024_000), ("1.5k", 1_500_000), ("1e3", 1_000_000), ("0", 0)];
    for (written, thousandths) in cases {
        assert_eq!(millis(&text(written)), Some(thousandths), "{written}");
    }
    assert_eq!((millis(&IntOrString::Int(3)), whole(&text("64Mi"))), (Some(3_000), Some(64 << 20)));
    for odd in ["", "m", ".5", "1.", "-1", "1 Gi", "1Qi", "1e", "99999999999999999999", "9E", "1e99", "½"] {
        assert_eq!(whole(&text(odd)), None, "{odd}");
    }
    assert_eq!(millis(&IntOrString::Int(-1)), None);
}

/// DET-9: the accepted forms of a candidate, and what is wrong with the others.
#[test]
fn candidates_are_taken_apart() {
    let parsed = |text: &str| candidate::parse(text, Some(9)).map(|parsed| parsed.address.to_string());
    assert_eq!(parsed("h"), Err(CandidateError::NoPort));
    assert_eq!(parsed("h:1").unwrap(), "h:1");
    assert_eq!(parsed("[::1]:2").unwrap(), "[::1]:2");
    assert_eq!(parsed("ledger://H").unwrap(), "h:9");
    assert_eq!(parsed("unix:///run/a.sock").unwrap(), "unix:///run/a.sock");
    assert_eq!(parsed("unix://run"), Err(CandidateError::Form));
    assert_eq!(parsed("::1:5"), Err(CandidateError::Form));
    assert_eq!(parsed("h:0"), Err(CandidateError::BadPort));
    assert_eq!(parsed("a://u:%zz@h:1"), Err(CandidateError::Encoding));
    assert_eq!(parsed("a://h:1/x?sslmode=always"), Err(CandidateError::Mode(UnknownMode)));
}

/// DET-16, SEC-1: what a URL demands of TLS is read; without authorities of one's own the name counts in every mode.
#[test]
fn sec_1_demanded_tls_is_read() {
    let read = |text: &str| {
        let tls = candidate::parse(text, Some(1)).unwrap().tls;
        tls.map(|tls| (tls.mode, tls.checks_name(), tls.authorities))
    };
    assert_eq!(read("https://h"), Some((TlsMode::VerifyFull, true, None)));
    assert_eq!(read("rediss://h?ssl_ca_certs=%2Fa.pem"), Some((TlsMode::VerifyFull, true, Some("/a.pem".to_owned()))));
    assert_eq!(read("ledger://h/db?sslmode=require&x=1"), Some((TlsMode::Require, true, None)));
    let own = "ledger://h/db?sslmode=verify-ca&sslrootcert=/own.pem";
    assert_eq!(read(own), Some((TlsMode::VerifyCa, false, Some("/own.pem".to_owned()))));
    assert_eq!(read("ledger://h/db?sslmode=verify-full&sslrootcert=system"), Some((TlsMode::VerifyFull, true, None)));
    for none in ["ledger://h/db?sslmode=prefer", "ledger://h/db?sslrootcert=/a", "ledger://h/db", "h:1"] {
        assert_eq!(read(none), None, "{none}");
    }
}

/// DET-26, DET-30: an endpoint that demands TLS says so to its readers, and the demand is read back from the status, whatever
/// pattern the manifest wants for others.
#[test]
fn demanded_tls_stands_in_the_endpoint() {
    let catalogue = Catalogue::new();
    let service = only("- name: db\n  adapter: ledger\n  endpoint: {pattern: \"x://{host}\"}");
    let address = Address::Tcp { host: "db.test".to_owned(), port: 1 };
    let tls = Tls { mode: TlsMode::VerifyCa, authorities: Some("/own ca.pem".to_owned()) };
    let shown = safe_endpoint(&service, catalogue.recipe("ledger"), &address, Some(&tls));
    assert_eq!(shown, "ledger://db.test:1/shop?sslmode=verify-ca&sslrootcert=%2Fown%20ca.pem");
    assert_eq!(candidate::parse(&shown, None).unwrap().tls, Some(tls));
}

#[test]
fn the_nearest_names_come_first() {
    assert_eq!(nearest("cahce", ["db", "cache", "catch", "api"]), ["cache", "catch", "api"]);
}
