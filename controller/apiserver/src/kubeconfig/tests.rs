//! The merged context: exact undo, foreign entries, layouts, locks and modes.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use super::*;

const USUAL: &str = "\
apiVersion: v1
# the one at work
clusters:
- cluster:
    server: https://work.example:6443
    extensions:
    - name: someone
      extension: {kept: true}
  name: work
contexts:
- context:
    cluster: work
    user: me
  name: work
current-context: work
kind: Config
preferences: {}
users:
- name: me
  user:
    exec:
      command: login
      args: [\"-x\"]
";

fn entry() -> ContextEntry {
    ContextEntry {
        name: "koan".to_owned(),
        server: "https://127.0.0.1:4711".to_owned(),
        ca_pem: "PEM".to_owned(),
        token_file: "/home/me/state/token".into(),
    }
}

fn read(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

/// API-33: merge and remove together give back every byte, for each layout that tools write.
#[test]
fn a_merge_is_undone_exactly() {
    let empty_lists = "apiVersion: v1\nclusters: null\ncontexts: []\ncurrent-context: \"\"\nkind: Config\nusers: []\n";
    let indented = "kind: Config\nclusters:\n  - name: a\n    cluster:\n      server: x\ncontexts: []\nusers: []\n# end\n";
    for text in [USUAL, empty_lists, indented, "kind: Config\n", "kind: Config\nusers:\n- name: a\n  user: {}"] {
        for current in [false, true] {
            let merged = entry().merge(text, current).unwrap();
            assert!(entry().is_merged(&merged));
            assert_eq!(entry().remove(&merged).unwrap(), text);
        }
    }
}

/// API-33: only our entry is added, and the current context moves only when asked.
#[test]
fn a_merge_touches_nothing_else() {
    let merged = entry().merge(USUAL, false).unwrap();
    let kept: Vec<&str> = merged.lines().filter(|line| USUAL.lines().any(|known| known == *line)).collect();
    assert!(kept.len() >= USUAL.lines().count());
    let value = read(&merged);
    assert_eq!(value["current-context"], "work");
    assert_eq!(value["users"][1]["user"]["tokenFile"], "/home/me/state/token");
    assert_eq!(read(&entry().merge(USUAL, true).unwrap())["current-context"], "koan");
}

/// API-33: another port rewrites the merged entry in place; the same one changes nothing.
#[test]
fn a_new_port_rewrites_the_entry_alone() {
    let merged = entry().merge(USUAL, true).unwrap();
    assert_eq!(entry().merge(&merged, true).unwrap(), merged);
    let moved = ContextEntry { server: "https://127.0.0.1:4712".to_owned(), ..entry() };
    let again = moved.merge(&merged, false).unwrap();
    assert_eq!(again, merged.replace(":4711", ":4712"));
    assert_eq!(moved.remove(&again).unwrap(), USUAL);
}

/// API-33: a context of that name that is not ours is refused with its server, on merge and on remove.
#[test]
fn a_foreign_context_is_left_alone() {
    let foreign = USUAL.replace("work", "koan");
    let refused = entry().merge(&foreign, false).unwrap_err();
    assert!(matches!(&refused, KubeconfigError::Occupied { server, .. } if server == "https://koan.example:6443"), "{refused}");
    assert!(entry().remove(&foreign).is_err());
}

/// API-33: what is no kubeconfig, or is laid out in a way that cannot be edited, is refused.
#[test]
fn other_texts_are_refused() {
    assert!(matches!(entry().merge("a: [", false), Err(KubeconfigError::Malformed { .. })));
    assert!(matches!(entry().merge("- a\n", false), Err(KubeconfigError::Malformed { .. })));
    assert!(matches!(entry().merge("clusters: [{name: a, cluster: {server: x}}]\n", false), Err(KubeconfigError::Layout)));
}

/// API-33: the printed context is a whole kubeconfig.
#[test]
fn a_printed_context_stands_alone() {
    let value = read(&entry().print());
    assert_eq!(
        (&value["current-context"], &value["clusters"][0]["cluster"]["server"]),
        (&"koan".into(), &"https://127.0.0.1:4711".into())
    );
}

/// API-33: the file's mode and its link stay, and a lock of another program is respected.
#[test]
fn the_file_keeps_its_mode_and_lock() {
    let home = tempfile::tempdir().unwrap();
    let real = home.path().join("real");
    std::fs::write(&real, USUAL).unwrap();
    std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o640)).unwrap();
    let link = home.path().join("config");
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let file = KubeconfigFile::locate(Some(&link), None, home.path());
    file.update(|text| entry().merge(text, false)).unwrap();
    assert!(std::fs::symlink_metadata(&link).unwrap().file_type().is_symlink());
    assert_eq!(std::fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
    let before = file.read().unwrap();
    std::fs::write(home.path().join("config.lock"), "").unwrap();
    assert!(matches!(file.update(|text| entry().remove(text)), Err(KubeconfigError::Locked { .. })));
    assert_eq!(file.read().unwrap(), before);
}

/// API-33: the file is found as client-go finds it.
#[test]
fn the_file_is_found_as_client_go_finds_it() {
    let home = tempfile::tempdir().unwrap();
    let (first, second) = (home.path().join("first"), home.path().join("second"));
    let list = format!("{}:{}", first.display(), second.display());
    let found = |explicit: Option<&std::path::Path>, variable: Option<&str>| {
        KubeconfigFile::locate(explicit, variable, home.path()).path().to_owned()
    };
    assert_eq!(found(None, Some(&list)), second);
    std::fs::write(&first, "").unwrap();
    assert_eq!(found(None, Some(&list)), first);
    assert_eq!(found(Some(&second), Some(&list)), second);
    assert_eq!(found(None, None), home.path().join(".kube/config"));
}
