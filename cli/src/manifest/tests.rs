use std::path::Path;

use super::find::find;
use super::read::read_all;
use crate::failure::Failure;

const STACK: &str = "apiVersion: koan.dev/v1alpha1\nkind: DevStack\nmetadata: {name: shop}\nspec:\n  services:\n  - name: db\n    adapter: postgres\n";

fn refusal(text: &[u8]) -> (u64, u64, String) {
    match read_all("koan.yaml", text) {
        Err(Failure::Manifest { location, message, .. }) => (location.line, location.column, message),
        other => panic!("{other:?}"),
    }
}

/// CLI-22: a field path leads to its line and column; a path that ends early to its nearest ancestor.
#[test]
fn field_paths_lead_to_their_place() {
    let document = read_all("koan.yaml", STACK.as_bytes()).unwrap().remove(0);
    let place = |path: &str| {
        let location = document.location(path);
        (location.line, location.column)
    };
    assert_eq!(place("spec.services[0].adapter"), (7, 5));
    assert_eq!(place("spec.services[0].health"), (6, 5));
    assert_eq!(place("spec.services[db].adapter"), (7, 5));
    assert_eq!(place("metadata.name").0, 3);
}

/// CLI-22: what is no manifest is named with its place, and nothing of the stream is taken.
#[test]
fn wrong_streams_are_refused_with_their_place() {
    assert_eq!(refusal(b"").2, "no document");
    assert_eq!(refusal(b"\n---\n").2, "no document");
    assert_eq!(refusal(b"a: \xff\n").2, "not UTF-8");
    assert_eq!(refusal(b"a: b").2, "no Kubernetes object: apiVersion and kind are required");
    let (line, _, message) = refusal(b"apiVersion: koan.dev/v9\nkind: DevStack\nmetadata: {name: x}");
    assert_eq!((line, message.as_str()), (1, "unknown apiVersion `koan.dev/v9`"));
    let (line, _, message) = refusal(b"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}");
    assert_eq!((line, message.as_str()), (1, "unknown apiVersion `apps/v1`"));
    let (line, _, message) = refusal(b"apiVersion: v1\nkind: Pod\nmetadata: {name: x}");
    assert_eq!((line, message.as_str()), (2, "unknown kind `Pod` of v1"));
    let both = format!("{STACK}---\na: [1\n");
    assert!(refusal(both.as_bytes()).0 >= 9);
}

/// CLI-22, SEC-15: equal keys, alias bombs, deep nesting and large streams are refused, each by its limit.
#[test]
fn sec_15_hostile_yaml_is_refused() {
    assert_eq!(refusal(b"apiVersion: v1\nkind: Secret\nkind: ConfigMap\n").0, 3);
    let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for level in 1..12 {
        let before = level - 1;
        bomb.push_str(&format!("a{level}: &a{level} [{}]\n", vec![format!("*a{before}"); 10].join(",")));
    }
    refusal(bomb.as_bytes());
    refusal("[".repeat(2_000).as_bytes());
    let large = vec![b' '; 3 * 1024 * 1024 + 1];
    assert!(refusal(&large).2.contains("exceed the limit"));
    refusal("---\na: 1\n".repeat(101).as_bytes());
}

/// CLI-9: the search goes upwards to the repository root, names every place, and refuses two candidates.
#[test]
fn the_manifest_is_searched_upwards() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("a/b");
    std::fs::create_dir_all(&inner).unwrap();
    std::fs::create_dir(folder.path().join(".git")).unwrap();
    match find(&[], &inner) {
        Err(Failure::NoManifest { looked, compose: false }) => assert_eq!(looked.len(), 9),
        other => panic!("{other:?}"),
    }
    std::fs::write(folder.path().join("koan.yaml"), STACK).unwrap();
    let found = find(&[], &inner).unwrap();
    assert_eq!(found.project, folder.path().canonicalize().unwrap());
    std::fs::write(folder.path().join("koan.yml"), STACK).unwrap();
    assert!(matches!(find(&[], &inner), Err(Failure::TwoManifests { .. })));
    assert!(find(&[Path::new("koan.yml").to_path_buf()], &inner).is_err());
}

/// API-7 of the server's table: keys that YAML 1.1 readers turn into booleans are warned of, with their place.
#[test]
fn boolean_keys_are_warned_of() {
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n  on: a\n  \"no\": b\n  key: c\n";
    let warnings = read_all("koan.yaml", text.as_bytes()).unwrap()[0].boolean_keys();
    assert_eq!(warnings.len(), 2);
    assert!(warnings[0].starts_with("koan.yaml:5:3: key `on`"), "{warnings:?}");
}
