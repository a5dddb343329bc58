//! Stock kubectl, an older and a newer minor version, against Koan's own server.

use koan_tests::{Component, Koan, Kubectl, Place};

fn stack_by_kubectl(wanted: Component) {
    let koan = Koan::new();
    let Some(kubectl) = Kubectl::of("kubectl", wanted, &koan) else { return };
    koan.write("koan.yaml", &Place::Process.stack());
    koan.run(&["serve", "--background"]).expect_code(0);
    let applied = kubectl.run(&["apply", "-f", "koan.yaml"]).expect_code(0);
    assert!(applied.stdout.contains("devstack.koan.dev/shop created"), "{applied:?}");
    kubectl.run(&["wait", "--for=condition=Ready", "devstack/shop", "--timeout=120s"]).expect_code(0);
    let table = kubectl.run(&["get", "devstacks"]).expect_code(0).stdout;
    assert!(table.contains("2/2"), "{table}");
    let watched = kubectl.run(&["get", "devstack", "shop", "--watch", "--request-timeout=2s"]);
    assert!(watched.stdout.contains("shop"), "{watched:?}");
    let described = kubectl.run(&["describe", "devstack", "shop"]).expect_code(0).stdout;
    for text in ["Name:", "shop", "Conditions:"] {
        assert!(described.contains(text), "{text}: {described}");
    }
    let again = kubectl.run(&["apply", "-f", "koan.yaml"]).expect_code(0);
    assert!(again.stdout.contains("unchanged"), "{again:?}");
    kubectl.run(&["delete", "devstack", "shop", "--timeout=60s"]).expect_code(0);
    let gone = kubectl.run(&["get", "devstack", "shop"]).expect_code(1);
    assert!(gone.stderr.contains("NotFound"), "{gone:?}");
    assert_eq!(kubectl.get(&["servicespecs"])["items"], serde_json::json!([]));
}

/// API-8, K-1: kubectl of a minor ≤ 1.34 applies, waits for, lists, watches, describes and deletes a stack.
#[test]
fn an_older_kubectl_handles_a_stack() {
    stack_by_kubectl(Component::OlderKubectl);
}

/// API-8, K-1: the same with a minor ≥ 1.35.
#[test]
fn a_newer_kubectl_handles_a_stack() {
    stack_by_kubectl(Component::NewerKubectl);
}
