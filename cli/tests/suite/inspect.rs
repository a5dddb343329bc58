//! `koan inspect`: the project as Koan sees it, without a server, a home or a probe.

use std::path::Path;

use serde_json::Value;

use crate::program::{HEAD, Koan, SHOP};

fn named<'a>(list: &'a Value, name: &str) -> &'a Value {
    let items = list.as_array().unwrap_or_else(|| panic!("{list}"));
    items.iter().find(|item| item["name"] == name).unwrap_or_else(|| panic!("{name} in {list}"))
}

/// Everything below a folder with its bytes.
fn tree(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.push((path.display().to_string(), std::fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// Section 2 of cli.md: without a project the answer says so and ends with 0; no command at all means the same.
#[test]
fn a_folder_without_a_project_is_told() {
    let koan = Koan::new();
    let report = koan.run(&["inspect", "-o", "json"]).code(0).json();
    let cwd = koan.project().canonicalize().unwrap().display().to_string();
    assert_eq!((report["detected"].as_bool(), report["cwd"].as_str()), (Some(false), Some(cwd.as_str())), "{report}");
    assert_eq!(report.as_object().unwrap().len(), 4, "{report}");
    assert_eq!(koan.run(&["-o", "json"]).code(0).json(), report);
    assert!(koan.run(&["inspect"]).code(0).stdout.contains("koan init"));
}

/// CLI-24, CLI-27: services, what they wait for, what is left out, contested names; nothing is written, neither project nor home.
#[test]
fn a_project_is_shown_and_nothing_is_written() {
    let koan = Koan::with(&format!(
        "{HEAD}  services:\n  - {{name: db, adapter: postgres}}\n  - {{name: books, adapter: pg, dependsOn: [{{name: db}}]}}\n  \
         - {{name: mail, adapter: redis, provisioning: {{mode: Disabled}}}}\n"
    ));
    let before = tree(koan.project());
    let report = koan.run(&["inspect", "-o", "json"]).code(0).json();
    assert_eq!((report["detected"].as_bool(), report["stack"].as_str()), (Some(true), Some("shop")), "{report}");
    let db = named(&report["services"], "db");
    assert_eq!((db["activated"].as_str(), db["adapter"].as_str()), (Some("ExplicitConfig"), Some("postgres")), "{report}");
    assert_eq!(db["ports"][0]["container"], 5432, "{report}");
    assert_eq!(named(&report["services"], "books")["gates"][0], "db Ready", "{report}");
    assert_eq!(named(&report["inactive"], "mail")["reason"], "Disabled", "{report}");
    let conflicts = report["conflicts"].to_string();
    assert!(conflicts.contains("DATABASE_URL would be set by db, books"), "{report}");
    assert_eq!(named(&report["providers"], "Docker")["available"], false, "{report}");
    let human = koan.run(&["inspect"]).code(0).stdout;
    for title in ["PROVIDERS", "APPLICATION", "SERVICES", "DEPENDENCIES", "INACTIVE", "CONFLICTS", "COMMANDS"] {
        assert!(human.lines().any(|line| line == title), "{title}: {human}");
    }
    assert!(human.contains("books  after db Ready"), "{human}");
    assert_eq!(tree(koan.project()), before, "the project is as it was");
    assert!(!koan.home().exists() && !koan.serves(), "neither a home nor a server was made");
}

/// CLI-24: a package is a hint, a connection string and a compose service match a recipe, a setting for Koan is explicit, what is costly
/// has to be listed, files are no service; what the manifest lists is none of them. No value is shown.
#[test]
fn what_speaks_for_a_service_decides_about_it() {
    let koan = Koan::with(&format!("{HEAD}  services:\n  - {{name: cache, adapter: redis}}\n"));
    koan.write("package.json", r#"{"dependencies": {"amqplib": "1", "ioredis": "5", "ollama": "1", "better-sqlite3": "1"}}"#);
    koan.write("Shop/Shop.csproj", "<PackageReference Include=\"LiteDB\" Version=\"5\" />");
    koan.write(".env", "DATABASE_URL=postgres://u:hunter2x@127.0.0.1/shop\n");
    koan.write("appsettings.json", r#"{"Koan": {"Data": {"Mongo": {"ConnectionString": "mongodb://127.0.0.1"}}}}"#);
    koan.write("compose.yaml", "services:\n  broker:\n    image: nats:2\n");
    let output = koan.run(&["inspect", "-o", "json"]).code(0);
    let report = output.json();
    let reason = |list: &str, name: &str| named(&report[list], name)["reason"].as_str().unwrap().to_owned();
    assert_eq!(reason("unlisted", "postgres"), "RecipeMatched", "{report}");
    assert_eq!(reason("unlisted", "nats"), "RecipeMatched", "{report}");
    assert_eq!(reason("unlisted", "mongodb"), "ExplicitConfig", "{report}");
    assert_eq!(reason("inactive", "rabbitmq"), "HintOnly", "{report}");
    assert_eq!(reason("inactive", "ollama"), "OptInRequired", "{report}");
    assert_eq!(reason("inactive", "sqlite"), "NotContainerisable", "{report}");
    assert_eq!(named(&report["inactive"], "litedb")["seen"][0], "Shop/Shop.csproj: LiteDB", "{report}");
    assert!(!report["inactive"].to_string().contains("redis"), "it is listed: {report}");
    assert!(!format!("{output:?}").contains("hunter2x"), "{output:?}");
    let services: Vec<&str> =
        report["services"].as_array().unwrap().iter().filter_map(|service| service["name"].as_str()).collect();
    assert_eq!(services, ["cache"], "what no manifest lists is not started");
}

/// CLI-22: a file beside the manifest that cannot be read is told and hides nothing else.
#[test]
fn a_broken_file_beside_the_manifest_is_told() {
    let koan = Koan::with(SHOP);
    koan.write("compose.yaml", "services: [");
    koan.write("appsettings.json", "{");
    let output = koan.run(&["inspect", "-o", "json"]).code(0);
    assert!(output.stderr.contains("notice: compose.yaml") && output.stderr.contains("notice: appsettings.json"), "{output:?}");
    assert_eq!(output.json()["stack"], "shop");
    koan.write("koan.yaml", &SHOP.replace("dependsOn", "dependOn"));
    koan.run(&["inspect"]).code(2);
}

/// CLI-5: each setting has its value and its source: flag, variable, project file, user file, default, in this order.
#[test]
fn settings_are_shown_with_their_source() {
    let koan = Koan::with(SHOP).set("KOAN_PORT_PROBE_MAX", "7");
    koan.write(".koan/config.yaml", "timeout: 90s\nportProbeMax: 9\n");
    let user = koan.person().join(".config/koan");
    std::fs::create_dir_all(&user).unwrap();
    std::fs::write(user.join("config.yaml"), "timeout: 5s\nnamespace: team\n").unwrap();
    let report = koan.run(&["inspect", "-o", "json", "--engine", "podman"]).code(0).json();
    let setting = |name: &str| {
        let line = named(&report["settings"], name);
        format!("{} {}", line["value"].as_str().unwrap_or("-"), line["source"].as_str().unwrap())
    };
    assert_eq!(setting("engine"), "podman flag");
    assert_eq!(setting("portProbeMax"), "7 environment");
    assert_eq!(setting("timeout"), "90s project file");
    assert_eq!(setting("namespace"), "team user file");
    assert_eq!(setting("profile"), "- default");
    assert!(setting("home").ends_with("/state environment"), "{}", setting("home"));
    assert_eq!((report["profile"].as_str(), report["profileSource"].as_str()), (Some("local"), Some("default")));
}

/// CLI-30, CLI-29: ports as the flags would have them; one that somebody holds is a conflict.
#[test]
fn ports_follow_the_flags() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let held = holder.local_addr().unwrap().port();
    let koan = Koan::with(&format!("{HEAD}  services:\n  - {{name: cache, adapter: redis}}\n"));
    let report = |flags: &[&str]| koan.run(&[&["inspect", "-o", "json"], flags].concat()).code(0).json();
    assert_eq!(report(&["--base-port", "100"])["services"][0]["ports"][0]["host"], 6479);
    assert_eq!(report(&["--expose-internals"])["services"][0]["ports"][0]["published"], true);
    let fixed = report(&["--port", &format!("cache={held}")]);
    assert_eq!(fixed["services"][0]["ports"][0]["host"], held, "{fixed}");
    assert!(fixed["conflicts"].to_string().contains(&format!("port {held} of cache is held")), "{fixed}");
}
