//! The life of a release of a chart with a DevStack, plain kinds, and a kind of its own in `crds/`.

use koan_tests::Koan;
use serde_json::json;

use super::{Helm, Steps};

/// The chart.
const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance/helm/stack");
/// Its release, and the namespace that the release makes.
const SHOP: &str = "shop";
/// What the release consists of.
const OBJECTS: [&str; 5] = ["serviceaccount/shop", "configmap/shop", "secret/shop", "cup/shop", "devstack/shop"];

fn motto(helm: &Helm<'_>) -> String {
    helm.get(SHOP, "configmap/shop")["data"]["motto"].as_str().unwrap().to_owned()
}

fn installed(helm: &Helm<'_>) {
    // Before its CRD is there a preview cannot know the kind; the text is Helm's own.
    let said = helm.fails(&["install", SHOP, CHART, "-n", "default", "--dry-run=server"]);
    assert!(said.contains("no matches for kind \"Cup\" in version \"kitchen.example.com/v1\""), "{said}");
    helm.fails(&["install", SHOP, CHART, "-n", SHOP]);
    let notes = helm.run(&["install", SHOP, CHART, "-n", SHOP, "--create-namespace", "--wait", "--timeout", "120s"]);
    assert!(notes.contains("STATUS: deployed") && notes.contains("The account default of default on v1.36.0+koan."), "{notes}");
    assert_eq!(helm.there(SHOP, &OBJECTS).len(), OBJECTS.len());
    assert_eq!(helm.there(SHOP, &["crd/cups.kitchen.example.com"]).len(), 1);
    helm.kubectl.run(&["wait", "-n", SHOP, "--for=condition=Ready", "devstack/shop", "--timeout=120s"]).expect_code(0);
    let again = helm.fails(&["install", SHOP, CHART, "-n", SHOP]);
    assert!(again.contains("cannot reuse a name that is still in use"), "{again}");
}

fn described(helm: &Helm<'_>) {
    let list = helm.json(&["list", "--all-namespaces"]);
    assert_eq!((&list[0]["name"], &list[0]["namespace"], &list[0]["status"]), (&json!(SHOP), &json!(SHOP), &json!("deployed")));
    assert_eq!(helm.json(&["list", "-n", "default"]), json!([]));
    assert_eq!(helm.json(&["status", SHOP, "-n", SHOP])["info"]["status"], "deployed");
    let all = helm.run(&["get", "all", SHOP, "-n", SHOP]);
    for part in ["NAME: shop", "COMPUTED VALUES:", "kind: DevStack", "The account default of default"] {
        assert!(all.contains(part), "{part}: {all}");
    }
    assert_eq!(helm.json(&["get", "values", SHOP, "-n", SHOP, "--all"])["motto"], "first");
    assert_eq!(helm.json(&["get", "metadata", SHOP, "-n", SHOP])["applyMethod"], "ssa");
}

/// An upgrade whose preview stores nothing; its `--wait` ends when the controller has seen the new stack.
fn upgraded(helm: &Helm<'_>) {
    let upgrade = ["upgrade", SHOP, CHART, "-n", SHOP, "--set", "motto=second"];
    let preview = helm.run(&[&upgrade[..], &["--dry-run=server"]].concat());
    assert!(preview.contains("motto: \"second\""), "{preview}");
    assert_eq!(motto(helm), "first");
    helm.run(&[&upgrade[..], &["--wait", "--timeout", "120s"]].concat());
    assert_eq!(motto(helm), "second");
    let stack = helm.get(SHOP, "devstack/shop");
    assert_eq!(stack["status"]["observedGeneration"], stack["metadata"]["generation"]);
    assert_eq!(helm.history(SHOP, SHOP), ["1 superseded", "2 deployed"]);
}

/// An upgrade that the server refuses half-way is a failed revision, and a rollback undoes the half that was made.
fn failed_and_rolled_back(helm: &Helm<'_>) {
    let said = helm.fails(&["upgrade", SHOP, CHART, "-n", SHOP, "--set", "motto=third,mode=Sometimes"]);
    assert!(said.contains("spec.provisioning.mode: Unsupported value: \"Sometimes\""), "{said}");
    assert_eq!(helm.json(&["status", SHOP, "-n", SHOP])["info"]["status"], "failed");
    assert_eq!(helm.get(SHOP, "devstack/shop")["spec"]["provisioning"]["mode"], "Always");
    helm.run(&["rollback", SHOP, "1", "-n", SHOP, "--wait", "--timeout", "120s"]);
    assert_eq!(motto(helm), "first");
    assert_eq!(helm.history(SHOP, SHOP), ["1 superseded", "2 superseded", "3 failed", "4 deployed"]);
    let undone =
        ["upgrade", SHOP, CHART, "-n", SHOP, "--set", "motto=fifth,size=10", "--rollback-on-failure", "--timeout", "120s"];
    let said = helm.fails(&undone);
    assert!(said.contains("spec.size: Invalid value: 10"), "{said}");
    assert_eq!(motto(helm), "first", "it rolled back by itself");
}

/// What somebody else changed is a conflict until it is forced; what somebody else made is taken over only when asked.
fn among_others(helm: &Helm<'_>) {
    let theirs = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shop, namespace: shop}\ndata: {motto: theirs}\n";
    let apply = ["apply", "--server-side", "--force-conflicts", "--field-manager=them", "-f", "-"];
    helm.kubectl.feed(&apply, theirs).expect_code(0);
    let upgrade = ["upgrade", SHOP, CHART, "-n", SHOP, "--set", "motto=sixth"];
    let said = helm.fails(&upgrade);
    assert!(said.contains("conflict with \"them\": .data.motto"), "{said}");
    helm.run(&[&upgrade[..], &["--force-conflicts"]].concat());
    assert_eq!(motto(helm), "sixth");

    helm.kubectl.run(&["create", "configmap", "found", "-n", SHOP]).expect_code(0);
    let said = helm.fails(&["install", "found", CHART, "-n", SHOP, "--skip-crds"]);
    assert!(said.contains("ConfigMap \"found\" in namespace \"shop\" exists and cannot be imported"), "{said}");
    helm.run(&["install", "found", CHART, "-n", SHOP, "--take-ownership"]);
    let found = helm.get(SHOP, "configmap/found");
    assert_eq!(found["metadata"]["annotations"]["meta.helm.sh/release-name"], "found");
}

/// The older way, by patches that the client makes: strategic ones of core kinds, merge patches of others.
fn by_the_client(helm: &Helm<'_>) {
    helm.run(&["install", "old", CHART, "-n", SHOP, "--server-side=false"]);
    helm.run(&["upgrade", "old", CHART, "-n", SHOP, "--set", "motto=again,size=3"]);
    assert_eq!(helm.get(SHOP, "configmap/old")["data"], json!({"motto": "again"}));
    assert_eq!(helm.get(SHOP, "cup/old")["spec"]["size"], 3);
    assert_eq!(helm.json(&["get", "metadata", "old", "-n", SHOP])["applyMethod"], "csa");
    helm.run(&["rollback", "old", "-n", SHOP]);
    assert_eq!(helm.get(SHOP, "cup/old")["spec"]["size"], 2);
}

fn uninstalled(helm: &Helm<'_>) {
    for release in ["old", "found"] {
        helm.run(&["uninstall", release, "-n", SHOP, "--wait", "--timeout", "120s"]);
    }
    helm.run(&["uninstall", SHOP, "-n", SHOP, "--keep-history", "--wait", "--timeout", "120s"]);
    assert_eq!(helm.there(SHOP, &OBJECTS), Vec::<String>::new());
    assert_eq!(helm.json(&["status", SHOP, "-n", SHOP])["info"]["status"], "uninstalled");
    helm.run(&["uninstall", SHOP, "-n", SHOP]);
    assert_eq!(helm.get(SHOP, "secrets")["items"], json!([]), "no release is left");
    assert_eq!(helm.there(SHOP, &["crd/cups.kitchen.example.com"]).len(), 1, "what comes from crds/ stays");
    helm.kubectl.run(&["delete", "namespace", SHOP, "--timeout=60s"]).expect_code(0);
}

/// API-1, API-2, API-8, API-13, API-14, API-16: install, upgrade, rollback, history and uninstall of a chart with a stack that runs.
#[test]
fn a_chart_of_ours_lives_and_goes() {
    let koan = Koan::new();
    let Some(helm) = Helm::of(&koan) else { return };
    koan.run(&["serve", "--background"]).expect_code(0);
    let steps: &Steps = &[
        ("install", installed),
        ("list, status, get", described),
        ("upgrade", upgraded),
        ("failed upgrade and rollback", failed_and_rolled_back),
        ("conflicts and ownership", among_others),
        ("client-side apply", by_the_client),
        ("uninstall", uninstalled),
    ];
    helm.takes("helm, a chart of ours", steps);
}
