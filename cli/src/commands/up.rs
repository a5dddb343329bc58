use clap::Args;
use koan_crds::names;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::progress::Progress;
use super::{Run, apply, environment, prepare};
use crate::failure::{Failure, suggest};
use crate::follow;
use crate::home::{Session, Start};
use crate::manifest::Document;
use crate::output::{StackStatus, emit, say};

/// Bring a stack up and wait until every service is ready
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Name of the stack, where the manifest holds several
    stack: Option<String>,
    /// Do not wait for Ready
    #[arg(long)]
    no_wait: bool,
    /// Another name for the stack
    #[arg(long = "name", value_name = "NAME")]
    rename: Option<String>,
    /// Use a namespace of this project folder's own
    #[arg(long, env = "KOAN_ISOLATED", value_parser = clap::builder::BoolishValueParser::new(), num_args = 0, default_missing_value = "true")]
    isolated: Option<bool>,
    /// Added once to declared and default ports
    #[arg(long, value_name = "N")]
    base_port: Option<u16>,
    /// Publish every port on loopback
    #[arg(long)]
    expose_internals: bool,
    /// What a busy port does
    #[arg(long, value_name = "POLICY", value_parser = ["repick", "warn", "fail"])]
    conflicts: Option<String>,
    /// Mode of one service: SERVICE=Auto|Always|Never|Disabled
    #[arg(long, value_name = "SERVICE=MODE")]
    provisioning: Vec<String>,
    /// Set a field of the stack: PATH=VALUE, such as spec.suspend=true
    #[arg(long = "set", value_name = "PATH=VALUE")]
    sets: Vec<String>,
}

pub(crate) async fn run(run: &Run, arguments: &Arguments) -> Result<u8, Failure> {
    let prepared = prepare::prepare(run, |value| amend(value, arguments))?;
    for warning in &prepared.warnings {
        say(run.globals.quiet, &format!("warning: {warning}"));
    }
    let project = prepared.found.project.display().to_string();
    let mut documents = prepared.found.documents.clone();
    if arguments.isolated == Some(true) {
        isolate(&mut documents, &project);
    }
    let chosen = choose(&documents, arguments.stack.as_deref())?;
    let session = apply::open(run, Start::IfNeeded).await?;
    ensure_namespace(&session, &documents).await?;
    environment::store(run, &session, &documents[chosen], None).await?;
    apply::apply_all(run, &session, &documents, false).await?;
    environment::adopt(run, &session, &documents[chosen]).await?;
    if arguments.no_wait {
        return Ok(0);
    }
    let status = wait_ready(run, &session, &documents[chosen]).await?;
    emit(&status, run.globals.format());
    Ok(0)
}

/// Waits for a stack that was applied, showing changes on stderr.
///
/// # Errors
/// As [`follow::until_ready`].
pub(crate) async fn wait_ready(run: &Run, session: &Session, stack: &Document) -> Result<StackStatus, Failure> {
    let namespace = namespace(stack);
    let mut progress = Progress::of(&run.globals);
    let answer =
        follow::until_ready(session, &namespace, stack.name(), run.settings.timeout, |service| progress.changed(service)).await;
    progress.clear();
    answer
}

fn namespace(document: &Document) -> String {
    document.value.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or("default").to_owned()
}

/// Hex digits of the hash that names a project's own namespace.
const ISOLATED_DIGITS: usize = 12;

fn isolate(documents: &mut [Document], project: &str) {
    let digest = names::hex(&Sha256::digest(project.as_bytes()));
    for document in documents.iter_mut().filter(|d| d.kind != "Namespace") {
        document.value["metadata"]["namespace"] = json!(format!("koan-{}", &digest[..ISOLATED_DIGITS]));
    }
}

async fn ensure_namespace(session: &Session, documents: &[Document]) -> Result<(), Failure> {
    use k8s_openapi::api::core::v1::Namespace;
    use kube::api::{Patch, PatchParams};
    let mut wanted: Vec<String> = documents.iter().filter(|d| d.kind != "Namespace").map(namespace).collect();
    wanted.sort();
    wanted.dedup();
    let namespaces: kube::Api<Namespace> = kube::Api::all(session.client.clone());
    for name in wanted.iter().filter(|name| name.as_str() != "default") {
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        let parameters = PatchParams::apply(koan_crds::labels::MANAGER_CLI).force();
        namespaces
            .patch(name, &parameters, &Patch::Apply(&object))
            .await
            .map_err(|e| crate::home::api("apply", &format!("namespace {name}"), e))?;
    }
    Ok(())
}

fn choose(documents: &[Document], name: Option<&str>) -> Result<usize, Failure> {
    let stacks: Vec<usize> = (0..documents.len()).filter(|i| documents[*i].kind == "DevStack").collect();
    let names = || stacks.iter().map(|i| documents[*i].name().to_owned()).collect::<Vec<_>>();
    match (name, stacks.as_slice()) {
        (Some(name), _) => stacks.iter().copied().find(|i| documents[*i].name() == name).ok_or_else(|| Failure::Unknown {
            kind: "stack",
            name: name.to_owned(),
            nearest: suggest(name, names()),
        }),
        (None, [only]) => Ok(*only),
        (None, []) => Err(Failure::Usage {
            message: "the manifest holds no DevStack".to_owned(),
            hint: "`koan apply` takes manifests without one".to_owned(),
        }),
        (None, _) => Err(Failure::Ambiguous { names: names() }),
    }
}

fn amend(stack: &mut Value, arguments: &Arguments) -> Result<(), Failure> {
    if let Some(name) = &arguments.rename {
        stack["metadata"]["name"] = json!(name);
    }
    if let Some(offset) = arguments.base_port {
        stack["spec"]["ports"]["offset"] = json!(offset);
    }
    if arguments.expose_internals {
        stack["spec"]["exposeInternals"] = json!(true);
    }
    if let Some(policy) = &arguments.conflicts {
        let word = match policy.as_str() {
            "repick" => "Repick",
            "warn" => "Warn",
            _ => "Fail",
        };
        stack["spec"]["ports"]["conflicts"] = json!(word);
    }
    for pair in &arguments.provisioning {
        set_mode(stack, pair)?;
    }
    for pair in &arguments.sets {
        set_path(stack, pair)?;
    }
    Ok(())
}

fn set_mode(stack: &mut Value, pair: &str) -> Result<(), Failure> {
    let refuse = |message: String, hint: String| Failure::Usage { message, hint };
    let (name, mode) = pair
        .split_once('=')
        .ok_or_else(|| refuse(format!("--provisioning: `{pair}` is no SERVICE=MODE"), "such as db=Always".to_owned()))?;
    let word = ["Auto", "Always", "Never", "Disabled"].into_iter().find(|w| w.eq_ignore_ascii_case(mode));
    let word = word.ok_or_else(|| {
        refuse(format!("--provisioning: unknown mode `{mode}`"), "one of Auto, Always, Never, Disabled".to_owned())
    })?;
    let services = stack.pointer_mut("/spec/services").and_then(Value::as_array_mut).map(Vec::as_mut_slice).unwrap_or_default();
    let names: Vec<String> = services.iter().filter_map(|s| s["name"].as_str().map(str::to_owned)).collect();
    match services.iter_mut().find(|service| service["name"] == name) {
        Some(service) => {
            service["provisioning"]["mode"] = json!(word);
            Ok(())
        }
        None => Err(Failure::Unknown { kind: "service", name: name.to_owned(), nearest: suggest(name, names) }),
    }
}

/// Sets one field; a step is a key, an index, or the name of an entry of a list.
fn set_path(stack: &mut Value, pair: &str) -> Result<(), Failure> {
    let refuse = |message: String| Failure::Usage { message, hint: "such as --set spec.services.api.replicas=2".to_owned() };
    let (path, text) = pair.split_once('=').ok_or_else(|| refuse(format!("--set: `{pair}` is no PATH=VALUE")))?;
    let value: Value = serde_saphyr::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
    let mut node = stack;
    for step in path.split('.') {
        node = match node {
            Value::Array(items) => {
                let index = step.parse().ok().or_else(|| items.iter().position(|item| item["name"] == step));
                index.and_then(|i: usize| items.get_mut(i)).ok_or_else(|| refuse(format!("--set: {path}: no entry `{step}`")))?
            }
            Value::Null | Value::Object(_) => &mut node[step],
            Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                return Err(refuse(format!("--set: {path}: nothing lies below `{step}`")));
            }
        };
    }
    *node = value;
    Ok(())
}
