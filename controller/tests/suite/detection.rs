//! What is remembered of host services that were refused: their logins, their ports, and how often they are asked.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use koan_core::probe::{Address, CandidateReport, CandidateVerdict, CredentialRef, Probe, ProbeReport, Tls, TlsMode, Usable};
use koan_core::validate::StackOptions;
use koan_crds::v1alpha1::{DevStack, Evidence, EvidenceCode, EvidenceStep, PortSource, ServiceSpec};
use kube::api::PostParams;
use serde_json::{Value, json};

use crate::harness::{Instance, condition};
use crate::lifecycle::{image_of, scripted};
use crate::record::Record;

/// What a prober says of an attempt that was refused.
const PRINT: &str = "127.0.0.1:5432#1:0badcafe";

/// A stack of one database that is looked for in this mode.
fn stack(mode: &str) -> Value {
    json!({
        "apiVersion": "koan.dev/v1alpha1", "kind": "DevStack",
        "metadata": {"name": "shop", "namespace": "default"},
        "spec": {"services": [{"name": "db", "adapter": "postgres", "provisioning": {"mode": mode}}]},
    })
}

/// The right product, which refused every login.
fn refused(question: &Probe) -> ProbeReport {
    let candidate = question.candidates[0].clone();
    let evidence = Evidence {
        step: EvidenceStep::Authenticate,
        code: EvidenceCode::CredentialRejected,
        endpoint: Some(candidate.address.to_string()),
        detail: None,
    };
    let report = CandidateReport {
        candidate,
        verdict: CandidateVerdict::Rejected,
        evidence: vec![evidence],
        refused: vec![PRINT.to_owned()],
    };
    ProbeReport { candidates: vec![report], fault: None }
}

async fn required(instance: &Instance) {
    let met = |found: Option<&ServiceSpec>| {
        let status = found.and_then(|service| service.status.as_ref());
        status.is_some_and(|status| condition(&status.conditions, "Provisioned").1 == "HostServiceRequired")
    };
    instance.wait::<ServiceSpec>("shop-db", met).await;
}

/// Ten databases that have to be the host's.
fn ten() -> Value {
    let mut stack = stack("Never");
    let names =
        (0..10).map(|number| json!({"name": format!("db-{number}"), "adapter": "postgres", "provisioning": {"mode": "Never"}}));
    stack["spec"]["services"] = names.collect();
    stack
}

/// Codes of a decision's proof; a question that did not end within its budget leaves none.
fn codes(evidence: &[Evidence]) -> Vec<EvidenceCode> {
    evidence.iter().map(|line| line.code).collect()
}

/// DET-12, DET-13: the services of a plan are asked for at once and not in turn: each of ten gets its answer although none is given
/// before all ten were asked, and no budget is used up.
#[tokio::test(start_paused = true)]
async fn the_services_of_a_plan_are_asked_for_at_once() {
    let instance = scripted().await;
    instance.script.reply("postgres", refused);
    instance.script.answer_together(10);
    let stack: DevStack = serde_json::from_value(ten()).unwrap();
    let report = instance.plan(&stack, &StackOptions::default()).await;
    let names: Vec<&str> = report.services.iter().map(|planned| planned.service.as_str()).collect();
    assert_eq!(names, (0..10).map(|number| format!("db-{number}")).collect::<Vec<_>>(), "in the manifest's order");
    for planned in &report.services {
        assert_eq!(codes(&planned.decision.evidence), [EvidenceCode::CredentialRejected], "{}", planned.service);
    }
}

/// DET-13, REL-6: the controllers ask for the services of a stack side by side, as many as are reconciled at a time.
#[tokio::test(start_paused = true)]
async fn the_services_of_a_stack_are_asked_for_side_by_side() {
    let instance = scripted().await;
    instance.script.reply("postgres", refused);
    // Of ten, eight are reconciled at a time: five go on, and the other three with the last two.
    instance.script.answer_together(5);
    instance.apply::<DevStack>(&ten()).await;
    for number in 0..10 {
        let decided = |found: Option<&ServiceSpec>| {
            found.and_then(|service| service.status.as_ref()).is_some_and(|status| status.decision.is_some())
        };
        let service = instance.wait::<ServiceSpec>(&format!("shop-db-{number}"), decided).await.unwrap();
        let decision = service.status.unwrap().decision.unwrap();
        assert_eq!(codes(&decision.evidence), [EvidenceCode::CredentialRejected], "db-{number}");
    }
}

/// DET-20 (decision 0004), SEC-2: a login that was refused is stored, and every later look of the same generation knows of it, also after a restart;
/// a change of the specification begins anew.
#[tokio::test(start_paused = true)]
async fn a_refused_login_is_remembered() {
    let mut instance = scripted().await;
    instance.script.reply("postgres", refused);
    instance.apply::<DevStack>(&stack("Never")).await;
    required(&instance).await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    instance.restart().await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    let known = known_refusals(&instance, 1);
    assert!(known.len() > 4, "it is looked for again and again: {}", known.len());
    assert!(known[0].is_empty());
    assert!(known[1..].iter().all(|refused| *refused == [PRINT]));

    let mut changed = stack("Never");
    changed["spec"]["services"][0]["database"] = json!("other");
    instance.apply::<DevStack>(&changed).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(known_refusals(&instance, 2)[0].is_empty());
}

/// DET-46: each decision is one log record with its event and its proof, once; a fault in judging is an error, and a mode that wants
/// nothing is a detail.
#[tokio::test(start_paused = true)]
async fn each_decision_is_one_record() {
    let record = Record::begin();
    let mut instance = scripted().await;
    for (mode, wanted) in [
        ("Never", "INFO 48059 [db] NoAction: HostServiceRequired CredentialRejected@127.0.0.1:5432"),
        ("Auto", "INFO 48052 [db] ProvisionContainer: HostRejected CredentialRejected@127.0.0.1:5432"),
        ("Always", "INFO 48010 [db] ProvisionContainer: AlwaysMode"),
        ("Disabled", "DEBUG 48050 [db] NoAction: Disabled"),
    ] {
        instance.script.reply("postgres", refused);
        let before = record.decisions().len();
        instance.apply::<DevStack>(&stack(mode)).await;
        instance.settle().await;
        instance.restart().await;
        instance.settle().await;
        assert_eq!(record.decisions()[before..], [wanted], "{mode}");
    }
    instance.script.reply("postgres", |_question| ProbeReport { candidates: Vec::new(), fault: Some("it broke".to_owned()) });
    let before = record.decisions().len();
    instance.apply::<DevStack>(&stack("Never")).await;
    instance.settle().await;
    let told = record.decisions().split_off(before);
    assert!(told.first().is_some_and(|line| line.starts_with("ERROR 48059 [db] NoAction: HostServiceRequired")), "{told:?}");
}

/// What each look of a generation was told of refused logins.
fn known_refusals(instance: &Instance, generation: i64) -> Vec<Vec<String>> {
    let asked = instance.script.asked().into_iter();
    asked.filter(|(_, question, _)| question.generation == generation).map(|(_, _, access)| access.refused).collect()
}

/// SEC-2: whatever makes Koan look at the object again, a host service that refused is asked at most five times in a minute.
#[tokio::test(start_paused = true)]
async fn sec_2_a_host_that_refused_is_asked_five_times_a_minute_at_most() {
    let instance = scripted().await;
    instance.script.reply("postgres", refused);
    instance.apply::<DevStack>(&stack("Never")).await;
    required(&instance).await;
    for number in 0..120 {
        let label = json!({"metadata": {"labels": {"team": format!("t{number}")}}});
        instance.merge::<ServiceSpec>("shop-db", &label).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let asked: Vec<_> = instance.script.asked().into_iter().map(|(at, _, _)| at).collect();
    assert!(asked.len() >= 4);
    for first in &asked {
        let minute = asked.iter().filter(|at| **at >= *first && at.duration_since(*first) < Duration::from_secs(60));
        assert!(minute.count() <= 5, "{asked:?}");
    }
}

/// DET-25, B-3: the port of a host service that was refused is never bound, though it is free by then.
#[tokio::test(start_paused = true)]
async fn the_port_of_a_refused_host_is_never_bound() {
    let instance = scripted().await;
    instance.world.script(&image_of("postgres"), koan_engines::sim::Program::boots_in(Duration::from_millis(100)));
    instance.script.reply("postgres", refused);
    instance.apply::<DevStack>(&stack("Auto")).await;
    instance.ready("shop").await;
    let status = instance.get::<ServiceSpec>("shop-db").await.status.unwrap();
    assert_eq!((status.ports[0].host, status.ports[0].source), (5433, PortSource::Repicked));
    assert!(status.endpoints.unwrap().host.unwrap().contains("127.0.0.1:5433"));
}

/// DET-9, DET-11: what the person's environment says together, as a list or in a connection string is looked at, each address with the
/// login that belongs to it and no other.
#[tokio::test(start_paused = true)]
async fn each_form_of_the_environment_is_looked_at() {
    let instance = scripted().await;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "shop-environment", "namespace": "default"},
        "stringData": {
            "POSTGRES_URLS": "postgres://one:first@127.0.0.1:6001/a,postgres://two:second@127.0.0.1:6002/b",
            "PGHOST": "127.0.0.1", "PGPORT": "6003", "PGUSER": "three", "PGPASSWORD": "third",
        },
    });
    instance.api::<Secret>().create(&PostParams::default(), &serde_json::from_value(secret).unwrap()).await.unwrap();
    instance.script.reply("postgres", refused);
    instance.apply::<DevStack>(&stack("Never")).await;
    required(&instance).await;
    let (_, question, access) = instance.script.asked().into_iter().next().unwrap();
    let found: Vec<(String, String)> = question
        .candidates
        .iter()
        .enumerate()
        .filter_map(|(index, candidate)| {
            let login = access.logins.get(&CredentialRef::Candidate(index))?;
            Some((candidate.address.to_string(), login.password.as_ref()?.expose().clone()))
        })
        .collect();
    let wanted = [("127.0.0.1:6001", "first"), ("127.0.0.1:6002", "second"), ("127.0.0.1:6003", "third")];
    assert_eq!(found, wanted.map(|(place, password)| (place.to_owned(), password.to_owned())));
}

/// DET-11, DET-34: the login that came with an address of the person's environment is the one that consumers get.
#[tokio::test(start_paused = true)]
async fn a_login_of_the_environment_reaches_the_consumers() {
    let instance = scripted().await;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "shop-environment", "namespace": "default"},
        "stringData": {"POSTGRES_URLS": "postgres://one:first@localhost:6001/a,postgres://two:second@localhost:6002/b"},
    });
    instance.api::<Secret>().create(&PostParams::default(), &serde_json::from_value(secret).unwrap()).await.unwrap();
    instance.script.reply("postgres", |question| {
        let usable = Usable {
            credential: CredentialRef::Candidate(1),
            address: Address::Tcp { host: "127.0.0.1".to_owned(), port: 6002 },
            tls: None,
            version: None,
            server_id: None,
        };
        let verdict = CandidateVerdict::Usable(usable);
        let report =
            CandidateReport { candidate: question.candidates[1].clone(), verdict, evidence: Vec::new(), refused: Vec::new() };
        ProbeReport { candidates: vec![report], fault: None }
    });
    instance.apply::<DevStack>(&stack("Never")).await;
    let written = instance.wait::<Secret>("shop-env", |found| found.is_some()).await.unwrap();
    let url = String::from_utf8(written.data.unwrap()["DATABASE_URL"].0.clone()).unwrap();
    assert!(url.starts_with("postgres://two:second@127.0.0.1:6002/"), "{url}");
}

/// DET-26, DET-34 (decision 0006): consumers of a host service that TLS vouched for demand the same TLS of the same name, also when
/// the decision is read back from the status.
#[tokio::test(start_paused = true)]
async fn verified_tls_reaches_the_consumers() {
    let instance = scripted().await;
    instance.script.reply("postgres", |question| {
        let usable = Usable {
            credential: CredentialRef::Anonymous,
            address: Address::Tcp { host: "localhost".to_owned(), port: 6002 },
            tls: Some(Tls { mode: TlsMode::VerifyFull, authorities: Some("/own/ca.pem".to_owned()) }),
            version: None,
            server_id: None,
        };
        let verdict = CandidateVerdict::Usable(usable);
        let report =
            CandidateReport { candidate: question.candidates[0].clone(), verdict, evidence: Vec::new(), refused: Vec::new() };
        ProbeReport { candidates: vec![report], fault: None }
    });
    instance.apply::<DevStack>(&stack("Never")).await;
    let written = instance.wait::<Secret>("shop-env", |found| found.is_some()).await.unwrap();
    let data = written.data.unwrap();
    let value = |name: &str| String::from_utf8(data[name].0.clone()).unwrap();
    assert!(value("DATABASE_URL").ends_with("?sslmode=verify-full&sslrootcert=%2Fown%2Fca.pem"), "{}", value("DATABASE_URL"));
    assert_eq!((value("PGHOST").as_str(), value("PGSSLMODE").as_str()), ("localhost", "verify-full"));
    assert_eq!(value("PGSSLROOTCERT"), "/own/ca.pem");
}

/// DET-19, DET-22: a credential without a user is the one of the user that the product's image makes by itself; the parts of a URL
/// stand in for keys that are absent. The workload comes up with it, and consumers are given it.
#[tokio::test(start_paused = true)]
async fn a_credential_without_a_user_means_the_products_own() {
    for (data, own, user) in [
        (json!({"password": "s3cret"}), json!({"secretRef": {"name": "mine"}}), "postgres"),
        (json!({"url": "postgres://shop:s3cret@127.0.0.1:1/x"}), json!({"secretRef": {"name": "mine"}}), "shop"),
        (json!({}), json!({"literals": {"password": "s3cret"}}), "postgres"),
    ] {
        let instance = scripted().await;
        instance.world.script(&image_of("postgres"), koan_engines::sim::Program::boots_in(Duration::from_millis(100)));
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "mine", "namespace": "default"}, "stringData": data,
        });
        instance.api::<Secret>().create(&PostParams::default(), &serde_json::from_value(secret).unwrap()).await.unwrap();
        let mut stack = stack("Always");
        stack["spec"]["services"][0]["credentials"] = own;
        instance.apply::<DevStack>(&stack).await;
        instance.ready("shop").await;
        let written = instance.wait::<Secret>("shop-env", |found| found.is_some()).await.unwrap();
        let url = String::from_utf8(written.data.unwrap()["DATABASE_URL"].0.clone()).unwrap();
        assert!(url.starts_with(&format!("postgres://{user}:s3cret@127.0.0.1:")), "{url}");
    }
}

/// DET-19, DET-22: a Secret without a password is refused at its path with the missing key, and judged again when it is there.
#[tokio::test(start_paused = true)]
async fn a_credential_without_a_password_is_refused_until_it_has_one() {
    let instance = scripted().await;
    instance.world.script(&image_of("postgres"), koan_engines::sim::Program::boots_in(Duration::from_millis(100)));
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "mine", "namespace": "default"},
        "stringData": {"username": "shop"},
    });
    instance.api::<Secret>().create(&PostParams::default(), &serde_json::from_value(secret).unwrap()).await.unwrap();
    let mut stack = stack("Always");
    stack["spec"]["services"][0]["credentials"] = json!({"secretRef": {"name": "mine"}});
    instance.apply::<DevStack>(&stack).await;
    let refused = |found: Option<&ServiceSpec>| {
        let conditions = found.and_then(|found| found.status.clone()).map(|status| status.conditions).unwrap_or_default();
        let accepted = conditions.into_iter().find(|condition| condition.type_ == "Accepted");
        accepted.is_some_and(|accepted| {
            let whole = "spec.credentials.secretRef: Secret default/mine has no key `password`";
            accepted.reason == "Invalid" && accepted.message.contains(whole)
        })
    };
    instance.wait::<ServiceSpec>("shop-db", refused).await;
    instance.merge::<Secret>("mine", &json!({"stringData": {"password": "s3cret"}})).await;
    instance.ready("shop").await;
}
