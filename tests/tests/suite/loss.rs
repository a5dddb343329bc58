//! A host service in use that goes away, and what `onLoss` makes of it.

use koan_tests::{Koan, database_answers, until};
use serde_json::Value;

use super::host::Postgres;

/// Login of the host's database.
const USER: &str = "koan_host";
const PASSWORD: &str = "c4nary+Pass/w0rd";

/// A stack that may use the host's database, in the profile where a loss is told after ten seconds.
fn stack(port: u16, on_loss: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: db-login}}\nstringData: {{username: {USER}, password: \"{PASSWORD}\"}}\n---\n\
         apiVersion: koan.dev/v1alpha1\nkind: DevStack\nmetadata: {{name: shop}}\nspec:\n  profile: ci\n\
         \x20 provisioning: {{detectionTimeout: 20s, attemptTimeout: 5s}}\n  services:\n  - name: db\n    adapter: postgres\n\
         \x20   provisioning: {{mode: Auto}}\n    detection: {{ports: [{port}], onLoss: {on_loss}}}\n    credentials: {{secretRef: {{name: db-login}}}}\n"
    )
}

/// A home whose stack uses the host's database; `None` where there is no PostgreSQL.
fn adopted(on_loss: &str) -> Option<(Koan, Postgres)> {
    let server = Postgres::start("loss", USER, PASSWORD)?;
    let koan = Koan::new();
    koan.write("koan.yaml", &stack(server.port(), on_loss));
    koan.run(&["up", "-o", "json", "--timeout", "120s"]).expect_code(0);
    assert_eq!(koan.service("db")["decision"]["action"], "UseHostService");
    Some((koan, server))
}

/// Status and reason of a condition.
fn condition(service: &Value, kind: &str) -> (String, String) {
    let conditions = service["conditions"].as_array().expect("conditions");
    let found = conditions.iter().find(|condition| condition["type"] == kind).cloned().unwrap_or_default();
    let word = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
    (word("status"), word("reason"))
}

fn environment(koan: &Koan) -> Value {
    koan.run(&["env", "--format", "json"]).expect_code(0).json()
}

/// DET-28, DET-29, DET-41: `Hold` waits for the server that was in use and starts none in its place; once it is back the stack is
/// ready, by the same decision.
#[test]
fn a_lost_host_database_is_waited_for() {
    let Some((koan, mut server)) = adopted("Hold") else { return };
    server.stop();
    let lost = ("False".to_owned(), "HostLost".to_owned());
    until("the loss is told", || (condition(&koan.service("db"), "Provisioned") == lost).then_some(()));
    let held = koan.service("db");
    assert_eq!(held["decision"]["action"], "UseHostService", "{held}");
    assert_eq!(condition(&held, "Ready").0, "False", "{held}");
    server.start_again();
    until("the stack is ready again", || (condition(&koan.service("db"), "Ready").0 == "True").then_some(()));
    let back = koan.service("db");
    assert_eq!(back["decision"]["action"], "UseHostService", "{back}");
    assert_eq!(back["decision"]["reason"], "HostValidated", "{back}");
    assert_eq!(database_answers(&environment(&koan)), server.port());
}

/// DET-25, DET-28, DET-41: `Reprovision` starts a server of Koan's own in the place of the one that was in use, and the injected URL
/// leads to it.
#[test]
fn a_lost_host_database_is_replaced() {
    let Some((koan, mut server)) = adopted("Reprovision") else { return };
    server.stop();
    until("another one is ready", || {
        let service = koan.service("db");
        let replaced = service["decision"]["action"] == "ProvisionContainer" && condition(&service, "Ready").0 == "True";
        replaced.then_some(())
    });
    let service = koan.service("db");
    assert_eq!(service["decision"]["reason"], "HostLost", "{service}");
    until("its address is injected", || {
        let url = environment(&koan)["DATABASE_URL"].as_str().map(str::to_owned)?;
        (!url.contains(&format!(":{}/", server.port()))).then_some(())
    });
    assert_ne!(database_answers(&environment(&koan)), server.port());
}
