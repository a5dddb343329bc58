//! Files that override a manifest.

use crate::program::{Koan, SHOP};

/// CLI-25: further `-f` files, `koan.overrides.yaml`, `.koan/overrides.yaml`, `--set`, in this order; names decide what is one.
#[test]
fn overrides_come_in_their_order() {
    let koan = Koan::with(SHOP);
    koan.write("more.yaml", "apiVersion: koan.dev/v1alpha1\nkind: DevStack\nmetadata: {name: shop}\nspec:\n  services:\n  - {name: web, startupPriority: 1}\n");
    koan.write("koan.overrides.yaml", "spec:\n  services:\n  - name: web\n    startupPriority: 2\n    env: [{name: A, value: x}]\n  - name: api\n    env: [{name: API_TOKEN, value: tok-999999}, {name: B, value: y}]\n");
    koan.write(".koan/overrides.yaml", "spec:\n  services:\n  - {name: web, startupPriority: 3}\n");
    let files = ["-f", "koan.yaml", "-f", "more.yaml"];
    let up = |flags: &[&str]| koan.up(&[&files[..], flags].concat()).code(0);
    up(&[]);
    let stored = || koan.run(&["plan", "--diff", "-o", "json", "-f", "base.yaml"]).code(0).json()["changes"].clone();
    koan.write("base.yaml", SHOP);
    std::fs::remove_file(koan.project().join("koan.overrides.yaml")).unwrap();
    std::fs::remove_file(koan.project().join(".koan/overrides.yaml")).unwrap();
    let changes = stored().to_string();
    for text in ["web].startupPriority: 3 → (none)", "web].env: ", "env[API_TOKEN].value: *** → ***", "env[B]: (set) → (none)"]
    {
        assert!(changes.contains(text), "{text}: {changes}");
    }
    up(&["--set", "spec.services.web.startupPriority=4"]);
    assert!(stored().to_string().contains("web].startupPriority: 4 → (none)"), "{}", stored());
}

/// CLI-25: a violation inside an override names the override's own file and line; an unknown key or stack is refused.
#[test]
fn a_bad_override_is_named() {
    let koan = Koan::with(SHOP);
    let rows = [
        (
            "spec:\n  services:\n  - name: web\n    startupPriority: soon\n",
            "koan.overrides.yaml:4:5  spec.services[0].startupPriority",
        ),
        ("spec:\n  profil: ci\n", "koan.overrides.yaml:2:3  spec.profil"),
        ("services: []\n", "unknown key `services`"),
        ("metadata: {name: depot}\nspec: {suspend: true}\n", "no stack `depot`"),
        ("- a\n", "spec is expected"),
        ("kind: Secret\n", "kind: DevStack"),
    ];
    for (text, place) in rows {
        koan.write("koan.overrides.yaml", text);
        let output = koan.run(&["validate"]).code(2);
        assert!(output.stderr.contains(place), "{place}: {}", output.stderr);
    }
    for empty in ["", "# nothing\n", "spec:\n", "spec: {}\n"] {
        koan.write("koan.overrides.yaml", empty);
        koan.run(&["validate"]).code(0);
    }
}

/// CLI-26: override files of older projects are read with a notice; Mode and services become today's fields.
#[test]
fn old_overrides_are_read_with_a_notice() {
    let koan = Koan::with(SHOP);
    koan.write("overrides.Koan.json", r#"{"Mode": "Container", "Services": {"web": {"Env": {"A": "x", "N": 5}, "Ports": ["8080:80", "53/udp"], "Volumes": ["data:/var/data:ro"]}}}"#);
    let output = koan.run(&["validate"]).code(0);
    assert!(output.stderr.contains("older versions") && output.stderr.contains("koan.overrides.yaml"), "{output:?}");
    koan.write("overrides.Koan.json", r#"{"Mode": "Somewhere"}"#);
    assert!(koan.run(&["validate"]).code(2).stderr.contains("Mode is Local or Container"));
    koan.write("overrides.Koan.json", r#"{"Services": {"web": {"Prots": []}}}"#);
    assert!(koan.run(&["validate"]).code(2).stderr.contains("unknown key `Prots`"));
}
