//! What `helm create` makes, on kinds that no controller runs; the test plays the controller where something is waited for.

use std::process::Stdio;

use koan_tests::{Koan, Output, until};
use serde_json::json;

use super::{Helm, Steps};

/// The chart, the release and the Deployment.
const WEB: &str = "web";
const NAMESPACE: &str = "default";
/// What the release consists of.
const OBJECTS: [&str; 5] = ["deployment/web", "service/web", "serviceaccount/web", "ingress/web", "hpa/web"];
/// What switches all of it on.
const ALL: [&str; 4] = ["--set", "ingress.enabled=true", "--set", "autoscaling.enabled=true"];

/// Reports the Deployment as rolled out, once it has this image.
fn play_controller(helm: &Helm<'_>, image: &str) {
    let deployment = until("the deployment is there", || {
        helm.there(NAMESPACE, &["deployment/web"]).pop()?;
        let found = helm.get(NAMESPACE, "deployment/web");
        (found["spec"]["template"]["spec"]["containers"][0]["image"] == image).then_some(found)
    });
    let replicas = deployment["spec"]["replicas"].as_u64().unwrap_or(1);
    let condition = |kind: &str, reason: &str| json!({"type": kind, "status": "True", "reason": reason, "message": ""});
    let status = json!({"status": {
        "observedGeneration": deployment["metadata"]["generation"],
        "replicas": replicas, "updatedReplicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas,
        "conditions": [condition("Available", "MinimumReplicasAvailable"), condition("Progressing", "NewReplicaSetAvailable")],
    }});
    let patch = ["patch", "deployment", WEB, "--subresource=status", "--type=merge", "-p"];
    helm.kubectl.run(&[&patch[..], &[&status.to_string()]].concat()).expect_code(0);
}

/// Runs a command that waits, while the controller is played.
fn waits(helm: &Helm<'_>, arguments: &[&str], image: &str) {
    let mut command = helm.command(&[arguments, &["--wait", "--timeout", "90s"]].concat());
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("helm runs");
    play_controller(helm, image);
    Output::from(child.wait_with_output().expect("helm ends")).expect_code(0);
}

fn install(more: &[&'static str]) -> Vec<&'static str> {
    [&["install", WEB, WEB, "-n", NAMESPACE], &ALL[..], more].concat()
}

/// Nobody reports the Deployment, so it is not ready; Helm says which object it waited for.
fn never_ready(helm: &Helm<'_>) {
    let said = helm.fails(&install(&["--wait", "--timeout", "3s"]));
    for words in ["resource Deployment/default/web not ready", "context deadline exceeded"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(helm.history(WEB, NAMESPACE), ["1 failed"]);
    helm.run(&["uninstall", WEB, "-n", NAMESPACE, "--wait"]);
}

fn installed(helm: &Helm<'_>) {
    waits(helm, &install(&[]), "nginx:1.16.0");
    assert_eq!(helm.there(NAMESPACE, &OBJECTS).len(), OBJECTS.len());
    assert_eq!(helm.json(&["status", WEB])["info"]["status"], "deployed");
    let hooks = helm.run(&["get", "hooks", WEB]);
    assert!(hooks.contains("kind: Pod") && hooks.contains("helm.sh/hook"), "{hooks}");
}

/// Without its autoscaler the chart sets the replicas itself; what it no longer has goes.
fn upgraded(helm: &Helm<'_>) {
    waits(helm, &["upgrade", WEB, WEB, "--set", "image.tag=1.17", "--set", "replicaCount=3"], "nginx:1.17");
    assert_eq!(helm.there(NAMESPACE, &OBJECTS).len(), OBJECTS.len() - 2);
    assert_eq!(helm.get(NAMESPACE, "deployment/web")["spec"]["replicas"], 3);
}

fn rolled_back(helm: &Helm<'_>) {
    waits(helm, &["rollback", WEB, "1"], "nginx:1.16.0");
    assert_eq!(helm.there(NAMESPACE, &OBJECTS).len(), OBJECTS.len());
    assert_eq!(helm.history(WEB, NAMESPACE), ["1 superseded", "2 superseded", "3 deployed"]);
}

fn uninstalled(helm: &Helm<'_>) {
    helm.run(&["uninstall", WEB, "--wait", "--timeout", "60s"]);
    assert_eq!(helm.there(NAMESPACE, &OBJECTS), Vec::<String>::new());
}

/// API-5, API-8, API-13, API-14: install, `--wait`, upgrade, rollback and uninstall of a chart with workloads; nothing that no
/// controller reports is ever taken as ready.
#[test]
fn a_foreign_chart_lives_and_goes() {
    let koan = Koan::new();
    let Some(helm) = Helm::of(&koan) else { return };
    koan.run(&["serve", "--background", "--no-controller", "--extended-kinds"]).expect_code(0);
    helm.run(&["create", WEB]);
    let steps: &Steps = &[
        ("install that never gets ready", never_ready),
        ("install", installed),
        ("upgrade", upgraded),
        ("rollback", rolled_back),
        ("uninstall", uninstalled),
    ];
    helm.takes("helm, a foreign chart", steps);
}

/// API-4: a chart with workloads is refused by a Koan that would not run them, and nothing of it is stored.
#[test]
fn a_foreign_chart_is_refused_where_nothing_runs_it() {
    let koan = Koan::new();
    let Some(helm) = Helm::of(&koan) else { return };
    koan.run(&["serve", "--background", "--no-controller"]).expect_code(0);
    helm.run(&["create", WEB]);
    let said = helm.fails(&["install", WEB, WEB]);
    assert!(said.contains("no matches for kind \"Deployment\" in version \"apps/v1\""), "{said}");
    assert_eq!(helm.there(NAMESPACE, &["serviceaccount/web"]), Vec::<String>::new());
}
