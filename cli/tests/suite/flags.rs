//! Flags of `up`, `plan` and `apply` that change a run, and what they leave alone.

use koan_tests::until;
use serde_json::Value;

use crate::program::{HEAD, Koan, SHOP};

fn words(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// P23, CLI-13: a dry run of the client starts no server and does nothing; it shows decisions with gates and profile.
#[test]
fn p23_a_dry_run_does_nothing() {
    let koan = Koan::with(SHOP);
    let report = koan.run(&["up", "--dry-run", "--explain", "-o", "json"]).code(0).json();
    assert_eq!((report["kind"].as_str(), report["stack"].as_str()), (Some("PlanReport"), Some("shop")), "{report}");
    assert_eq!((report["profile"].as_str(), report["profileSource"].as_str()), (Some("local"), Some("default")));
    assert_eq!(words(&report["decisions"][1]["gates"]), ["web Ready"]);
    assert_eq!(report["steps"], serde_json::json!([]), "no engine was asked");
    assert!(!koan.serves(), "no server was started");
    let text = koan.run(&["up", "--dry-run=client", "--explain"]).code(0).stdout;
    assert!(text.contains("after web Ready") && text.contains("no engine was asked"), "{text}");
}

/// P23, CLI-13: a dry run of the server has its checks and the engines' answers, and stores nothing.
#[test]
fn p23_a_dry_run_of_the_server_stores_nothing() {
    let koan = Koan::with(SHOP);
    let report = koan.run(&["up", "--dry-run=server", "-o", "json"]).code(0).json();
    let verbs: Vec<&str> = report["steps"].as_array().unwrap().iter().filter_map(|step| step["verb"].as_str()).collect();
    assert_eq!(verbs, ["Create", "Start", "Create", "Start"], "{report}");
    assert_eq!(koan.run(&["list", "-A", "-o", "json"]).code(0).json()["items"], serde_json::json!([]));
}

/// CLI-14: `up --explain` shows the plan first, and what comes is what was shown; afterwards `plan --check` finds nothing.
#[test]
fn what_comes_is_what_was_shown() {
    let koan = Koan::with(SHOP);
    assert_eq!(koan.run(&["plan", "--check", "-o", "name"]).code(1).stdout.lines().count(), 4);
    assert!(!koan.serves(), "a plan starts no server");
    let output = koan.up(&["--explain"]).code(0);
    assert!(output.stderr.contains("4 steps") && output.stdout.starts_with("stack: shop"), "{output:?}");
    let plan = koan.run(&["plan", "--check", "--explain", "--redetect", "-o", "json"]).code(0).json();
    assert_eq!((plan["summary"].as_str(), words(&plan["unchanged"])), (Some("nothing to do"), vec!["web", "api"]), "{plan}");
}

/// CLI-14: `plan --diff` names each changed field with both values, secrets masked, and the price of the change.
#[test]
fn a_diff_names_changed_fields() {
    let koan = Koan::with(SHOP);
    koan.up(&["--wait"]).code(0);
    koan.write("koan.yaml", &SHOP.replace("tok-123456", "tok-654321").replace("echo web is up", "echo web is up now"));
    let plan = koan.run(&["plan", "--diff"]).code(0).stdout;
    assert!(plan.contains("~ spec.services[api].env[API_TOKEN].value: *** → ***"), "{plan}");
    assert!(plan.contains("~ spec.services[web].process.command: ") && plan.contains("downtime: Recreate"), "{plan}");
    assert!(!plan.contains("654321") && !plan.contains("123456"), "{plan}");
}

/// CLI-5, CLI-23: the profile's source is shown: flag, variable, project file, manifest, default, in this order.
#[test]
fn the_source_of_the_profile_is_shown() {
    let source = |koan: &Koan, flags: &[&str]| {
        let words = [&["plan", "-o", "json"], flags].concat();
        let plan = koan.run(&words).code(0).json();
        format!("{} {}", plan["profile"].as_str().unwrap(), plan["profileSource"].as_str().unwrap())
    };
    let koan = Koan::with(SHOP);
    assert_eq!(source(&koan, &[]), "local default");
    std::fs::create_dir_all(koan.person().join(".config/koan")).unwrap();
    std::fs::write(koan.person().join(".config/koan/config.yaml"), "profile: ci\n").unwrap();
    assert_eq!(source(&koan, &[]), "ci user file");
    koan.write(".koan/config.yaml", "profile: local\n");
    assert_eq!(source(&koan, &[]), "local project file");
    koan.write("koan.yaml", &SHOP.replace("spec:\n", "spec:\n  profile: ci\n"));
    assert_eq!(source(&koan, &[]), "ci file");
    let koan = koan.set("KOAN_ENV", "local");
    assert_eq!(source(&koan, &[]), "local environment");
    assert_eq!(source(&koan, &["--profile", "ci"]), "ci flag");
    koan.up(&["--profile", "ci"]).code(0);
    assert_eq!(koan.status()["profileSource"], "flag");
    assert!(koan.run(&["status"]).code(0).stdout.contains("profile: ci (flag)"));
}

/// CLI-25: `--set`, `--name`, `--conflicts` and `--base-port` change the stack of this run.
#[test]
fn a_run_changes_its_stack() {
    let koan = Koan::with(SHOP);
    koan.up(&[
        "--name",
        "other",
        "--set",
        "spec.suspend=true",
        "--conflicts",
        "fail",
        "--base-port",
        "7",
        "--expose-internals",
        "--no-wait",
    ])
    .code(0);
    let names = koan.run(&["list", "-o", "name"]).code(0).stdout;
    assert_eq!(names, "devstack.koan.dev/other\n");
    let plan = koan.run(&["plan", "--diff", "-o", "json"]).code(0).json();
    assert_eq!(plan["stack"], "shop");
}

/// CLI-27: `--no-launch-state` writes no launch state; without it the ports of the start are kept over `down`.
#[test]
fn the_launch_state_can_be_left_out() {
    let koan = Koan::with(SHOP);
    koan.up(&["--no-launch-state", "--pull", "never", "--build"]).code(0);
    let events = |koan: &Koan| koan.run(&["down"]).code(0).stderr;
    assert!(events(&koan).contains("shop"));
    koan.up(&[]).code(0);
    koan.run(&["down", "--volumes", "--yes"]).code(0);
    assert_eq!(koan.run(&["list", "-o", "json"]).code(0).json()["items"], serde_json::json!([]));
}

/// CLI-10: a stack of another folder is refused with both ways out; `--isolated` gives each folder its own, found without a flag.
#[test]
fn two_folders_do_not_meet() {
    let koan = Koan::with(SHOP);
    koan.up(&[]).code(0);
    let other = tempfile::tempdir().unwrap();
    std::fs::create_dir(other.path().join(".git")).unwrap();
    std::fs::write(other.path().join("koan.yaml"), SHOP).unwrap();
    let elsewhere = |arguments: &[&str]| {
        let output = koan.command(arguments).current_dir(other.path()).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (code, text) = elsewhere(&["up"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("--name") && text.contains("--isolated") && text.contains(koan.project().to_str().unwrap()), "{text}");
    let (code, text) = elsewhere(&["up", "--isolated", "--timeout", "60s"]);
    assert_eq!(code, Some(0), "{text}");
    let (_, status) = elsewhere(&["status", "-o", "json"]);
    let status: Value = serde_json::from_str(&status).unwrap();
    assert!(status["namespace"].as_str().unwrap().starts_with("koan-"), "{status}");
    assert_eq!(koan.status()["namespace"], "default");
    assert_eq!(koan.run(&["list", "--all-namespaces", "-o", "name"]).code(0).stdout.lines().count(), 2);
    assert_eq!(elsewhere(&["down"]).0, Some(0));
    assert_eq!(koan.status()["ready"], "2/2", "the other folder's stack goes on");
}

/// CLI-10: what stands beside a stack goes to the namespace that the stack goes to.
#[test]
fn a_namespace_holds_for_every_object() {
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: login}\nstringData: {token: tok-123456}\n";
    let entry = "env: [{name: API_TOKEN, valueFrom: {secretKeyRef: {name: login, key: token}}}]";
    let koan = Koan::with(&format!("{secret}---\n{}", SHOP.replace("env: [{name: API_TOKEN, value: tok-123456}]", entry)));
    for flags in [&["apply", "--wait", "--timeout", "60s", "-n", "team"][..], &["up", "--isolated", "--timeout", "60s"]] {
        koan.run(flags).code(0);
    }
    assert_eq!(koan.run(&["list", "-A", "-o", "name"]).code(0).stdout.lines().count(), 2);
}

/// CLI-10: in a cluster a stack says whose it is by a part of its folder's hash, and no path of this machine leaves it.
#[test]
fn no_path_leaves_this_machine() {
    let koan = Koan::with(SHOP);
    koan.run(&["serve", "--background", "--no-controller"]).code(0);
    let kubeconfig = koan.write("kubeconfig", &koan.run(&["context", "print"]).code(0).stdout);
    let away = |words: &[&str]| {
        let output = koan.command(&[words, &["--context", "koan"]].concat()).env("KUBECONFIG", &kubeconfig).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    assert_eq!(away(&["apply"]).0, Some(0), "{}", away(&["apply"]).1);
    let stack = koan.objects("default", "devstacks").remove(0);
    let owner = stack["metadata"]["annotations"]["koan.dev/project"].as_str().unwrap().to_owned();
    assert!(owner.len() == 12 && owner.chars().all(|c| c.is_ascii_hexdigit()), "{owner}");
    assert_eq!(away(&["apply"]).0, Some(0), "the same folder owns it still");
    assert!(koan.run(&["apply"]).code(2).stderr.contains("belongs to"), "at home it is another project's");
}

/// CLI-10: a manifest under another name belongs to its folder, by `-f` from anywhere.
#[test]
fn a_manifest_may_have_another_name() {
    let koan = Koan::new();
    koan.write("deploy/dev.yaml", SHOP);
    koan.up(&["--file", "deploy/dev.yaml"]).code(0);
    let folder = koan.project().canonicalize().unwrap().join("deploy");
    assert_eq!(koan.status()["project"], folder.to_str().unwrap());
    assert_eq!(koan.run(&["status", "-f", "deploy", "-o", "name"]).code(0).stdout, "devstack.koan.dev/shop\n");
}

/// CLI-22, REL-4: `apply --prune` deletes stacks of this project alone; `--wait` waits, `--redetect` asks anew.
#[test]
fn apply_prunes_what_the_manifest_lost() {
    let koan = Koan::with(&format!("{SHOP}---\n{}", SHOP.replace("name: shop", "name: depot")));
    koan.run(&["apply", "--wait", "--redetect", "--timeout", "60s"]).code(0);
    koan.write("koan.yaml", SHOP);
    let output = koan.run(&["apply", "--server-side", "--prune", "-f", "koan.yaml"]).code(0);
    assert!(output.stderr.contains("devstack/depot pruned") && output.stderr.contains("devstack/shop configured"), "{output:?}");
    until("depot is gone", || (koan.run(&["list", "-o", "name"]).stdout == "devstack.koan.dev/shop\n").then_some(()));
}

/// DET-26, CLI-18: `apply --redetect --wait` ends with the decision that it asked for, never with the one of before, and asks the
/// services of a stack and those that stand alone.
#[test]
fn a_redetection_is_waited_for() {
    let alone = "apiVersion: koan.dev/v1alpha1\nkind: ServiceSpec\nmetadata: {name: lonely}\nspec:\n  process: {command: [sh, -c, 'echo alone; exec sleep 600']}\n  health: {log: {pattern: alone}}\n";
    let koan = Koan::with(&format!("{SHOP}---\n{alone}"));
    koan.run(&["apply", "--wait", "--timeout", "60s"]).code(0);
    let decided = || {
        let specs = koan.objects("default", "servicespecs");
        let of = |spec: &Value| {
            (spec["metadata"]["name"].as_str().unwrap().to_owned(), spec["status"]["decision"]["observedAt"].clone())
        };
        specs.iter().map(of).collect::<Vec<_>>()
    };
    let before = decided();
    assert_eq!(before.len(), 3, "{before:?}");
    koan.run(&["apply", "--redetect", "--wait", "--timeout", "60s"]).code(0);
    let after = decided();
    for ((name, earlier), (_, later)) in before.iter().zip(&after).filter(|((name, _), _)| name != "lonely") {
        assert!(later.as_str() > earlier.as_str(), "{name}: {earlier} is the decision of before");
    }
    let lonely = |list: &[(String, Value)]| list.iter().find(|(name, _)| name == "lonely").unwrap().1.clone();
    until("the one that stands alone decides anew", || (lonely(&decided()) != lonely(&before)).then_some(()));
}

/// CLI-17, DET-2: plan and up end with the same code where something stands in the way, and the plan names it.
#[test]
fn plan_and_up_end_with_the_same_code() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let rows = [
        (format!("  services:\n  - {{name: db, adapter: postgres, provisioning: {{mode: Never}}, detection: {{ports: [{free}]}}}}\n"), 6, "HostServiceRequired"),
        ("  services:\n  - {name: web, container: {image: 'nowhere.invalid/x:1'}, health: {tcp: {port: 80}}, ports: [{name: a, containerPort: 80}]}\n".to_owned(), 3, "NoneAvailable"),
        ("  engine: {name: Docker}\n  services:\n  - {name: db, adapter: postgres, provisioning: {mode: Always}}\n".to_owned(), 3, "ForcedUnavailable"),
    ];
    for (spec, code, reason) in rows {
        let koan = Koan::with(&format!("{HEAD}{spec}"));
        let plan = koan.run(&["plan", "-o", "json"]).code(code);
        assert_eq!(plan.error()["reason"], reason, "{plan:?}");
        assert!(plan.json()["obstacles"][0].as_str().unwrap().contains(reason), "{plan:?}");
        assert_eq!(koan.up(&["-o", "json"]).code(code).error()["reason"], reason, "{spec}");
    }
}
