//! `validate`: bad manifests and what the user gets.

use koan_core::validate::{HealthForm, ProfileSource, StackOptions, Workload, shared_names, validate_stack};
use koan_crds::v1alpha1::{EngineName, OnLoss, PersistenceMode, Profile, ProvisioningMode, VolumeReclaim};
use koan_crds::vocabulary::Reason;
use std::time::Duration;

use crate::catalogue::Catalogue;
use crate::world::{SHOP, only, spelled, stack, stack_of, valid_stack, violations};

/// The first violation's path, reason and hint.
fn first(services: &str) -> (String, Reason, String) {
    let found = violations(&stack_of(services));
    let first = found.iter().next().expect("a violation");
    (first.path.clone(), first.reason, first.hint.clone().unwrap_or_default())
}

#[test]
fn the_example_is_valid_and_says_nothing_odd() {
    let valid = valid_stack(&stack(SHOP));
    assert_eq!(valid.entries.len(), 6);
    assert_eq!(valid.members().count(), 5);
    assert_eq!(valid.warnings, []);
}

/// B-10, CLI-20: every violation comes in one pass, each with its field path.
#[test]
fn every_violation_is_found_in_one_pass() {
    let found = spelled(&stack_of(
        "- name: db\n  adapter: ledgr\n\
         - name: api\n  container: {image: a}\n  dependsOn: [{name: cahce}]\n  env: [{name: URL, valueFrom: {serviceRef: {name: db, output: hst}}}]\n\
         - name: B-\n  adapter: scratch\n  detection: {candidates: [\"db\"]}\n\
         - name: bad\n  process: {command: [run], workingDir: ../..}\n  restart: Never\n  env: [{name: LD_PRELOAD, value: x}, {name: A, value: a}, {name: A, value: b}]",
    ));
    let paths: Vec<&str> = found.iter().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(
        paths,
        [
            "spec.services[0].adapter",
            "spec.services[1].dependsOn[0].name",
            "spec.services[1].env[0].valueFrom.serviceRef.output",
            "spec.services[1].health",
            "spec.services[2].detection.candidates[0]",
            "spec.services[2].name",
            "spec.services[3].env[0].name",
            "spec.services[3].env[2].name",
            "spec.services[3].process.workingDir",
        ]
    );
}

/// Detection.md section 10: an unknown adapter is refused with the nearest names.
#[test]
fn an_unknown_adapter_is_refused_with_the_nearest_names() {
    let (path, reason, hint) = first("- name: db\n  adapter: ledgr");
    assert_eq!((path.as_str(), reason), ("spec.services[0].adapter", Reason::UnknownAdapter));
    assert!(hint.contains("ledger") && hint.contains("koan catalog list"), "{hint}");
}

#[test]
fn an_alias_becomes_the_canonical_id() {
    assert_eq!(only("- name: db\n  adapter: led").adapter.as_deref(), Some("ledger"));
}

/// K-7: a workload that stays and has neither adapter nor health is refused; the forms are named; one that ends needs none.
#[test]
fn a_service_that_stays_needs_a_check() {
    let (path, _, hint) = first("- name: api\n  container: {image: a}");
    assert_eq!(path, "spec.services[0].health");
    assert!(["http", "tcp", "exec", "log"].iter().all(|form| hint.contains(form)), "{hint}");
    assert_eq!(only("- name: job\n  container: {image: a}\n  restart: Never").health, None);
}

/// K-7, K-8, DET-12, DET-47: unset values get the documented defaults.
#[test]
fn unset_values_get_their_defaults() {
    let api = only("- name: api\n  container: {image: a}\n  health: {tcp: {port: 80}}");
    let health = api.health.unwrap();
    assert_eq!(health.check, HealthForm::Tcp { port: 80 });
    assert_eq!((health.interval, health.timeout), (Duration::from_secs(5), Duration::from_secs(2)));
    assert_eq!((health.retries, health.start_period), (2, Duration::ZERO));
    assert_eq!(api.readiness, Duration::from_secs(60));
    assert_eq!((api.detection.total, api.detection.attempt), (Duration::from_secs(5), Duration::from_secs(1)));
    let db = only("- name: db\n  adapter: ledger");
    assert_eq!((db.database.as_str(), db.readiness), ("shop", Duration::from_secs(30)));
    assert_eq!((db.mode, db.detection.on_loss), (ProvisioningMode::Auto, OnLoss::Hold));
    assert_eq!(db.persistence.mode, PersistenceMode::Named);
}

/// DET-12, K-8, cli.md section 4: `ci` looks for 2 s, keeps no data, and lives 2 h.
#[test]
fn ci_has_its_own_defaults() {
    let mut stack = stack_of("- name: db\n  adapter: ledger");
    stack.spec.profile = Some(Profile::Ci);
    let valid = valid_stack(&stack);
    let db = &valid.members().next().unwrap().service;
    assert_eq!((db.detection.total, db.detection.on_loss), (Duration::from_secs(2), OnLoss::Reprovision));
    assert_eq!((db.persistence.mode, db.reclaim), (PersistenceMode::Ephemeral, VolumeReclaim::Delete));
    assert_eq!(valid.ttl, Some(Duration::from_secs(7200)));
}

/// K-2: both forms of a duration are read; a range that is left is named.
#[test]
fn durations_are_read_and_bounded() {
    let service = only("- name: db\n  adapter: ledger\n  readinessTimeout: \"00:01:30\"");
    assert_eq!(service.readiness, Duration::from_secs(90));
    for (bad, path) in [
        ("provisioning: {detectionTimeout: 500ms, attemptTimeout: 1s}", "detectionTimeout"),
        ("provisioning: {detectionTimeout: 61s}", "detectionTimeout"),
        ("provisioning: {detectionTimeout: 0s}", "detectionTimeout"),
        ("readinessTimeout: soon", "readinessTimeout"),
    ] {
        let (found, _, hint) = first(&format!("- name: db\n  adapter: ledger\n  {bad}"));
        assert!(found.ends_with(path), "{bad}: {found}");
        assert!(!hint.is_empty(), "{bad}");
    }
}

/// Detection.md section 10: candidates of no form, without port, or of another product are refused with the accepted forms.
#[test]
fn candidates_are_checked() {
    for bad in ["db", "127.0.0.1:0", "scratch://127.0.0.1:5432", "ledger://h:70000", "http://[::1"] {
        let (path, reason, hint) = first(&format!("- name: db\n  adapter: ledger\n  detection: {{candidates: [\"{bad}\"]}}"));
        assert_eq!((path.as_str(), reason), ("spec.services[0].detection.candidates[0]", Reason::Invalid), "{bad}");
        assert!(hint.contains("://"), "{hint}");
    }
    let text = first("- name: db\n  adapter: ledger\n  detection: {candidates: [\"other://u:hunter2@h:1\"]}");
    assert!(!format!("{text:?}").contains("hunter2"), "B-7: a password is never repeated");
}

/// K-4, ENG-10: limits that a program of the host would not have are told, and those of a container are not.
#[test]
fn limits_of_a_program_are_told_to_bound_nothing() {
    let limited =
        |form: &str| stack_of(&format!("- name: api\n  {form}\n  health: {{tcp: {{port: 80}}}}\n  resources: {{memory: 512Mi}}"));
    let warned = valid_stack(&limited("process: {command: [run]}")).warnings;
    assert_eq!(warned.len(), 1);
    assert_eq!(warned[0].path, "spec.services[0].resources");
    assert_eq!(valid_stack(&limited("container: {image: \"a:1\"}")).warnings, []);
    let mut forced = limited("adapter: ledger");
    assert_eq!(valid_stack(&forced).warnings, []);
    forced.spec.engine.name = EngineName::Process;
    let warned = valid_stack(&forced).warnings;
    assert!(warned.iter().any(|warning| warning.path == "spec.services[0].resources"), "{warned:?}");
    let chosen_by_order = valid_stack(&limited("adapter: ledger"));
    assert_eq!(chosen_by_order.warnings_on(|_member| Some(EngineName::Docker)), []);
    assert_eq!(chosen_by_order.warnings_on(|_member| Some(EngineName::Process)), warned, "the same as where it was asked for");
    assert_eq!(valid_stack(&forced).warnings_on(|_member| Some(EngineName::Process)), warned, "told once");
}

/// K-4: a secret-like literal is warned of in `local`, refused in `staging`.
#[test]
fn secrets_in_clear_text_are_named() {
    let mut stack =
        stack_of("- name: api\n  container: {image: a}\n  health: {tcp: {port: 80}}\n  env: [{name: DB_PASSWORD, value: x}]");
    let warnings = valid_stack(&stack).warnings;
    assert_eq!(warnings.len(), 1);
    assert_eq!(warnings[0].path, "spec.services[0].env[0].value");
    stack.spec.profile = Some(Profile::Staging);
    let options = StackOptions { export: true, ..StackOptions::default() };
    let refused = validate_stack(&stack, &options, &Catalogue::new()).expect_err("refused");
    assert_eq!(refused.iter().next().unwrap().path, "spec.services[0].env[0].value");
}

/// SEC-20: loader variables are refused for programs of the host, allowed in containers.
#[test]
fn sec_20_loader_variables_are_refused_for_processes() {
    let env = "env: [{name: LD_PRELOAD, value: /x.so}]\n  health: {tcp: {port: 80}}";
    assert_eq!(first(&format!("- name: web\n  process: {{command: [run]}}\n  {env}")).0, "spec.services[0].env[0].name");
    assert_eq!(only(&format!("- name: web\n  container: {{image: a}}\n  {env}")).env.len(), 1);
}

/// SEC-6: text that leads out of the project is refused before anything is mounted or built.
#[test]
fn sec_6_paths_do_not_lead_out_of_the_project() {
    for bad in [
        "container: {build: {context: ../other}}",
        "container: {image: a, build: {context: ., dockerfile: ../../Dockerfile}}",
        "container: {image: a}\n  volumes: [{target: /data, hostPath: ../../etc}]",
        "container: {image: a}\n  volumes: [{target: /data/../etc}]",
        "container: {image: a}\n  files: [{path: /a/../../b, content: x}]",
    ] {
        let (path, _, _) = first(&format!("- name: api\n  restart: Never\n  {bad}"));
        assert!(path.starts_with("spec.services[0]."), "{bad}: {path}");
    }
}

/// API.md "Conditions": a cycle is named in full.
#[test]
fn a_cycle_is_named_in_full() {
    let job = |name: &str, on: &str| {
        format!("- name: {name}\n  container: {{image: a}}\n  restart: Never\n  dependsOn: [{{name: {on}}}]\n")
    };
    let found = violations(&stack_of(&(job("aa", "bb") + &job("bb", "cc") + job("cc", "aa").trim_end())));
    let cycle = found.iter().next().unwrap();
    assert_eq!(found.reason(), Reason::DependencyCycle);
    assert!(cycle.message.contains("aa → bb → cc → aa"), "{}", cycle.message);
}

/// DET-3: an output of a disabled service is refused; a gate on it is not.
#[test]
fn outputs_of_a_disabled_service_are_refused() {
    let services = |extra: &str| {
        format!(
            "- name: db\n  adapter: ledger\n  provisioning: {{mode: Disabled}}\n- name: api\n  container: {{image: a}}\n  restart: Never\n  {extra}"
        )
    };
    let (path, _, _) = first(&services("env: [{name: U, valueFrom: {serviceRef: {name: db, output: url}}}]"));
    assert_eq!(path, "spec.services[1].env[0].valueFrom.serviceRef.name");
    valid_stack(&stack_of(&services("dependsOn: [{name: db}]")));
}

/// ENG-2, B-9: what this version or the forced engine cannot run is refused before any effect.
#[test]
fn what_cannot_run_is_refused() {
    let mut forced = stack_of("- name: api\n  container: {image: a}\n  restart: Never");
    forced.spec.engine.name = koan_crds::v1alpha1::EngineName::Process;
    assert_eq!(violations(&forced).reason(), Reason::ModeUnsupported);
    forced.spec.engine.name = koan_crds::v1alpha1::EngineName::Kubernetes;
    assert_eq!(violations(&forced).iter().next().unwrap().path, "spec.engine.name");
    let model = "- name: llm\n  inference: {model: {ref: tiny}}";
    let (path, reason, _) = first(model);
    assert_eq!((path.as_str(), reason), ("spec.services[0].inference", Reason::ModeUnsupported));
}

/// CLI-23: staging and prod are exported only; the flag wins over the file and its source is kept.
#[test]
fn profiles_that_can_only_be_exported_are_refused_here() {
    let stack = stack_of("- name: db\n  adapter: ledger");
    let options = |export| StackOptions { profile: Some((Profile::Prod, ProfileSource::Flag)), export };
    let refused = validate_stack(&stack, &options(false), &Catalogue::new()).expect_err("refused");
    assert_eq!(refused.reason(), Reason::ProfileExportOnly);
    let valid = validate_stack(&stack, &options(true), &Catalogue::new()).expect("accepted");
    assert_eq!((valid.profile, valid.profile_source), (Profile::Prod, ProfileSource::Flag));
}

/// DET-45: `Never` on a form that is never looked for is a violation; the stack's mode does not concern it.
#[test]
fn never_concerns_only_what_is_looked_for() {
    let job = "- name: api\n  container: {image: a}\n  restart: Never";
    assert_eq!(first(&format!("{job}\n  provisioning: {{mode: Never}}")).0, "spec.services[0].provisioning.mode");
    let mut stack = stack_of(job);
    stack.spec.provisioning =
        Some(koan_crds::v1alpha1::Provisioning { mode: Some(ProvisioningMode::Never), ..Default::default() });
    assert_eq!(valid_stack(&stack).members().next().unwrap().service.mode, ProvisioningMode::Auto);
}

/// DET-1: the service's mode wins over the stack's.
#[test]
fn the_mode_comes_from_the_service_then_the_stack() {
    let mut stack = stack_of("- name: db\n  adapter: ledger\n  provisioning: {mode: Always}\n- name: cache\n  adapter: scratch");
    stack.spec.provisioning =
        Some(koan_crds::v1alpha1::Provisioning { mode: Some(ProvisioningMode::Never), ..Default::default() });
    let modes: Vec<ProvisioningMode> = valid_stack(&stack).members().map(|member| member.service.mode).collect();
    assert_eq!(modes, [ProvisioningMode::Always, ProvisioningMode::Never]);
}

/// CLI-24, K-1: a name that is used twice is refused, both places named.
#[test]
fn a_duplicate_name_names_both_places() {
    let found = violations(&stack_of("- name: db\n  adapter: ledger\n- name: db\n  adapter: scratch"));
    assert_eq!(found.reason(), Reason::DuplicateName);
    let line = found.iter().next().unwrap();
    assert!(line.path == "spec.services[1].name" && line.message.contains("spec.services[0]"), "{line}");
}

/// SEC-21: two stacks whose objects would share a name: the younger is refused and names the older.
#[test]
fn sec_21_shared_names_are_refused() {
    let named = |name: &str, service: &str, uid: &str| {
        let mut stack = stack_of(&format!("- name: {service}\n  adapter: ledger"));
        stack.metadata.name = Some(name.to_owned());
        stack.metadata.uid = Some(uid.to_owned());
        stack
    };
    let (older, younger) = (named("a-b", "cc", "1"), named("a", "b-cc", "2"));
    let found = shared_names(&younger, std::slice::from_ref(&older)).expect("refused");
    assert_eq!(found.reason(), Reason::DuplicateName);
    assert!(found.sentence().contains("`a-b`"), "{found}");
    assert_eq!(shared_names(&older, &[younger]), None);
}

/// K-1: exactly one workload.
#[test]
fn exactly_one_workload_is_demanded() {
    assert_eq!(first("- name: api\n  restart: Never").0, "spec.services[0]");
    let (path, _, _) = first("- name: api\n  restart: Never\n  container: {image: a}\n  process: {command: [b]}");
    assert_eq!(path, "spec.services[0]");
}

/// DET-3: an external service is parsed once; a scheme that nothing checks is refused.
#[test]
fn an_external_service_needs_a_check_for_its_scheme() {
    let (path, reason, _) = first("- name: mail\n  external: {url: \"smtp://mail.example:25\"}");
    assert_eq!((path.as_str(), reason), ("spec.services[0].external.url", Reason::UnsupportedScheme));
    let service = only("- name: db\n  adapter: ledger\n  external: {url: \"ledger://u:p%40@db.example/x\"}");
    let Workload::External(external) = &service.workload else { panic!("it is external") };
    assert_eq!((external.address.to_string().as_str(), external.database.as_deref()), ("db.example:5432", Some("x")));
    let login = external.login.as_ref().unwrap();
    assert_eq!(login.password.as_ref().unwrap().expose(), "p@");
}

/// CLI-30: an offset that leads above 65535 is refused.
#[test]
fn an_offset_above_the_last_port_is_refused() {
    let mut stack = stack_of("- name: db\n  adapter: ledger");
    stack.spec.ports = Some(koan_crds::v1alpha1::PortPolicy { offset: Some(65_000), ..Default::default() });
    assert_eq!(violations(&stack).iter().next().unwrap().path, "spec.services[0].ports[0]");
}
