//! `relay <kubectl> [record.json]`: which commands of a kubectl fail against a server that lacks one feature (API-38).
//!
//! Starts an embedded server, and for each feature a relay in front of it that takes the feature away; runs the same commands
//! through each and prints a table. The requests of the run that lacks nothing are written to `record.json`, in the form of a
//! corpus of `tests/goldens`.

mod relay;

use std::error::Error;
use std::path::Path;

use koan_apiserver::Server;
use kube::Client;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Command;

use relay::{FEATURES, Relay};

/// Commands by name; `{map}`, `{crd}` and `{object}` are files.
const COMMANDS: [(&str, &str); 18] = [
    ("create namespace", "create namespace relay"),
    ("create configmap", "create configmap made --from-literal=a=1"),
    ("create secret", "create secret generic made --from-literal=a=1"),
    ("apply", "apply -f {map}"),
    ("apply again", "apply -f {map}"),
    ("apply of a definition", "apply -f {crd}"),
    ("wait", "wait --for=condition=Established --timeout=10s crd/relays.golden.example.com"),
    ("apply of its object", "apply -f {object}"),
    ("apply of it again", "apply -f {object}"),
    ("apply --server-side", "apply --server-side --force-conflicts -f {map}"),
    ("get", "get configmap made"),
    ("get with columns", "get relays"),
    ("get -o yaml", "get configmap made -o yaml"),
    ("describe", "describe configmap made"),
    ("label", "label configmap made x=y"),
    ("explain", "explain configmap"),
    ("auth can-i", "auth can-i create configmaps"),
    ("delete", "delete configmap made --timeout=10s"),
];

fn files(directory: &Path) -> std::io::Result<()> {
    let column = json!({"name": "Size", "type": "integer", "jsonPath": ".size"});
    let schema = json!({"type": "object", "properties": {"size": {"type": "integer"}}});
    let version = json!({
        "name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema},
        "additionalPrinterColumns": [column],
    });
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "relays.golden.example.com"},
        "spec": {
            "group": "golden.example.com", "scope": "Namespaced", "names": {"plural": "relays", "kind": "Relay"},
            "versions": [version],
        },
    });
    let object = json!({"apiVersion": "golden.example.com/v1", "kind": "Relay", "metadata": {"name": "one"}, "size": 3});
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied"}, "data": {"a": "1"}});
    for (name, value) in [("map", map), ("crd", definition), ("object", object)] {
        std::fs::write(directory.join(format!("{name}.json")), value.to_string())?;
    }
    Ok(())
}

/// Which commands fail, and what was asked.
async fn tried(kubectl: &str, lacking: Option<&'static str>) -> Result<(Vec<&'static str>, Vec<Value>), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    files(directory.path())?;
    let server = Server::builder().start().await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    let relay = Relay::new(Client::new(server.service(), "default"), lacking);
    let serving = tokio::spawn(std::sync::Arc::clone(&relay).serve(listener));
    let mut failing = Vec::new();
    for (name, command) in COMMANDS {
        let path = |file: &str| directory.path().join(format!("{file}.json")).display().to_string();
        let command = ["map", "crd", "object"]
            .iter()
            .fold(command.to_owned(), |command, file| command.replace(&format!("{{{file}}}"), &path(file)));
        let output = Command::new(kubectl)
            .args(command.split(' '))
            .args(["--server", &address, "--cache-dir"])
            .arg(directory.path().join("cache"))
            .env_clear()
            .env("HOME", directory.path())
            .output()
            .await?;
        let columns = name != "get with columns" || String::from_utf8_lossy(&output.stdout).contains("SIZE");
        if !output.status.success() || !columns {
            failing.push(name);
        }
    }
    serving.abort();
    server.shutdown();
    Ok((failing, relay.requests()))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let kubectl = arguments.next().ok_or("usage: relay <kubectl> [record.json]")?;
    let (failing, requests) = tried(&kubectl, None).await?;
    println!("| lacking | commands that fail |\n|---|---|");
    println!("| nothing ({} requests) | {} |", requests.len(), failing.join(", "));
    if let Some(path) = arguments.next() {
        let lines: Vec<String> = requests.iter().map(|request| format!("    {request}")).collect();
        let about = json!(format!("What {kubectl} sends."));
        std::fs::write(path, format!("{{\n  \"about\": {about},\n  \"requests\": [\n{}\n  ]\n}}\n", lines.join(",\n")))?;
    }
    for feature in FEATURES {
        let (failing, _) = tried(&kubectl, Some(feature)).await?;
        println!("| {feature} | {} |", failing.join(", "));
    }
    Ok(())
}
