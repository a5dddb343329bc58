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

const CUPS: &str = "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: cups.kitchen.example.com}
spec:
  group: kitchen.example.com
  names: {kind: Cup, plural: cups, shortNames: [cp]}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    additionalPrinterColumns: [{name: Size, type: integer, jsonPath: .spec.size}]
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              size: {type: integer, default: 2, maximum: 9, description: How much it holds}
";
const CUP: &str = "apiVersion: kitchen.example.com/v1\nkind: Cup\nmetadata: {name: mug}\nspec: {}\n";

fn a_kind_of_ones_own_by_kubectl(wanted: Component) {
    let koan = Koan::new();
    let Some(kubectl) = Kubectl::of("kubectl", wanted, &koan) else { return };
    koan.write("crd.yaml", CUPS);
    koan.write("cup.yaml", CUP);
    koan.write("both.yaml", &format!("{CUPS}---\n{CUP}"));
    koan.run(&["serve", "--background", "--no-controller"]).expect_code(0);
    let applied = kubectl.run(&["apply", "-f", "crd.yaml"]).expect_code(0);
    assert!(applied.stdout.contains("cups.kitchen.example.com created"), "{applied:?}");
    kubectl.run(&["wait", "--for=condition=Established", "crd/cups.kitchen.example.com", "--timeout=20s"]).expect_code(0);
    kubectl.run(&["apply", "-f", "cup.yaml"]).expect_code(0);
    let explained = kubectl.run(&["explain", "cup.spec.size"]).expect_code(0).stdout;
    assert!(explained.contains("How much it holds"), "{explained}");
    let table = kubectl.run(&["get", "cp"]).expect_code(0).stdout;
    assert!(table.starts_with("NAME   SIZE\nmug    2\n"), "{table}");
    let again = kubectl.run(&["apply", "-f", "crd.yaml"]).expect_code(0);
    assert!(again.stdout.contains("unchanged"), "{again:?}");
    koan.write("crd.yaml", &CUPS.replace("maximum: 9", "maximum: 5"));
    kubectl.run(&["apply", "-f", "crd.yaml"]).expect_code(0);
    let refused = kubectl.run(&["patch", "cp", "mug", "--type=merge", "-p", "{\"spec\":{\"size\":7}}"]).expect_code(1);
    assert!(refused.stderr.contains("spec.size in body should be less than or equal to 5"), "{refused:?}");
    koan.write("crd.yaml", &CUPS.replace("type: integer, default", "type: count, default"));
    let refused = kubectl.run(&["apply", "-f", "crd.yaml"]).expect_code(1);
    assert!(refused.stderr.contains("Unsupported value: \"count\""), "{refused:?}");
    kubectl.run(&["delete", "crd", "cups.kitchen.example.com", "--timeout=20s"]).expect_code(0);
    let gone = kubectl.run(&["get", "cups"]).expect_code(1);
    assert!(
        ["could not find the requested resource", "doesn't have a resource type"].iter().any(|text| gone.stderr.contains(text)),
        "{gone:?}"
    );
}

/// API-1, API-17: stock kubectl ≤ 1.34 brings a kind of its own, explains it, uses its short name, changes its schema and takes it away.
#[test]
fn an_older_kubectl_brings_its_own_kind() {
    a_kind_of_ones_own_by_kubectl(Component::OlderKubectl);
}

/// API-1, API-17: the same with a minor ≥ 1.35.
#[test]
fn a_newer_kubectl_brings_its_own_kind() {
    a_kind_of_ones_own_by_kubectl(Component::NewerKubectl);
}

/// API-4, API-5: the built-in kinds are data where they are asked for, and absent otherwise.
#[test]
fn kubectl_uses_the_extended_kinds() {
    let koan = Koan::new();
    let Some(kubectl) = Kubectl::of("kubectl", Component::NewerKubectl, &koan) else { return };
    let deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  replicas: 1\n  selector: {matchLabels: {a: b}}\n  \
                      template: {metadata: {labels: {a: b}}, spec: {containers: [{name: web, image: x}]}}\n";
    koan.write("web.yaml", deployment);
    koan.run(&["serve", "--background", "--extended-kinds"]).expect_code(2);
    koan.run(&["serve", "--background", "--no-controller"]).expect_code(0);
    kubectl.run(&["apply", "-f", "web.yaml"]).expect_code(1);
    koan.run(&["serve", "stop"]).expect_code(0);
    koan.run(&["serve", "--background", "--no-controller", "--extended-kinds"]).expect_code(0);
    kubectl.run(&["apply", "-f", "web.yaml"]).expect_code(0);
    koan.write("web.yaml", &deployment.replace("image: x", "image: web"));
    kubectl.run(&["apply", "-f", "web.yaml"]).expect_code(0);
    kubectl.run(&["scale", "deployment/web", "--replicas=3"]).expect_code(0);
    assert_eq!(kubectl.get(&["deployment", "web"])["spec"]["replicas"], 3);
    let table = kubectl.run(&["get", "deployments"]).expect_code(0).stdout;
    assert!(table.contains("0/3"), "{table}");
    koan.run(&["serve", "stop"]).expect_code(0);
}
