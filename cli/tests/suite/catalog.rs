//! `koan catalog`: what is known of adapters, without a server, a home or an engine.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::program::{Koan, Output};

fn words(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// DET-39, CLI-2: the list has every adapter with image, ports and maturity; the names are ids; nothing is started for it.
#[test]
fn the_list_has_every_adapter() {
    let koan = Koan::new();
    let list = koan.run(&["catalog", "list", "-o", "json"]).code(0).json();
    assert_eq!(list["kind"], "CatalogList");
    let items = list["items"].as_array().unwrap();
    assert!(items.len() >= 12, "{list}");
    for item in items {
        assert!(["Stable", "Preview"].contains(&item["maturity"].as_str().unwrap()), "{item}");
        assert!(item["image"].as_str().unwrap().contains(':') && item["ports"][0]["port"].is_u64(), "{item}");
    }
    let ids: Vec<String> = items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect();
    assert!(ids.is_sorted(), "{ids:?}");
    assert_eq!(koan.run(&["catalog", "-o", "name"]).code(0).stdout.lines().collect::<Vec<_>>(), ids);
    let human = koan.run(&["catalog", "list"]).code(0).stdout;
    let row = human.lines().find(|line| line.starts_with("postgres ")).unwrap();
    assert!(row.contains("postgresql,pg,npgsql") && row.contains(" 5432"), "{human}");
    assert!(koan.run(&["catalog", "list", "-o", "wide"]).code(0).stdout.starts_with("ID  "));
    assert!(!koan.home().exists(), "no home was made");
}

/// DET-48: `show` tells of each adapter what is asked, what is started and what is injected; an alias means the same.
#[test]
fn every_adapter_can_be_shown() {
    let koan = Koan::new();
    for id in koan.run(&["catalog", "list", "-o", "name"]).code(0).stdout.lines() {
        let shown = koan.run(&["catalog", "show", id, "-o", "json"]).code(0).json();
        assert_eq!((shown["kind"].as_str(), shown["id"].as_str()), (Some("CatalogEntry"), Some(id)));
        assert!(!shown["detection"]["greeting"].as_str().unwrap().is_empty(), "{shown}");
        assert!(!shown["detection"]["proof"].as_str().unwrap().is_empty(), "{shown}");
        assert_eq!(shown["maturity"] == "Preview", shown["previewBecause"].is_string(), "{shown}");
        let injected: BTreeSet<&str> =
            shown["injected"].as_array().unwrap().iter().filter_map(|variable| variable["name"].as_str()).collect();
        let own = format!("KOAN_{}_URL", id.to_ascii_uppercase().replace('-', "_"));
        assert!(injected.contains(own.as_str()), "{shown}");
        let human = koan.run(&["catalog", "show", id]).code(0).stdout;
        assert!(human.contains(&own) && human.contains(shown["image"].as_str().unwrap()), "{human}");
    }
    let shown = koan.run(&["catalog", "show", "pg", "-o", "json"]).code(0).json();
    assert_eq!((shown["id"].as_str(), shown["minimumVersion"].as_str()), (Some("postgres"), Some("12")), "{shown}");
    assert_eq!(words(&shown["detection"]["defaultLogins"]), ["default:1 postgres/postgres"], "published, so no secret");
    let url = shown["injected"].as_array().unwrap().iter().find(|variable| variable["name"] == "DATABASE_URL").unwrap();
    assert_eq!(url["value"], "postgres://postgres:PASSWORD@127.0.0.1:5432/shop");
    let password = shown["environment"].as_array().unwrap().iter().find(|v| v["name"] == "POSTGRES_USER").unwrap();
    assert_eq!(password["value"], "<username>", "what is made at run time has no value here");
}

/// DET-39, CLI-22: a misspelt adapter ends with 2 and the nearest names; one like none names the command that lists them.
#[test]
fn a_misspelt_adapter_has_a_hint() {
    let koan = Koan::new();
    for words in [&["catalog", "show", "postgrs"][..], &["catalog", "render", "postgrs"], &["init", "--adapter", "postgrs"]] {
        let output = koan.run(words).code(2);
        assert!(output.stdout.is_empty() && output.stderr.contains("hint: did you mean postgres"), "{output:?}");
    }
    let output = koan.run(&["catalog", "show", "zzzzzzzzzz"]).code(2);
    assert!(output.stderr.contains("`koan catalog list`"), "{output:?}");
}

/// DET-37, DET-39: the catalogue that this program carries passes its own lint.
#[test]
fn the_catalogue_is_fit_to_ship() {
    let koan = Koan::new();
    let report = koan.run(&["catalog", "lint", "-o", "json"]).code(0).json();
    assert_eq!(
        (report["kind"].as_str(), report["findings"].as_array().map(Vec::len)),
        (Some("CatalogLint"), Some(0)),
        "{report}"
    );
    assert!(koan.run(&["catalog", "lint"]).code(0).stdout.ends_with(" adapters, nothing to find fault with\n"));
}

/// DET-37: the images stand one a line with their exact tags, ready for a loop that pulls them.
#[test]
fn images_stand_one_a_line() {
    let koan = Koan::new();
    let text = koan.run(&["catalog", "images"]).code(0).stdout;
    let images: Vec<&str> = text.lines().collect();
    assert!(images.is_sorted() && images.len() >= 12, "{text}");
    for image in images {
        let (place, tag) = image.rsplit_once(':').unwrap();
        assert!(place.split_once('/').is_some_and(|(registry, _)| registry.contains('.')), "{image}");
        assert!(tag != "latest" && tag.contains(|letter: char| letter.is_ascii_digit()), "{image}");
    }
    assert_eq!(koan.run(&["catalog", "images", "-o", "json"]).code(0).json()["kind"], "CatalogList");
}

fn with_input(koan: &Koan, arguments: &[&str], input: &str) -> Output {
    let mut command = koan.command(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Output { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// INT-48: what is rendered passes validation, for every adapter, and is what its page shows; parameters lie over it, `--set` last.
#[test]
fn every_adapter_renders_a_valid_stack() {
    let koan = Koan::new();
    for id in koan.run(&["catalog", "list", "-o", "name"]).code(0).stdout.lines() {
        let rendered = koan.run(&["catalog", "render", id]).code(0).stdout;
        let validated = with_input(&koan, &["validate", "-f", "-"], &rendered).code(0);
        assert_eq!(validated.stdout, format!("devstack/{id} is valid\n"));
        let shown = koan.run(&["catalog", "show", id, "-o", "json"]).code(0).json();
        let manifest = |text: &str| serde_saphyr::from_str::<Value>(text).unwrap();
        assert_eq!(manifest(shown["example"].as_str().unwrap())["spec"], manifest(&rendered)["spec"], "{id}");
    }
    koan.write("values.yaml", "name: orders\ndatabase: books\nprovisioning: {mode: Never}\n");
    let words = ["catalog", "render", "pg", "--values", "values.yaml", "--set", "provisioning.mode=Always", "-o", "json"];
    let stack = koan.run(&words).code(0).json();
    assert_eq!(stack["metadata"]["name"], "orders");
    let service = &stack["spec"]["services"][0];
    assert_eq!((&service["adapter"], &service["database"]), (&"postgres".into(), &"books".into()), "{stack}");
    assert_eq!(service["provisioning"]["mode"], "Always", "{stack}");
    let piped = with_input(&koan, &["catalog", "render", "pg", "--values", "-", "-o", "name"], "name: ledger\n").code(0);
    assert_eq!(piped.stdout, "devstack.koan.dev/ledger\n");
}

/// CLI-22, INT-48: values that are no fields, and parameters that nothing takes, end with 2 and name file, line and field.
#[test]
fn values_that_do_not_fit_are_refused() {
    let koan = Koan::new();
    let values = koan.write("values.yaml", "name: orders\nprovisionin: {mode: Never}\n");
    let render = |more: &[&str]| koan.run(&[&["catalog", "render", "redis"], more].concat()).code(2);
    let place = format!("{}:2:1  spec.services[0].provisionin", values.display());
    let refused = render(&["--values", values.to_str().unwrap()]).stderr;
    assert!(refused.contains(&place) && refused.contains("did you mean provisioning?"), "{refused}");
    koan.write("list.yaml", "- a\n");
    assert!(render(&["--values", "list.yaml"]).stderr.contains("key: value is expected"));
    assert!(render(&["--values", "nowhere.yaml"]).stderr.contains("cannot read nowhere.yaml"));
    assert!(render(&["--set", "name"]).stderr.contains("such as --set provisioning.mode=Always"));
    assert!(render(&["--set", "provisioning.mode=Newer"]).stderr.contains("did you mean Never"));
    assert!(render(&["--set", "name=Bad Name"]).stderr.contains("spec.services[0].name"));
}
