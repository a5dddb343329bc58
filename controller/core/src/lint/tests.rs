use std::collections::BTreeSet;
use std::time::Duration;

use super::lint;
use crate::recipe::{CandidateMore, ImageName, Maturity, Recipe, RecipePort};
use crate::text::{Part, Text};

const IMAGE: ImageName = ImageName { registry: "docker.io", repository: "library/ledger", tag: "1.2.3", mirrors: &[] };

/// A row without a fault.
fn ledger() -> Recipe {
    Recipe {
        maturity: Maturity::Stable,
        data_paths: |_tag| &["/var/lib/ledger"],
        keeps_data: true,
        schemes: &["ledger"],
        greeting: "Nothing: the server speaks first.",
        proof: "A look at the books.",
        conventional_names: &[("LEDGER_URL", "url")],
        ..Recipe::new("ledger", "Ledger", IMAGE, &[RecipePort { name: "ledger", port: 7000 }])
    }
}

fn tagged(tag: &'static str) -> Recipe {
    Recipe { image: ImageName { tag, ..IMAGE }, ..ledger() }
}

fn fields(rows: &[Recipe]) -> Vec<String> {
    let findings = lint(rows, &BTreeSet::from(["ledger"]));
    assert!(findings.iter().all(|finding| !finding.message.is_empty() && !finding.remedy.is_empty()), "{findings:?}");
    findings.into_iter().map(|finding| format!("{} {}", finding.adapter, finding.field)).collect()
}

/// DET-37: a tag that stands for one release passes, whatever its form; `latest` and every tag that moves on fails.
#[test]
fn floating_tags_are_found() {
    let exact = ["1.2.3", "v26.2.3", "4.3.5-management", "2.14.5-alpine", "0.8.1-pg18", "community-8.0.2"];
    for tag in exact.into_iter().chain(["RELEASE.2025-09-07T16-13-09Z", "2025-CU6-GDR1-ubuntu-24.04"]) {
        assert_eq!(fields(&[tagged(tag)]), [] as [&str; 0], "{tag}");
    }
    for tag in
        ["latest", "", "18", "8.4", "18-alpine3.20", "stable", "management", "alpine", "v2", "2025", "1.2.x", "2025-latest"]
    {
        assert_eq!(fields(&[tagged(tag)]), ["ledger image.tag"], "{tag}");
    }
    let two = Recipe { version_parts: 2, ..tagged("18.6") };
    assert_eq!(fields(&[two]), [] as [&str; 0], "a product may have versions of two numbers");
}

/// DET-39: Stable without a real server for its matrix, a preview without its reason, and each missing column, is named.
#[test]
fn what_a_row_lacks_is_named() {
    let stable = Recipe { id: "depot", ..ledger() };
    let preview = Recipe { maturity: Maturity::Preview("no server can be had"), ..stable.clone() };
    assert_eq!(fields(&[stable]), ["depot maturity"]);
    assert_eq!(fields(&[preview]), [] as [&str; 0]);
    let bare =
        Recipe { wave: 3, readiness: Duration::ZERO, maturity: Maturity::Preview(" "), ..Recipe::new("bare", "", IMAGE, &[]) };
    let columns = ["title", "ports", "schemes", "greeting", "proof", "readiness", "maturity", "wave"];
    assert_eq!(fields(&[bare]), columns.map(|column| format!("bare {column}")));
}

/// DET-39: ids and aliases name one row each, and are written as a manifest writes them.
#[test]
fn names_that_are_taken_are_found() {
    let other = Recipe { id: "books", aliases: &["ledger", "Big Book"], maturity: Maturity::Preview("new"), ..ledger() };
    assert_eq!(fields(&[ledger(), other]), ["books aliases", "books aliases"]);
    assert_eq!(fields(&[ledger(), ledger()]), ["ledger id"]);
}

/// DET-39: a port that no text may name, one that stands twice, and the number 0.
#[test]
fn unknown_ports_are_found() {
    const PORTS: &[RecipePort] = &[RecipePort { name: "a", port: 0 }, RecipePort { name: "a", port: 1 }];
    assert_eq!(fields(&[Recipe { ports: PORTS, ..ledger() }]), ["ledger ports", "ledger ports"]);
    let text = Recipe { env: vec![("PORT".to_owned(), Text(vec![Part::Port("admin".to_owned())]))], ..ledger() };
    assert_eq!(fields(&[text]), ["ledger env"]);
    let output = Recipe { outputs: &[("adminUrl", "http://{host}:{port:9000}")], ..ledger() };
    assert_eq!(fields(&[output]), ["ledger outputs.adminUrl"]);
}

/// DET-36, DET-34: data without a path, a variable without a value, a pattern without a filling, a login without its candidate.
#[test]
fn what_nothing_stands_behind_is_found() {
    let homeless = Recipe { data_paths: |_tag| &[], ..ledger() };
    let relative = Recipe { data_paths: |_tag| &["data"], ..ledger() };
    assert_eq!((fields(&[homeless]), fields(&[relative])), (vec!["ledger data_paths".into()], vec!["ledger data_paths".into()]));
    let unmade = Recipe { conventional_names: &[("LEDGER_DSN", "dsn")], url_pattern: "{scheme}://{hots}:{port}", ..ledger() };
    assert_eq!(fields(&[unmade]), ["ledger conventional_names", "ledger url_pattern"]);
    const MORE: &[CandidateMore] = &[CandidateMore {
        of: "LEDGER_URL",
        user: None,
        pair: false,
        password: None,
        token: Some("LEDGER_TOKEN"),
        database: None,
    }];
    let lost = Recipe { candidate_names: &["BOOK_URL", "BOOK_URL"], candidate_more: MORE, ..ledger() };
    assert_eq!(fields(&[lost]), ["ledger candidate_names", "ledger candidate_more"]);
}

/// DET-37: places of an image are a registry's host and a path in it, each once.
#[test]
fn places_of_images_are_checked() {
    const MIRRORS: &[(&str, &str)] = &[("quay.io", "ledger/ledger"), ("docker.io", "library/ledger"), ("quay", "Ledger:1")];
    let row = Recipe { image: ImageName { mirrors: MIRRORS, ..IMAGE }, ..ledger() };
    assert_eq!(fields(&[row]), ["ledger image.mirrors"; 3]);
}
